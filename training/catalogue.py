"""The kinds of documents in library/, one file each, and which of them are kept for testing."""

from __future__ import annotations

from training.agreeing import SETTLE
from training.phrases import LIBRARY
from training.templates import Kind, read_kind

KEPT = {"hotel booking", "event"}


def _read_all() -> dict[str, Kind]:
    paths = sorted(path for path in LIBRARY.glob("*.txt") if path.stem not in ("phrases", "filler"))
    kinds = [read_kind(path.stem.replace("_", " "), path.read_text(encoding="utf-8")) for path in paths]
    return {kind.name: kind for kind in kinds}


_ALL = _read_all()
assert set(SETTLE) | KEPT <= set(_ALL)
TEMPLATED = {name: kind for name, kind in _ALL.items() if name not in KEPT}
UNSEEN_KINDS = {name: kind for name, kind in _ALL.items() if name in KEPT}

"""What the templates' documents talk about: lists by name, English and Chinese, from library/."""

from __future__ import annotations

import re
from pathlib import Path


def _read(path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Lines of ``name | English/... | Chinese/...``."""
    lists: dict[str, tuple[list[str], list[str]]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, english, chinese = line.split(" | ")
        lists[name] = (english.split("/"), chinese.split("/"))
    return lists


def _read_filler(path: Path) -> dict[str, list[str]]:
    _, english, chinese = re.split(r"(?m)^=== \w+ ===\n", path.read_text(encoding="utf-8"))
    return {"en": english.splitlines(), "zh": chinese.splitlines()}


LIBRARY = Path(__file__).parent / "library"
LISTS = _read(LIBRARY / "phrases.txt")
FILLER = _read_filler(LIBRARY / "filler.txt")  # paragraphs that have nothing to do with any document

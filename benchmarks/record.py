"""Measured figures and the machine they come from, as JSON in benchmarks/record/."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

RECORD = Path(__file__).parent / "record"
_PACKAGES = (
    "numpy", "numba", "torch", "transformers", "llguidance", "xgrammar", "outlines", "outlines-core",
    "lm-format-enforcer",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor, number of cores, Python and the versions of what was measured; nothing that names the machine."""
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version(), "versions": versions}


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def save(name: str, figures: dict[str, Any]) -> Path:
    """Writes ``figures`` with the machine's description to record/``name``.json."""
    RECORD.mkdir(exist_ok=True)
    path = RECORD / f"{name}.json"
    text = json.dumps({"machine": machine(), **figures}, indent=1, default=_plain, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, Path) else value.item() if hasattr(value, "item") else str(value)

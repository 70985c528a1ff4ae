"""What the benchmarks share: the vocabulary, the machine's description, tables and records."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import qwen_struct
from qwen_struct import Vocabulary

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("QWEN_STRUCT_SHARED", ROOT.parent / "shared"))
N_VOCAB, EOS = 152_064, 151_645  # of Qwen2.5's larger models, and <|im_end|>


def load_vocabulary(**options: Any) -> Vocabulary:
    """Qwen2.5's own vocabulary where it is at hand, else the bundled model's, which has 1,024 tokens."""
    path = SHARED / "qwen2.5-tokenizer" / "tokenizer.json"
    if path.exists():
        return Vocabulary.from_tokenizer(path, n_vocab=N_VOCAB, eos_token_ids=[EOS], **options)
    return Vocabulary.from_tokenizer(Path(qwen_struct.__file__).parent / "mini", **options)


def token_ids(vocabulary: Vocabulary, text: bytes) -> list[int]:
    """``text`` in tokens, the longest first; not what the tokenizer would choose, but the like of it."""
    by_text = {token: i for i, token in enumerate(vocabulary.tokens) if token is not None}
    longest, found, at = max(map(len, by_text)), [], 0
    while at < len(text):
        end = next(end for end in range(min(len(text), at + longest), at, -1) if text[at:end] in by_text)
        found.append(by_text[text[at:end]])
        at = end
    return found


def machine() -> dict[str, Any]:
    """The processor and the versions that figures depend on; nothing that names the machine."""
    libraries = {}
    for name in ("numpy", "numba", "llguidance", "xgrammar", "outlines-core", "lm-format-enforcer"):
        try:
            libraries[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "qwen_struct": qwen_struct.__version__,
        "libraries": libraries,
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def record(name: str, results: Any) -> None:
    """Writes ``record/<name>.json`` and prints the same as the last line."""
    document = {"benchmark": name, "machine": machine(), "results": results}
    path = Path(__file__).parent / "record" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(document))


def print_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    cells = [list(head), *([f"{c:,.1f}" if isinstance(c, float) else str(c) for c in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)), flush=True)


def exponent(sizes: Sequence[float], figures: Sequence[float]) -> float | None:
    """The slope of log(figure) over log(size) in the upper half of the sizes: 1 is linear growth."""
    pairs = [(s, f) for s, f in zip(sizes, figures, strict=True) if f > 0]
    pairs = pairs[len(pairs) // 2 :] if len(pairs) > 3 else pairs
    if len(pairs) < 2:
        return None
    x, y = np.log([s for s, _ in pairs]), np.log([f for _, f in pairs])
    return round(float(np.polyfit(x, y, 1)[0]), 2)

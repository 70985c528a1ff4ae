"""What the benchmarks of the engine share: the vocabulary, tables, and the slope of growth."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import save

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


def finish(name: str, figures: dict[str, Any]) -> None:
    """Writes ``record/<name>.json``, and prints the figures as the last line."""
    save(name, figures)
    print(json.dumps(figures))


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

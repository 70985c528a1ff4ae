"""Which token of the document each token of an answer repeats, and how much each counts.

A small model learns to look values up much sooner when it is told where they stand: one head of attention is trained
to point there (``network.pointing_loss``). Where a value stands in several places, or is spelled anew, nothing is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tokenizers import Encoding

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null')
START, VALUE, STRUCTURE = 2.0, 1.0, 0.25  # weights: a value's first token, its others, and keys and punctuation
NOWHERE = -1


def leaves(answer: str) -> Iterator[re.Match[str]]:
    """Strings, numbers and literals that are values."""
    return (match for match in TOKEN.finditer(answer) if answer[match.end() : match.end() + 1] != ":")


def weights_of(answer: str, encoding: Encoding) -> list[float]:
    """Weights of the answer's tokens. Keys and punctuation, which a grammar mostly forces, count little."""
    by_char = [STRUCTURE] * len(answer)
    for leaf in leaves(answer):
        first = leaf.start() + (answer[leaf.start()] == '"')
        by_char[first : leaf.end()] = [START] + [VALUE] * (leaf.end() - first - 1)
    weights = []
    for start, end in encoding.offsets:
        weights.append(max(by_char[start:end], default=VALUE))  # what stands after the answer is its end
    return weights


def sources_of(answer: str, encoding: Encoding, read: str, read_encoding: Encoding, document: int) -> list[int]:
    """For each token of the answer the index of the read token that it repeats, or NOWHERE.

    ``document`` is where the document begins in ``read``.
    """
    sources = [NOWHERE] * len(encoding.ids)
    read_at: dict[int, int] = {}
    for index, (start, _) in enumerate(read_encoding.offsets):
        read_at.setdefault(start, index)
    answer_at: dict[int, int] = {}
    for index, (start, _) in enumerate(encoding.offsets):
        answer_at.setdefault(start, index)
    for leaf in leaves(answer):
        value = leaf.group().strip('"')
        place = _only_place(value, read, document)
        token = answer_at.get(leaf.start() + leaf.group().startswith('"'))
        source = read_at.get(place)
        while token is not None and source is not None and token < len(sources) and source < len(read_encoding.ids):
            if encoding.ids[token] != read_encoding.ids[source] or encoding.offsets[token][1] > leaf.end():
                break
            sources[token] = source
            token, source = token + 1, source + 1
    return sources


def _only_place(value: str, read: str, document: int) -> int:
    """Where ``value`` stands as a word of its own, if that is one place; else -1."""
    if not value or "\\" in value:
        return -1
    place = read.find(value, document)
    found = -1
    while place >= 0:
        before, after = read[place - 1 : place], read[place + len(value) : place + len(value) + 1]
        if not (_joined(before, value[0]) or _joined(value[-1], after)):
            if found >= 0:
                return -1
            found = place
        place = read.find(value, place + 1)
    return found


def _joined(left: str, right: str) -> bool:
    return left.isascii() and right.isascii() and left.isalnum() and right.isalnum()

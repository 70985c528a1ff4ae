"""Which token of the document each token of an answer repeats, and how much each counts.

A small model learns to look values up much sooner when it is told where they stand: one head of attention is trained
to point there (``network.pointing_loss``). Of numbers and dates that are spelled anew the digits are pointed to. Where
a value stands more often than it is asked for nothing is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from tokenizers import Encoding

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|true|false|null')
NUMBER, NUMERAL, DATE = re.compile(r"-?\d+(?:\.\d+)?"), re.compile(r"\d+"), re.compile(r"\d{4}-\d\d-\d\d")
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
        last = leaf.end() + (answer[leaf.start()] != '"')  # a quote ends a string, what follows ends a number
        by_char[first:last] = [START] + [VALUE] * (last - first - 1)
    # what stands after the answer is its end
    return [max(by_char[start:end], default=VALUE) for start, end in encoding.offsets]


def sources_of(answer: str, encoding: Encoding, read: str, read_encoding: Encoding, document: int) -> list[int]:
    """For each token of the answer the index of the read token that it repeats, or NOWHERE.

    ``document`` is where the document begins in ``read``.
    """
    sources = [NOWHERE] * len(encoding.ids)
    answer_at, read_at = _first_tokens(encoding), _first_tokens(read_encoding)
    asked = list(leaves(answer))
    told = Counter(_spelled(leaf) for leaf in asked)
    places = {value: _places(value, read, document) for value in told}
    seen: Counter[str] = Counter()
    for leaf in asked:
        value, first = _spelled(leaf), leaf.start() + leaf.group().startswith('"')
        if len(places[value]) == told[value]:  # as often as it is asked for: in the same order
            pairs = [(first, places[value][seen[value]])]
        else:
            pairs = [] if places[value] else [(first + i, k) for i, k in _spelled_anew(value, read, document)]
        seen[value] += 1
        for char, place in pairs:
            token, source = answer_at.get(char), read_at.get(place)
            while token is not None and source is not None and token < len(sources) and source < len(read_encoding.ids):
                if encoding.ids[token] != read_encoding.ids[source] or encoding.offsets[token][1] > leaf.end():
                    break
                sources[token] = source
                if len(pairs) > 1:
                    break
                token, source = token + 1, source + 1
    return sources


def _spelled(leaf: re.Match[str]) -> str:
    return leaf.group().strip('"')


def _first_tokens(encoding: Encoding) -> dict[int, int]:
    """For each character at which a token begins, the first such token."""
    first: dict[int, int] = {}
    for index, (start, _) in enumerate(encoding.offsets):
        first.setdefault(start, index)
    return first


def _spelled_anew(value: str, read: str, document: int) -> list[tuple[int, int]]:
    """Digits of a date or number, and where they stand if it is spelled otherwise: pairs of index and place."""
    if DATE.match(value):
        return _date_digits(value, read, document)
    if NUMBER.fullmatch(value):
        return _number_digits(value, read, document)
    return []


def _number_digits(value: str, read: str, document: int) -> list[tuple[int, int]]:
    whole, _, decimals = value.removeprefix("-").partition(".")
    pattern = r"(?<![\d.,])" + r"[,.'\u2019 \u00a0]?".join(whole)
    pattern += (r"[.,]" + decimals + "0*" if decimals else r"(?:[.,]0+)?") + r"(?!\d|[.,]\d)"
    matches = list(re.finditer(pattern, read[document:]))
    if len(matches) != 1:
        return []
    wanted = [index for index, char in enumerate(value) if char.isdigit()]
    found = [document + k for k in range(*matches[0].span()) if read[document + k].isdigit()]
    return list(zip(wanted, found, strict=False))


def _date_digits(value: str, read: str, document: int) -> list[tuple[int, int]]:
    """The year's where it stands once, month's and day's where they stand once in figures beside it."""
    years = [match.start() for match in re.finditer(rf"(?<!\d){value[:4]}(?!\d)", read[document:])]
    if len(years) != 1:
        return []
    year = document + years[0]
    pairs = [(i, year + i) for i in range(4)]
    beside = [*NUMERAL.finditer(read, max(document, year - 8), year), *NUMERAL.finditer(read, year + 4, year + 12)]
    for start in (5, 8):
        runs = [run for run in beside if len(run.group()) <= 2 and int(run.group()) == int(value[start : start + 2])]
        if len(runs) == 1:
            pairs += [(start + 2 - i, runs[0].end() - i) for i in range(len(runs[0].group()), 0, -1)]
    return pairs


def _places(value: str, read: str, document: int) -> list[int]:
    """Where ``value`` stands as a word of its own."""
    if not value or "\\" in value:
        return []
    places = []
    place = read.find(value, document)
    while place >= 0:
        before, after = read[place - 1 : place], read[place + len(value) : place + len(value) + 1]
        if not (_joined(before, value[0]) or _joined(value[-1], after)):
            places.append(place)
        place = read.find(value, place + 1)
    return places


def _joined(left: str, right: str) -> bool:
    return left.isascii() and right.isascii() and left.isalnum() and right.isalnum()

"""Code point sets against Python's own sets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_struct.language.charset import ALL_CHARS, NO_CHARS, CharSet

_POINTS = st.one_of(st.integers(0, 40), st.integers(0xD7F0, 0xE010), st.integers(0x10FFF0, 0x10FFFF))
_RANGES = st.lists(st.tuples(_POINTS, st.integers(0, 20)).map(lambda r: (r[0], min(r[0] + r[1], 0x10FFFF))), max_size=8)


def _reference(ranges: list[tuple[int, int]]) -> set[int]:
    return {p for low, high in ranges for p in range(low, high + 1) if not 0xD800 <= p <= 0xDFFF}


@given(_RANGES, _RANGES)
def test_operations_are_those_of_sets(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    a, b = CharSet.from_ranges(left), CharSet.from_ranges(right)
    x, y = _reference(left), _reference(right)
    assert set(a) == x and len(a) == len(x)
    assert set(a | b) == x | y and set(a & b) == x & y and set(a - b) == x - y
    assert a.isdisjoint(b) == x.isdisjoint(y) and a.issubset(b) == (x <= y)
    assert all((p in a) == (p in x) for p in (*range(45), *range(0xD7E0, 0xE030)))


@given(_RANGES)
def test_complement_has_everything_else(ranges: list[tuple[int, int]]) -> None:
    a = CharSet.from_ranges(ranges)
    assert ~~a is a and (a | ~a) is ALL_CHARS and (a & ~a) is NO_CHARS


def test_equal_sets_are_one_object() -> None:
    assert CharSet.of("cab") is CharSet.from_ranges([(0x61, 0x63)])
    assert CharSet.of("\ud800") is NO_CHARS
    assert len(ALL_CHARS) == 0x110000 - 2048


def test_representative_is_plain_where_it_can_be() -> None:
    chosen = [chr(CharSet.of(text).representative()) for text in ("xa", "9\n0", "\t!", "\n", "\x7f\xe9")]
    assert chosen == ["a", "0", "!", "\n", "\x7f"]
    with pytest.raises(IndexError):
        NO_CHARS.representative()

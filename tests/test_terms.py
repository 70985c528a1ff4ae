"""Terms: identities of the constructors, derivatives against a slow oracle, and the questions of decide.py."""

from __future__ import annotations

import itertools
import threading
import time
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_struct.language.charset import ALL_CHARS, CharSet
from qwen_struct.language.decide import (
    FuelExhausted,
    is_empty,
    is_infinite,
    live_transitions,
    min_length,
    sample,
    shortest,
    words,
)
from qwen_struct.language.terms import (
    ANY,
    ANY_CHAR,
    EMPTY,
    EPSILON,
    Leaf,
    Term,
    accepts,
    chars,
    complement,
    concat,
    derivative,
    intersect,
    length,
    literal,
    literals,
    repeat,
    transitions,
    union,
)

A, B = literal("a"), literal("b")
ALPHABET = "abc"
STRINGS = ["".join(s) for n in range(6) for s in itertools.product(ALPHABET, repeat=n)]


def test_identities() -> None:
    x = concat(ANY, literal("ab"), ANY)
    assert union(A, A) is A and union(A, B) is chars(CharSet.of("ab")) and union() is EMPTY
    assert concat(x, EMPTY) is EMPTY and concat(EPSILON, x) is x
    assert union(x, ANY) is ANY and intersect(x, ANY) is x and intersect() is ANY
    assert complement(complement(x)) is x and complement(EMPTY) is ANY
    assert intersect(x, complement(x)) is EMPTY and union(x, complement(x)) is ANY
    assert intersect(length(1, 5), length(3, 9)) is length(3, 5)
    assert intersect(length(1, 2), length(3, 9)) is EMPTY
    assert complement(length(3, None)) is length(0, 2)
    assert intersect(ANY_CHAR, ANY) is ANY_CHAR
    assert concat(repeat(A, 0, 1), ANY) is ANY and concat(ANY, ANY) is ANY
    assert repeat(repeat(A, 1, 1000), 1, 1000) is repeat(A, 1, 1_000_000)
    assert repeat(repeat(A, 2, 2), 0, None) is not repeat(A, 0, None)
    assert concat(A, repeat(A, 0, None)) is repeat(A, 1, None)
    assert union(EPSILON, repeat(A, 1, None)) is repeat(A, 0, None)
    assert union(repeat(A, 1, 3), repeat(A, 3, 9)) is repeat(A, 1, 9)


class _Alternatives:
    """A regular expression as Python data, with its own slow semantics."""

    @staticmethod
    def matches(tree: Any, text: str) -> bool:
        return len(text) in _Alternatives.ends(tree, text, 0)

    @staticmethod
    def ends(tree: Any, text: str, start: int) -> set[int]:
        kind, *parts = tree
        ends = _Alternatives.ends
        if kind == "set":
            return {start + 1} if start < len(text) and text[start] in parts[0] else set()
        if kind == "concat":
            return {end for middle in ends(parts[0], text, start) for end in ends(parts[1], text, middle)}
        if kind == "or":
            return ends(parts[0], text, start) | ends(parts[1], text, start)
        if kind == "and":
            return ends(parts[0], text, start) & ends(parts[1], text, start)
        if kind == "not":
            return set(range(start, len(text) + 1)) - ends(parts[0], text, start)
        body, low, high = parts
        reached, found = {start}, {start} if low == 0 else set()
        for count in range(1, (high if high is not None else low + len(text) + 1) + 1):
            reached = {end for at in reached for end in ends(body, text, at)}
            found |= reached if count >= low else set()
        return found


def _term(tree: Any) -> Term:
    kind, *parts = tree
    if kind == "set":
        return chars(CharSet.of(parts[0]))
    if kind == "repeat":
        return repeat(_term(parts[0]), parts[1], parts[2])
    return {"concat": concat, "or": union, "and": intersect, "not": complement}[kind](*map(_term, parts))


_COUNTS = st.sampled_from([(0, None), (1, None), (0, 1), (2, 2), (1, 3), (0, 2), (2, None), (3, 4)])
_TREES = st.recursive(
    st.tuples(st.just("set"), st.sampled_from(["a", "b", "ab", "abc", "bc"])),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["concat", "or", "and"]), inner, inner),
        st.tuples(st.just("not"), inner),
        st.builds(lambda body, counts: ("repeat", body, *counts), inner, _COUNTS),
    ),
    max_leaves=7,
)


@settings(max_examples=150, deadline=None)
@given(_TREES)
def test_a_term_has_the_words_of_its_expression(tree: Any) -> None:
    term = _term(tree)
    strings = STRINGS[:121] + STRINGS[121::7]
    expected = [text for text in strings if _Alternatives.matches(tree, text)]
    assert [text for text in strings if accepts(term, text)] == expected
    if expected:
        assert not is_empty(term) and len(shortest(term)) == min_length(term) <= len(expected[0])
    assert term.min_len <= min(map(len, expected), default=term.min_len)
    assert term.max_len is None or term.max_len >= max(map(len, expected), default=0)
    if is_empty(term):
        assert not term.inhabited and not term.unbounded
    else:
        assert accepts(term, sample(term, Random(1)))
        assert term.plain <= (len(shortest(term)) == term.min_len)
        if term.unbounded:
            assert all(not is_empty(_after(term, text)) for text in strings[:40])
        if not is_infinite(term) and (found := words(term, 500)) is not None:
            assert [w for w in found if set(w) <= set(ALPHABET) and len(w) < 5] == sorted(
                w for w in expected if len(w) < 5
            )


def _after(term: Term, text: str) -> Term:
    for character in text:
        term = derivative(term, ord(character))
    return term


@settings(max_examples=60, deadline=None)
@given(_TREES, st.text(ALPHABET, max_size=4))
def test_transitions_are_disjoint_and_agree_with_derivatives(tree: Any, text: str) -> None:
    term = _after(_term(tree), text)
    seen: set[int] = set()
    covered = CharSet.from_ranges([])
    for characters, after in transitions(term):
        assert after is not EMPTY and after.id not in seen and characters.isdisjoint(covered)
        seen.add(after.id)
        covered |= characters
        assert derivative(term, characters.ranges[0][0]) is after
    assert all(derivative(term, low) is EMPTY for low, _ in (~covered).ranges)


def test_surrogates_are_never_accepted() -> None:
    assert derivative(ANY, 0xD800) is EMPTY and not accepts(ANY, "\ud800") and literal("\udc00") is EMPTY
    assert all(characters.issubset(ALL_CHARS) for characters, _ in transitions(complement(A)))


def test_states_of_searches_stay_few() -> None:
    """The states of ``abc`` somewhere: three beginnings and the end, which is ANY itself."""
    start = concat(ANY, literal("abc"), ANY)
    assert _after(start, "xxabxabcz") is ANY
    states, todo = {start}, [start]
    while todo:
        for _, after in transitions(todo.pop()):
            if after not in states:
                states.add(after)
                todo.append(after)
    assert len(states) == 4


@pytest.mark.parametrize(
    "term",
    [
        repeat(union(A, A), 0, None),
        repeat(repeat(A, 0, None), 0, None),
        repeat(concat(repeat(A, 1, None), repeat(A, 1, None)), 1, None),
        repeat(concat(repeat(A, 0, None), repeat(B, 0, 1)), 0, 1000),
        concat(ANY, repeat(A, 100, 1_000_000), ANY),
    ],
)
def test_ambiguous_repetitions_do_not_explode(term: Term) -> None:
    state = concat(term, B)
    for character in "aab" * 60:
        state = derivative(state, ord(character))
        assert len(getattr(state, "items", ())) <= 4


def test_counters_are_not_unrolled() -> None:
    started = time.perf_counter()
    term = intersect(repeat(union(A, B), 1, 1_000_000), length(999_999, None))
    assert not is_empty(term) and min_length(term) == 999_999
    assert time.perf_counter() - started < 0.5


def test_a_hundred_thousand_words() -> None:
    started = time.perf_counter()
    term = literals(f"word-{number:06}" for number in range(100_000))
    assert accepts(term, "word-004711") and not accepts(term, "word-100000")
    assert len(transitions(_after(term, "word-0"))) == 10
    assert time.perf_counter() - started < 1.0
    assert _after(complement(term), "word-x") is ANY and complement(term).unbounded
    assert words(term, 99_999) is None and (words(literals(["b", "a", "b"]), 9)) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "low", "high", "empty"),
    [
        (literal("abc"), 100_000, 100_001, True),
        (literal("abc"), 100_000, 100_002, False),
        (union(literal("aaaa"), literal("bbbbbb")), 1001, 1001, True),
        (union(literal("aaaa"), literal("bbbbbb")), 1002, None, False),
        (A, 100_000, 1_000_000, False),
    ],
)
def test_lengths_that_only_the_automaton_tells(body: Term, low: int, high: int | None, empty: bool) -> None:
    assert is_empty(intersect(repeat(body, 0, None), length(low, high))) is empty


def test_contradictions_are_empty_and_not_entered() -> None:
    both = intersect(concat(ANY, A), concat(ANY, B))
    assert is_empty(both)
    half = union(concat(A, both), literal("b"))
    assert len(transitions(half)) == 2 and [c for c, _ in live_transitions(half)] == [CharSet.of("b")]


def test_fuel_is_a_limit_and_not_a_guess() -> None:
    contradiction = intersect(*[concat(ANY, last, repeat(ANY_CHAR, 12, 12)) for last in (A, B)])
    with pytest.raises(FuelExhausted):
        is_empty(contradiction, fuel=100)
    with pytest.raises(ValueError, match="no shortest word"):
        shortest(EMPTY)


def test_infinite_or_not() -> None:
    assert is_infinite(repeat(A, 0, None)) and not is_infinite(repeat(A, 0, 9))
    assert not is_infinite(intersect(repeat(union(A, B), 0, None), complement(concat(ANY, B, ANY)), length(0, 3)))
    assert is_infinite(intersect(repeat(union(A, B), 0, None), concat(ANY, literal("ab"), ANY)))
    assert not is_infinite(intersect(concat(repeat(A, 0, None), B), complement(concat(literal("aa"), ANY))))
    assert words(intersect(concat(repeat(A, 0, None), B), complement(concat(literal("aa"), ANY))), 5) == ["ab", "b"]


class _Multiple(Leaf):
    """Strings of a's whose number is a multiple of ``modulus``, as a hand-written automaton."""

    __slots__ = ("modulus", "rest")
    modulus: int
    rest: int

    def setup(self, *key: Any) -> None:
        self.modulus, self.rest = key
        self.nullable = self.rest == 0

    def moves(self) -> list[tuple[CharSet, Term]]:
        return [(CharSet.of("a"), _Multiple(self.modulus, (self.rest + 1) % self.modulus))]


def test_leaves_are_interned_and_combine() -> None:
    assert _Multiple(3, 0) is _Multiple(3, 0)
    sixth = intersect(_Multiple(2, 0), _Multiple(3, 0), length(1, None))
    assert shortest(sixth) == "aaaaaa" and is_infinite(sixth)
    assert is_empty(intersect(_Multiple(2, 0), _Multiple(2, 1)))


def test_threads_get_the_same_objects() -> None:
    results: list[list[Term]] = []

    def build() -> None:
        results.append([concat(repeat(chars(CharSet.of([n])), 2, n), ANY) for n in range(200, 400)])

    threads = [threading.Thread(target=build) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(a is b for other in results[1:] for a, b in zip(results[0], other, strict=True))

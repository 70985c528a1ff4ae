"""Numbers against exact arithmetic: all short spellings one by one, and every prefix for a completion."""

from __future__ import annotations

import json
import re
import time
from decimal import Decimal
from fractions import Fraction
from itertools import product
from random import Random
from typing import Any

import pytest

from qwen_struct.language.decide import is_empty, live_transitions, shortest
from qwen_struct.language.terms import Term, accepts, derivative, transitions
from qwen_struct.language.values import Values
from qwen_struct.schema.algebra import NUMBER
from qwen_struct.schema.parse import parse_schema

DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
STEPS = [1, 2, 3, 7, 12, 25, 0.5, 0.25, 2.5, 0.01, 0.05, 1.5, 40, 125]
LIMITS = [-119, -81, -12, -3.5, -1, -0.05, 0, 0.01, 0.3, 1, 2.5, 7, 9.99, 10, 11, 81, 99, 100, 119]


def term_of(schema: dict, float_integers: bool = False) -> Term:
    """The language of the numbers that satisfy ``schema``."""
    parsed = parse_schema(schema, float_integers=float_integers)
    values = Values(parsed.algebra)
    return values.number_term(values.restrict(parsed.root, NUMBER))


def satisfies(schema: dict, value: Fraction) -> bool:
    """What the standard says, in exact arithmetic."""
    checks = {
        "type": lambda a: a == "number" or value.denominator == 1,
        "minimum": lambda a: value >= exact(a),
        "maximum": lambda a: value <= exact(a),
        "exclusiveMinimum": lambda a: value > exact(a),
        "exclusiveMaximum": lambda a: value < exact(a),
        "multipleOf": lambda a: (value / exact(a)).denominator == 1,
        "enum": lambda a: value in map(exact, a),
        "not": lambda a: not satisfies(a, value),
        "allOf": lambda a: all(satisfies(s, value) for s in a),
        "anyOf": lambda a: any(satisfies(s, value) for s in a),
        "oneOf": lambda a: sum(satisfies(s, value) for s in a) == 1,
    }
    return all(checks[keyword](argument) for keyword, argument in schema.items())


def exact(number: float) -> Fraction:
    return Fraction(repr(number))


def plain(number: Fraction) -> float:
    return int(number) if number.denominator == 1 else float(number)


def random_schema(rng: Random, depth: int = 2) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    if rng.random() < 0.4:
        schema["type"] = rng.choice(["integer", "number"])
    if rng.random() < 0.6:
        schema["multipleOf"] = rng.choice(STEPS)
    for keyword in rng.sample(["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"], rng.choice([0, 1, 2, 2])):
        schema[keyword] = rng.choice(LIMITS)
    if depth and rng.random() < 0.6:
        keyword = rng.choice(["not", "allOf", "anyOf", "oneOf", "oneOf"])
        inner = [random_schema(rng, depth - 1) for _ in range(rng.randint(2, 3))]
        schema[keyword] = inner[0] if keyword == "not" else inner
    if rng.random() < 0.1:
        schema["enum"] = rng.sample(LIMITS, 6)
    return schema


def short_texts() -> list[str]:
    texts = ["".join(t) for n in range(1, 5) for t in product("-.01259", repeat=n)]
    return [text for text in texts if DECIMAL.fullmatch(text)]


TEXTS = short_texts()


@pytest.mark.parametrize("seed", range(0, 160, 20))
def test_short_spellings_are_those_of_the_numbers_that_satisfy_the_schema(seed: int) -> None:
    for number in range(seed, seed + 20):
        rng = Random(number)
        schema = random_schema(rng)
        for float_integers in (False, True):
            term = term_of(schema, float_integers)
            accepted = {text for text in TEXTS if accepts(term, text)}
            assert all(satisfies(schema, Fraction(text)) for text in accepted), (number, schema)
            reached = {Fraction(text) for text in accepted}
            for text in TEXTS:  # some spelling of every number
                assert Fraction(text) in reached or not satisfies(schema, Fraction(text)), (number, schema, text)


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_no_prefix_is_without_completion_and_none_is_missing(seed: int) -> None:
    """Walks; what the automaton calls inhabited has a shortest word, and what it leaves out has no short one."""
    for number in range(seed, seed + 20):
        rng = Random(number)
        schema = random_schema(rng, depth=rng.choice([0, 0, 1]))
        whole = term_of(schema, float_integers=rng.random() < 0.5)
        words = sorted(text for text in TEXTS if accepts(whole, text))
        assert not words or not is_empty(whole)
        term, read = whole, ""
        while not is_empty(term) and len(read) < 12:
            word = shortest(term)
            assert accepts(whole, read + word) and satisfies(schema, Fraction(read + word)), (number, schema, read)
            live = {chr(point) for chars, _ in live_transitions(term) for point in range(0x2D, 0x3A) if point in chars}
            assert {w[len(read)] for w in words if w.startswith(read) and len(w) > len(read)} <= live
            if not live:
                break
            read += rng.choice(sorted(live))
            term = derivative(term, ord(read[-1]))


LARGE = [0.123456789, 1e-8, 2**53, 2**53 - 1, 1_000_003, 123456.789, 1e300, 3e-15]


@pytest.mark.parametrize("step", LARGE)
def test_large_steps_are_decided_by_arithmetic(step: float) -> None:
    """Under bounds far apart, close together and with nothing between them, the work does not grow with the step."""
    started = time.perf_counter()
    multiple, above = (plain(exact(step) * times) for times in (8, 8 + Fraction(1, 4)))
    every_integer = (1 / exact(step)).denominator == 1
    schemas = [
        {"multipleOf": step},
        {"multipleOf": step, "exclusiveMinimum": multiple, "maximum": above},
        {"multipleOf": step, "minimum": multiple, "maximum": above},
        {"allOf": [{"multipleOf": step}, {"multipleOf": 0.007}], "minimum": 1},
        {"multipleOf": step, "type": "integer", "minimum": 1},
        {"type": "integer", "not": {"multipleOf": step}},
        {"multipleOf": step, "not": {"multipleOf": step}},
    ]
    for number, schema in enumerate(schemas):
        term = term_of(schema, float_integers=True)
        assert is_empty(term) == (number in (1, 6) or (number == 5 and every_integer)), schema
        if not is_empty(term):
            text, rng = "", Random(0)
            for _ in range(30):  # a walk, then the nearest end
                live = live_transitions(term)
                if not live:
                    break
                text += chr(rng.choice(live)[0].representative())
                term = derivative(term, ord(text[-1]))
            assert satisfies(schema, Fraction(text + shortest(term))), (schema, text)
    assert time.perf_counter() - started < 5


def test_exactly_one_of_two_large_steps() -> None:
    schema = {"type": "integer", "oneOf": [{"multipleOf": 1_000_003}, {"multipleOf": 7919}], "minimum": 8000}
    term = term_of(schema)
    assert shortest(term) == "15838" and accepts(term, "1000003") and not accepts(term, str(1_000_003 * 7919))


def test_plain_steps_have_few_states() -> None:
    def num_states(schema: dict) -> int:
        seen, stack = set(), [term_of(schema)]
        while stack:
            term = stack.pop()
            if term not in seen:
                seen.add(term)
                stack += [after for _, after in transitions(term)]
        return len(seen)

    assert num_states({"type": "integer", "minimum": 0, "maximum": 150}) <= 8
    assert num_states({"multipleOf": 0.01, "minimum": 0, "maximum": 999.99}) <= 20


@pytest.mark.parametrize(
    ("schema", "yes", "no"),
    [
        ({"type": "integer"}, "0 12 -3 12.0 -3.00 999999999999999.0 12345678901234567890", "1.5 -0 -0.0 1e3 1. 01.0"),
        ({"type": "integer"}, "9007199254740993", "9007199254740993.0"),  # a double would be another integer
        ({"type": "integer", "minimum": 5, "maximum": 12}, "5 5.0 12.000", "4.0 13.0 12.1"),
        ({"const": 1}, "1 1.0 1.00", "1.01 1.1 11"),
        ({"const": -2.0}, "-2 -2.0 -2.00", "2 -20"),
        ({"enum": [1, 2.5, 20]}, "1 1.0 2.5 20 20.00", "2.0 2 25"),
        ({"const": 2**53 + 1}, "9007199254740993", "9007199254740993.0 9007199254740992"),
        ({"const": 1e22}, "1e+22 10000000000000000000000 10000000000000000000000.0", "1e22"),
        ({"enum": [1, 3], "type": "integer", "minimum": 2}, "3 3.0", "1 1.0"),
        ({"type": "number", "not": {"const": 1}}, "1.5 2 10", "1 1.0 1.00000000000000000001"),
        ({"type": "number", "not": {"const": 0.1}}, "0.2 0.11", "0.1 0.10000000000000000001 0.099999999999999999999"),
        (
            {"type": "number", "not": {"type": "integer"}},
            "1.5 0.30000000000000004 123456789.25 0.000000000000000000001",
            "1 1.0 4.99999999999999999999 5.00000000000000000001 1234567890123456.5 0.99999999999999999999",
        ),
        ({"type": "number", "not": {"multipleOf": 2}}, "1 3.0 2.5", "2 4.0 4.00000000000000000001"),
        (
            {"type": "number", "not": {"multipleOf": 0.25}},
            "0.3 -0.01 0.30000000000000004 0.00000000000000000001 0.1234567890123456789 12345678.9 7.2500000001",
            "0.25 1.5 3 1.2500000000000000001 0.7499999999999999999 818738807782453625278.974 6166292682745.99999",
        ),
        (
            {"type": "number", "multipleOf": 0.1, "not": {"multipleOf": 0.25}},
            "0.1 -2.2",
            "0.5 1 818738807782453625278.9",
        ),
        ({"type": "number", "multipleOf": 3}, "9 9.0 -9.0 -0.0 9007199254740993", "9007199254740993.0 1 1.5"),
        ({"type": "number", "anyOf": [{"exclusiveMaximum": 5}, {"const": 7}]}, "4.9 7", "5 4.99999999999999999999"),
    ],
)
def test_spellings(schema: dict, yes: str, no: str) -> None:
    term = term_of(schema, float_integers=True)
    assert [text for text in yes.split() if not accepts(term, text)] == []
    assert [text for text in no.split() if accepts(term, text)] == []
    assert all(json.loads(text) is not None for text in yes.split())


@pytest.mark.parametrize("step", ["0.25", "0.1", "0.3", "1.5", "0.01", "2.75", "0.125", "0.007", "12.5"])
def test_what_is_no_multiple_is_none_as_a_double_either(step: str) -> None:
    rng = Random(step)
    term = term_of({"type": "number", "not": {"multipleOf": float(step)}})
    num_accepted = 0
    for _ in range(1_500):
        whole = str(rng.randrange(10 ** rng.randrange(1, 20)))
        if rng.random() < 0.5:
            near = Decimal(step) * rng.randrange(10**6) + rng.choice([0, 1, -1]) * Decimal(10) ** -rng.randrange(1, 22)
            text = format(abs(near), "f")
        else:
            tail = rng.choice("09") * rng.randrange(20) + rng.choice(["", "1", "44", "8"])
            text = f"{whole}.{rng.randrange(1000)}{tail}"
        if accepts(term, text):
            num_accepted += 1
            assert Fraction(text) % Fraction(step) and Fraction(json.loads(text)) % Fraction(step), text
        elif len(text) <= 12:
            assert not Fraction(text) % Fraction(step), text
    assert num_accepted > 300


def test_without_the_option_integers_are_plain_digits() -> None:
    assert not accepts(term_of({"type": "integer"}), "1.0") and accepts(term_of({"type": "integer"}), "1")
    assert not accepts(term_of({"const": -2.0}), "-2") and accepts(term_of({"const": -2.0}), "-2.0")
    assert not accepts(term_of({"const": 1}), "1.0")


def test_a_float_is_no_integer_in_draft_4() -> None:
    four = {"$schema": "http://json-schema.org/draft-04/schema#"}
    assert not accepts(term_of({**four, "type": "integer"}, True), "1.0")
    assert not accepts(term_of({**four, "type": "integer", "enum": [1.0]}, True), "1.0")
    assert accepts(term_of({**four, "type": "integer", "enum": [1.0]}, True), "1")
    assert accepts(term_of({**four, "enum": [1]}, True), "1.0")
    assert accepts(term_of({"$schema": "http://json-schema.org/draft-06/schema#", "type": "integer"}, True), "1.0")


def test_many_listed_numbers_stay_quick() -> None:
    started = time.perf_counter()
    term = term_of({"enum": list(range(0, 200_000, 2))}, True)
    assert accepts(term, "123456") and accepts(term, "123456.0") and not accepts(term, "123457")
    assert time.perf_counter() - started < 5

"""ECMA-262 patterns: cases as data, against Node.js and `re`, and on the patterns of MaskBench."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from conftest import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_struct.language import ecma
from qwen_struct.language.decide import is_empty, sample
from qwen_struct.language.ecma import PatternError, UnsupportedPatternError, parse_pattern
from qwen_struct.language.terms import ANY, EMPTY, Term, accepts, complement, derivative, length, repeat, transitions
from qwen_struct.language.unicode_sets import case_closure, property_set

DATA = Path(__file__).parent / "data" / "patterns"
VALID = json.loads((DATA / "valid.json").read_text())
INVALID = json.loads((DATA / "invalid.json").read_text())
NODE = shutil.which("node")
MASKBENCH = SHARED / "maskbench" / "dev.jsonl.gz"


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["pattern"])
def test_cases(case: dict[str, Any]) -> None:
    term = parse_pattern(case["pattern"])
    assert [text for text in case["accept"] if not accepts(term, text)] == []
    assert [text for text in case["reject"] if accepts(term, text)] == []


@pytest.mark.parametrize("case", INVALID, ids=lambda case: case["pattern"])
def test_errors_say_what_and_where(case: dict[str, Any]) -> None:
    with pytest.raises(PatternError) as caught:
        parse_pattern(case["pattern"])
    assert type(caught.value).__name__ == case["error"] and caught.value.position == case["position"]
    assert f"at position {case['position']}" in str(caught.value)


@pytest.mark.parametrize("pattern", ["(" * 10_000 + ")" * 10_000, "a" * 100_001, r"\b" * 201, "(?=" * 150 + ")" * 150])
def test_hostile_sizes_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a|a)*b",
        "(a*)*$",
        "(x+x+)+y",
        "(a?){50}a{50}",
        "(.*.*)*=",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(a{1,1000}){1,1000}$",
    ],
)
def test_catastrophes_of_backtracking_are_harmless(pattern: str) -> None:
    accepts(parse_pattern(pattern), "axb" * 200 + "x" * 200)


@pytest.mark.parametrize(
    "pattern",
    [
        "^" + "a?b?" * 1000 + "$",
        "^" + "a*b*" * 1000 + "$",
        ".*" * 3000 + "x",
        "(?:a|bc)" * 3000,
        "^" + "(?!a{9})" * 150 + ".*$",
    ]
    + ["|".join(f"w{number}" for number in range(5000)), "^((a{1,100}b?){1,100}c?){1,100}$", "[ab]*a[ab]{300}c"],
    ids=lambda pattern: pattern[:16],
)
def test_long_and_ambiguous_patterns_stay_within_a_second(pattern: str) -> None:
    started = time.perf_counter()
    state = parse_pattern(pattern)
    for character in "aab" * 20:
        transitions(state)
        state = derivative(state, ord(character))
    assert time.perf_counter() - started < 2.0  # 0.3 s at most on an idle machine; 225 s before tails were dropped


def test_plain_lengths_are_recognised() -> None:
    assert (
        parse_pattern(r"^[\s\S]{3,7}$") is length(3, 7) and parse_pattern("x*") is ANY and parse_pattern("[]") is EMPTY
    )
    assert parse_pattern("^(?:ab){1,1000000}$") is repeat(parse_pattern("^ab$"), 1, 1_000_000)


def _texts(term: Term, rng: Random, count: int) -> list[str]:
    """Words, strings that are none, and small changes of both."""
    found = [""]
    for language in (term, complement(term)):
        if not is_empty(language):
            found += [sample(language, rng) for _ in range(count)]
    for text in list(found):
        at = rng.randrange(len(text) + 1)
        found += [text[:at] + rng.choice("ab_1 \n-\u00e9\u2028") + text[at:], text[:at] + text[at + 1 :]]
    return sorted(set(found))


def _ask_node(cases: list[tuple[str, list[str]]]) -> list[list[bool] | None]:
    """Node's verdicts; None for a pattern that it refuses. Without the u flag where only that one complains."""
    assert NODE is not None
    script = """
      const cases = JSON.parse(require('fs').readFileSync(0));
      const make = (p, flags) => { try { return new RegExp(p, flags) } catch { return null } };
      const compile = p => make(p, 'u') || make(p, '');
      console.log(JSON.stringify(cases.map(([p, ts]) => { const r = compile(p); return r && ts.map(t => r.test(t)) })));
    """
    done = subprocess.run([NODE, "-e", script], input=json.dumps(cases), capture_output=True, text=True, check=True)
    answers: list[list[bool] | None] = json.loads(done.stdout)
    return answers


def _compare_with_node(patterns: list[str], per_pattern: int) -> None:
    rng, terms, cases = Random(7), [], []
    for pattern in patterns:
        terms.append(parse_pattern(pattern))
        cases.append((pattern, _texts(terms[-1], rng, per_pattern)))
    for term, (pattern, texts), verdicts in zip(terms, cases, _ask_node(cases), strict=True):
        assert verdicts is not None, f"Node refuses {pattern!r}"
        assert [(pattern, t) for t, v in zip(texts, verdicts, strict=True) if accepts(term, t) != v] == []


def _random_patterns(rng: Random, count: int) -> Iterator[str]:
    """Small patterns full of assertions, in loops and alternatives too."""

    def atom(depth: int) -> str:
        heads = ["(?:"] * 3 + ["(?=", "(?!", "(?<=", "(?<!"] if depth else []
        choice = rng.random()
        if heads and choice < 0.45:
            return rng.choice(heads) + alternatives(depth - 1) + ")"
        return (
            rng.choice([r"\b", r"\B", "^", "$"])
            if choice < 0.55
            else rng.choice(["a", "b", ".", r"\w", r"\W", "[^a]", " "])
        )

    def term(depth: int) -> str:
        found = atom(depth)
        bare = found in (r"\b", r"\B", "^", "$") or found.startswith(("(?=", "(?!", "(?<"))
        return found if bare or rng.random() < 0.6 else found + rng.choice(["*", "+", "?", "{2}", "{1,2}", "{2,}"])

    def alternatives(depth: int) -> str:
        return "|".join("".join(term(depth) for _ in range(rng.randint(1, 3))) for _ in range(rng.choice([1, 1, 2])))

    while count:
        pattern = rng.choice(["^(?:{})$", "{}", "^(?:{})*$", "^(?:{}){{2,3}}$", "^(?:{})+b"]).format(alternatives(3))
        try:
            parse_pattern(pattern)
        except UnsupportedPatternError:
            continue
        count -= 1
        yield pattern


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_assertions_mean_what_they_mean_to_node() -> None:
    _compare_with_node(list(_random_patterns(Random(11), 400)), 8)


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_cases_agree_with_node() -> None:
    """All but the modifiers of ECMAScript 2025, which Node 20 does not know."""
    cases = [(c["pattern"], [*c["accept"], *c["reject"]]) for c in VALID if not re.search(r"\(\?[ims]", c["pattern"])]
    for (pattern, texts), verdicts in zip(cases, _ask_node(cases), strict=True):
        term = parse_pattern(pattern)
        assert verdicts == [accepts(term, text) for text in texts], pattern


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
def test_properties_and_case_agree_with_node() -> None:
    points = [*range(0x590), *range(0x1E00, 0x2200), 0x4E2D, 0xAC00, 0x1F600, 0x10428]
    texts = [chr(p) for p in points if unicodedata.category(chr(p)) != "Cn"]  # known to an older Unicode as well
    names = [
        "L",
        "Lu",
        "Zs",
        "Letter",
        "gc=Nd",
        "Script=Greek",
        "sc=Cyrl",
        "scx=Latin",
        "Alphabetic",
        "White_Space",
        "ASCII",
        "Emoji",
    ]
    cases = [(rf"^\p{{{name}}}$", texts) for name in names]
    for name, verdicts in zip(names, _ask_node(cases), strict=True):
        assert verdicts is not None
        wrong = [t for t, v in zip(texts, verdicts, strict=True) if (ord(t) in property_set(name)) != v]
        assert wrong == [], f"{name}: {wrong[:5]}"
    assert NODE is not None
    every = "ks\u00e5\u00df\u03c3\u1e9e\u01c5\u0130i"
    script = """
      const [all, texts] = JSON.parse(require('fs').readFileSync(0));
      const partners = c => texts.filter(t => new RegExp('^' + c + '$', 'iu').test(t));
      console.log(JSON.stringify([...all].map(partners)));
    """
    done = subprocess.run(
        [NODE, "-e", script], input=json.dumps([every, texts]), capture_output=True, text=True, check=True
    )
    for character, partners in zip(every, json.loads(done.stdout), strict=True):
        closure = case_closure(ecma.CharSet.of(character))
        assert [t for t in texts if ord(t) in closure] == partners, character


_PIECES = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", r"\d", "(?:ab|b)", "a*", "b+", "(a|b)?", "[a-c]{2}", "a{1,3}", "x|ab", "^a", "b$"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(_PIECES, min_size=1, max_size=5), st.lists(st.text("abcx1\u00e9", max_size=6), min_size=5, max_size=20))
def test_the_common_subset_means_what_it_means_to_re(pieces: list[str], texts: list[str]) -> None:
    pattern = "".join(pieces)
    term, compiled = parse_pattern(pattern), re.compile(pattern, re.ASCII)
    assert [accepts(term, text) for text in texts] == [compiled.search(text) is not None for text in texts]


def _patterns_of(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        if isinstance(schema.get("patternProperties"), dict):
            yield from schema["patternProperties"]
        for value in schema.values():
            yield from _patterns_of(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _patterns_of(value)


@pytest.mark.skipif(NODE is None or not MASKBENCH.exists(), reason="needs Node.js and MaskBench's development half")
def test_patterns_of_maskbench_agree_with_node() -> None:
    with gzip.open(MASKBENCH) as lines:
        patterns = sorted({pattern for line in lines for pattern in _patterns_of(json.loads(line)["schema"])})
    assert len(patterns) > 1000
    _compare_with_node(patterns, 6)

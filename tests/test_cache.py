"""What a vocabulary remembers: shared, bounded, saved and loaded, and never anything but an optimisation."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import tracemalloc
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from qwen_struct.constraint import Grammar, Matcher, Vocabulary, allocate_token_bitmask, allowed_tokens, compile_schema
from qwen_struct.constraint import cache as cache_module
from qwen_struct.constraint import pool as pool_module
from qwen_struct.constraint import saved as saved_module
from qwen_struct.constraint.pool import MaskPool, Recent
from qwen_struct.errors import CacheError, UnresolvableReferenceError

PIECES = [
    b'{"', b'": ', b'", "', b"], ", b", ", b'": "', b'"}', b"}}", b"[[", b"ab", b"abc", b"12", b"true", b"null",
    b'a": 1', b'": 1, "', b'": 1, "a', b"1, 1", b', "b',
]  # fmt: skip
TOKENS: list[bytes | None] = [*(bytes([b]) for b in range(256)), *PIECES]
EOS = len(TOKENS) + 2


@pytest.fixture(autouse=True, scope="module")
def small_heap() -> Iterator[None]:
    """Dropping ends with a garbage collection, which is slow when it has to look at all that other tests imported."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def make_vocabulary(**options: Any) -> Vocabulary:
    return Vocabulary(TOKENS, n_vocab=EOS + 30, eos_token_ids=[EOS], **options)


SCHEMAS: list[Any] = [
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"],
     "additionalProperties": False},
    {"type": "array", "items": {"type": "string", "maxLength": 30}, "maxItems": 50},
    {"type": "string", "pattern": "^[a-c]{3,40}$"},
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}},
                                                "additionalProperties": False}}},
    {"enum": ["abc", {"a": [1, None]}, 12.5, "ab\n"]},
]  # fmt: skip


def walk(matcher: Matcher, rng: Random, steps: int, watch: Callable[[Matcher, np.ndarray], None] | None = None) -> list:
    """A random walk: each row and the token taken there."""
    n_vocab = matcher._vocabulary.n_vocab
    bitmask, trace = allocate_token_bitmask(1, n_vocab), []
    for _ in range(steps):
        matcher.fill_next_token_bitmask(bitmask)
        if watch is not None:
            watch(matcher, bitmask[0])
        token = rng.choice(allowed_tokens(bitmask[0]))
        trace.append((bitmask[0].tobytes(), token))
        assert matcher.accept_token(token)
        if matcher.is_finished():
            break
    return trace


def traces(vocabulary: Vocabulary, seed: int = 0, steps: int = 30) -> list:
    return [
        walk(compile_schema(schema, vocabulary).matcher(), Random(f"{seed} {i}"), steps)
        for i, schema in enumerate(SCHEMAS)
    ]


# Rows under numbers. ------------------------------------------------------------------------------------------------


def test_a_pool_numbers_equal_rows_alike_and_keeps_them() -> None:
    pool, rng = MaskPool(5), np.random.default_rng(1)
    rows = [rng.integers(-(1 << 31), 1 << 31, 5).astype(np.int32) for _ in range(200)]
    numbers = [pool.add(row) for row in rows]
    assert numbers == list(range(200)) and pool.num_rows == 200
    first = pool[3]
    mirror = pool.rows(0, 150)
    assert [pool.add(row.copy()) for row in rows] == numbers and pool.num_rows == 200
    assert pool[3] is first and (mirror == np.stack(rows[:150])).all()
    assert (np.concatenate([mirror, pool.rows(150, pool.num_rows)]) == np.stack(rows)).all()
    assert pool.num_bytes >= 200 * 5 * 4
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_rows_with_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "hash", lambda data: 7, raising=False)
    pool = MaskPool(2)
    rows = [np.array((i, 1), np.int32) for i in range(5)]
    assert [pool.add(row) for row in rows + rows] == [*range(5), *range(5)] and pool.num_rows == 5


@pytest.mark.parametrize("number", range(len(SCHEMAS)))
def test_numbers_stand_for_the_masks(number: int) -> None:
    vocabulary = make_vocabulary()
    grammar = compile_schema(SCHEMAS[number], vocabulary)
    pool = grammar.mask_pool

    def watch(matcher: Matcher, row: np.ndarray) -> None:
        assert (pool[matcher.mask_id()] == row).all()
        assert (other[matcher.mask_id(other)] == row).all()

    other = MaskPool(vocabulary.num_words)
    for seed in range(20):
        matcher = grammar.matcher()
        walk(matcher, Random(seed), 40, watch)
        watch(matcher, pool[matcher.mask_id()])
    assert grammar.mask_pool is pool


def test_masks_that_depend_on_the_text_have_numbers_too() -> None:
    vocabulary = make_vocabulary()
    matcher = compile_schema({"type": "object", "additionalProperties": {"type": "integer"}}, vocabulary).matcher()
    repeats = TOKENS.index(b'": 1, "a')  # may not come where a is the name being read
    for byte in b'{"a':
        assert matcher.accept_token(byte)
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    matcher.fill_next_token_bitmask(bitmask)
    assert matcher._position.info.unsettled  # type: ignore[attr-defined]
    assert (vocabulary.mask_pool[matcher.mask_id()] == bitmask[0]).all()
    assert repeats in allowed_tokens(bitmask[0])  # ab, for one, may still follow
    assert matcher.mask_id() == matcher.mask_id()


def test_recent_keeps_the_order_of_use() -> None:
    recent = Recent({1: "a", 2: "b", 3: "c"})
    assert recent.get(1) == "a" and recent.get(9) is None and list(recent) == [2, 3, 1]


# The limit. ---------------------------------------------------------------------------------------------------------


def test_figures() -> None:
    vocabulary = make_vocabulary()
    empty = vocabulary.cache_info()
    assert (empty.grammars, empty.positions, empty.rows, empty.hits, empty.misses) == (0, 0, 0, 0, 0)
    assert empty.limit == vocabulary.cache_limit == 512 * 1024 * 1024
    grammar = compile_schema(SCHEMAS[0], vocabulary)
    assert compile_schema(json.loads(json.dumps(SCHEMAS[0])), vocabulary) is grammar
    assert compile_schema(SCHEMAS[0], vocabulary, key_order="schema") is not grammar
    walk(grammar.matcher(), Random(1), 20)
    info = vocabulary.cache_info()
    assert (info.grammars, info.hits, info.misses, info.evictions) == (2, 1, 2, 0)
    assert info.positions > 3 and info.rows > 2 and info.bytes > empty.bytes
    assert info.rows * vocabulary.num_words * 4 <= vocabulary.mask_pool.num_bytes < info.bytes


@pytest.mark.parametrize("limit", [0, 200_000, 2_000_000])
def test_nothing_changes_however_little_is_remembered(limit: int) -> None:
    num_walks = 3 if limit > 1_000_000 else 1
    expected = [traces(make_vocabulary(), seed, steps=10) for seed in range(num_walks)]
    vocabulary = make_vocabulary(cache_limit=limit)
    vocabulary.cache.grew = vocabulary.cache.trim  # type: ignore[method-assign]  # look every time
    assert [traces(vocabulary, seed, steps=10) for seed in range(num_walks)] == expected
    assert vocabulary.cache_info().evictions > 0 or limit == 2_000_000


def test_matchers_under_way_outlive_their_grammars_states() -> None:
    expected = [traces(make_vocabulary(), 5, steps=60)]
    vocabulary = make_vocabulary()
    matchers = [compile_schema(schema, vocabulary).matcher() for schema in SCHEMAS]
    random = [Random(f"5 {i}") for i in range(len(SCHEMAS))]
    found: list[list] = [[] for _ in SCHEMAS]
    for step in range(60):
        for i, matcher in enumerate(matchers):
            if not matcher.is_finished():
                found[i] += walk(matcher, random[i], 1)
        if step % 7 == 3:
            vocabulary.cache._keep(0)
            gc.collect()
    assert [found] == expected
    assert vocabulary.cache_info().evictions > 0


def test_the_least_recently_used_goes_first() -> None:
    vocabulary = make_vocabulary()
    grammars = [compile_schema({"const": f"number {i}"}, vocabulary) for i in range(12)]
    for grammar in grammars:
        walk(grammar.matcher(), Random(0), 10)
    for i in (2, 5):
        grammars[i].matcher()
    sizes = [g.num_bytes for g in grammars]
    vocabulary.cache._keep(int(4.5 * max(sizes)) + 10 * vocabulary.num_words * 4)
    left = [i for i, g in enumerate(grammars) if g.has_states]
    assert {2, 5, 11} <= set(left) and 3 <= len(left) <= 5 and 0 not in left
    assert compile_schema({"const": "number 5"}, vocabulary) is grammars[5]
    assert compile_schema({"const": "number 0"}, vocabulary) is not grammars[0]
    assert grammars[0].accepts('"number 0"') and not grammars[0].accepts('"number 5"')  # compiled again


def test_rows_of_what_stays_move_to_the_new_pool() -> None:
    vocabulary = make_vocabulary()
    kept, gone = compile_schema(SCHEMAS[0], vocabulary), compile_schema(SCHEMAS[2], vocabulary)
    for grammar in (gone, kept):
        walk(grammar.matcher(), Random(4), 30)
    before, old = vocabulary.cache_info(), vocabulary.mask_pool
    matcher = kept.matcher()
    number = matcher.mask_id()
    vocabulary.cache._keep(kept.num_bytes + 60 * vocabulary.num_words * 4)
    assert kept.has_states and not gone.has_states
    assert vocabulary.mask_pool is not old and kept.mask_pool is vocabulary.mask_pool
    assert 0 < vocabulary.cache_info().rows < before.rows
    assert (kept.mask_pool[matcher.mask_id()] == old[number]).all()
    assert matcher.mask_id(old) == number  # the old numbers stay what they were


def test_one_grammar_without_end_is_bounded() -> None:
    limit = 6_000_000
    vocabulary = make_vocabulary(cache_limit=limit)
    grammar = compile_schema({"type": "object", "additionalProperties": {"type": "integer"}}, vocabulary)
    most = 0
    for number in range(40):
        matcher = grammar.matcher()
        text = json.dumps({f"n{number}x{i}": i for i in range(12)}).encode()
        bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
        for byte in text:
            matcher.fill_next_token_bitmask(bitmask)
            assert bitmask[0, byte >> 5] >> (byte & 31) & 1
            assert matcher.accept_token(byte)
        assert matcher.is_accepting()
        most = max(most, vocabulary.cache_info().bytes)
    assert vocabulary.cache_info().evictions > 0
    assert most < 1.3 * limit


def test_a_lower_limit_takes_effect_at_once() -> None:
    vocabulary = make_vocabulary()
    traces(vocabulary)
    before = vocabulary.cache_info()
    vocabulary.cache_limit = before.bytes // 2
    after = vocabulary.cache_info()
    assert after.limit == before.bytes // 2 >= after.bytes and after.grammars < before.grammars


def test_the_estimate_is_near_what_is_allocated() -> None:
    compile_schema(SCHEMAS[0], make_vocabulary())  # what is made once
    gc.collect()
    tracemalloc.start()
    vocabulary = make_vocabulary()
    gc.collect()
    start, base = tracemalloc.get_traced_memory()[0], vocabulary.cache_info().bytes
    for schema in SCHEMAS:
        grammar = compile_schema(schema, vocabulary)
        for seed in range(5):
            walk(grammar.matcher(), Random(seed), 60)
    gc.collect()
    taken, told = tracemalloc.get_traced_memory()[0] - start, vocabulary.cache_info().bytes - base
    tracemalloc.stop()
    assert taken / 2.5 < told < 2.5 * taken


# Grammars that rest. ------------------------------------------------------------------------------------------------


def learnt(vocabulary: Vocabulary, seeds: int = 4) -> list[Grammar]:
    """The schemas' grammars, after some walks."""
    grammars = [compile_schema(schema, vocabulary) for schema in SCHEMAS]
    for number, grammar in enumerate(grammars):
        for seed in range(seeds):
            walk(grammar.matcher(), Random(f"{seed} {number}"), 30)
    return grammars


def test_a_grammar_that_rests_answers_as_before_and_is_compiled_only_for_what_is_new(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vocabulary, fresh = make_vocabulary(), make_vocabulary()
    compiled: list[Grammar] = []
    real = Grammar.compile
    monkeypatch.setattr(Grammar, "compile", lambda self, *rest: compiled.append(self) or real(self, *rest))
    for number, grammar in enumerate(learnt(vocabulary)):
        grammar.rest()
        assert grammar.is_resting and not grammar.is_compiled and grammar.has_states
        assert vocabulary.cache_info().resting == 1
        again = compile_schema(SCHEMAS[number], vocabulary)
        assert again is grammar
        compiled.clear()
        expected = compile_schema(SCHEMAS[number], fresh)
        for seed in range(12):  # the first were walked before, a step further
            steps = 29 if seed < 4 else 30
            trace = walk(expected.matcher(), Random(f"{seed} {number}"), steps)
            assert walk(again.matcher(), Random(f"{seed} {number}"), steps) == trace
            if seed == 3 and number != 3:  # schema 3 has tokens that must be tried against the name before them
                assert grammar not in compiled
        if seed % 2:
            grammar.rest()
        assert again.report == expected.report and again.accepts("1") == expected.accepts("1")
        assert vocabulary.cache_info().resting == 0


def test_resting_leaves_matchers_under_way_alone_and_frees_the_automaton() -> None:
    vocabulary, fresh = make_vocabulary(), make_vocabulary()
    for number, grammar in enumerate(learnt(vocabulary)):
        automaton = weakref.ref(grammar.automaton().documents.values)
        matcher, expected = grammar.matcher(), compile_schema(SCHEMAS[number], fresh).matcher()
        rng, other = Random(f"20 {number}"), Random(f"20 {number}")
        assert walk(matcher, rng, 3) == walk(expected, other, 3)
        grammar.rest()
        if not matcher.is_finished():
            assert walk(matcher, rng, 40) == walk(expected, other, 40)
        del matcher
        gc.collect()
        assert automaton() is None


def test_automata_that_were_not_used_for_long_are_put_to_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_COMPILED_LEAST", 3)
    monkeypatch.setattr(cache_module, "_COMPILED_SHARE", 10_000)
    vocabulary = make_vocabulary()
    grammars = []
    for i in range(60):
        grammars.append(compile_schema({"type": "object", "properties": {f"n{i}": {"type": "integer"}}}, vocabulary))
        walk(grammars[-1].matcher(), Random(i), 30)
        walk(grammars[0].matcher(), Random(i), 30)  # always in use
    info = vocabulary.cache_info()
    assert info.grammars == 60 and info.evictions == 0 and info.resting >= 30
    assert not grammars[0].is_resting and not grammars[-1].is_resting and grammars[1].is_resting
    for i, grammar in enumerate(grammars):
        other = compile_schema({"type": "object", "properties": {f"n{i}": {"type": "integer"}}}, make_vocabulary())
        assert walk(grammar.matcher(), Random(99), 20) == walk(other.matcher(), Random(99), 20)


def test_resting_grammars_are_saved_and_loaded(tmp_path: Path) -> None:
    vocabulary = make_vocabulary()
    for grammar in learnt(vocabulary)[::2]:
        grammar.rest()
    assert vocabulary.save_cache(tmp_path / "file") == len(SCHEMAS)
    loaded = make_vocabulary()
    assert loaded.load_cache(tmp_path / "file") == len(SCHEMAS)
    for seed in range(6):
        assert traces(loaded, seed) == traces(make_vocabulary(), seed)


def test_threads_go_on_while_grammars_rest_wake_and_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "_COMPILED_LEAST", 1)
    monkeypatch.setattr(cache_module, "_COMPILED_SHARE", 100_000)
    monkeypatch.setattr(cache_module, "_REST_EVERY", 1)
    schemas = [*SCHEMAS, *({"type": "object", "properties": {f"n{i}": {"enum": ["x", i]}}} for i in range(10))]
    fresh = make_vocabulary()
    expected = {
        (i, seed): walk(compile_schema(schema, fresh).matcher(), Random(f"{seed} {i}"), 25)
        for i, schema in enumerate(schemas)
        for seed in range(4)
    }
    vocabulary, wrong, rested = make_vocabulary(cache_limit=1_200_000), list[Any](), list[Grammar]()
    rest = Grammar.rest
    monkeypatch.setattr(Grammar, "rest", lambda self: rested.append(self) or rest(self))

    def work(number: int) -> None:
        rng = Random(number)
        try:
            for _ in range(100):
                i, seed = rng.randrange(len(schemas)), rng.randrange(4)
                trace = walk(compile_schema(schemas[i], vocabulary).matcher(), Random(f"{seed} {i}"), 25)
                if trace != expected[i, seed]:
                    wrong.append((i, seed))
        except Exception as error:
            wrong.append(error)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong and vocabulary.cache_info().evictions > 0 and rested


@pytest.mark.parametrize("loaded", [False, True])
def test_masks_of_what_is_kept_move_to_the_new_pool(loaded: bool, tmp_path: Path) -> None:
    vocabulary = make_vocabulary()
    grammars = learnt(vocabulary)
    if loaded:
        vocabulary.save_cache(tmp_path / "file")
        vocabulary = make_vocabulary()
        vocabulary.load_cache(tmp_path / "file")
        grammars = [compile_schema(schema, vocabulary) for schema in SCHEMAS]
        for grammar in grammars:
            grammar.matcher()
    for grammar in grammars[:3]:
        grammar.rest()
    for _ in range(2):
        old = vocabulary.mask_pool
        vocabulary.cache._keep(1 << 30)
        assert vocabulary.mask_pool is not old and vocabulary.cache_info().evictions == 0
        for number, grammar in enumerate(grammars):
            assert {mask.pool for mask in grammar.masks()} == {vocabulary.mask_pool}
            walk(grammar.matcher(), Random(f"31 {number}"), 30)  # leaves what is known
            assert {mask.pool for mask in grammar.masks()} == {vocabulary.mask_pool}
        for seed in range(3):
            assert traces(vocabulary, seed) == traces(make_vocabulary(), seed)


# Remote documents. --------------------------------------------------------------------------------------------------


def test_grammars_with_remote_documents_are_found_while_these_stay_the_same() -> None:
    vocabulary, asked = make_vocabulary(), []
    store = {"https://example.com/n": {"type": "integer"}}

    def retrieve(uri: str) -> Any:
        asked.append(uri)
        return store[uri]

    schema = {"items": {"$ref": "https://example.com/n"}}
    first = compile_schema(schema, vocabulary, retrieve=retrieve)
    assert compile_schema(schema, vocabulary, retrieve=retrieve) is first
    assert compile_schema(schema, vocabulary, retrieve=dict(store).get) is first  # whoever says the same
    store["https://example.com/n"] = {"type": "string"}
    second = compile_schema(schema, vocabulary, retrieve=retrieve)
    assert second is not first and second.accepts('["a"]') and not first.accepts('["a"]')
    with pytest.raises(UnresolvableReferenceError):
        compile_schema(schema, vocabulary)
    vocabulary.cache._keep(0)
    asked.clear()
    assert first.accepts("[1]") and not first.accepts('["a"]') and not asked  # made again from what it was made from


def test_equal_schemas_are_found_whatever_their_containers() -> None:
    vocabulary = make_vocabulary()
    grammar = compile_schema(OrderedDict(SCHEMAS[0]), vocabulary)
    assert compile_schema(SCHEMAS[0], vocabulary) is grammar
    assert compile_schema({"enum": [1]}, vocabulary) is not compile_schema({"enum": [True]}, vocabulary)
    odd = compile_schema({"enum": [Decimal("1.50")]}, vocabulary)  # JSON has no such thing: kept, and not found again
    assert compile_schema({"enum": [Decimal("1.50")]}, vocabulary) is not odd
    vocabulary.cache._keep(0)
    assert odd.accepts("1.50") and not odd.accepts("2")


def test_a_schema_without_remote_references_is_found_whatever_retrieve_is() -> None:
    vocabulary = make_vocabulary()
    grammar = compile_schema(SCHEMAS[0], vocabulary, retrieve=lambda uri: {})
    assert compile_schema(SCHEMAS[0], vocabulary) is grammar
    assert compile_schema(SCHEMAS[0], vocabulary, retrieve=lambda uri: None) is grammar


# Files. -------------------------------------------------------------------------------------------------------------


def in_use(tmp_path: Path) -> tuple[Vocabulary, Path]:
    vocabulary = make_vocabulary()
    for seed in range(4):
        traces(vocabulary, seed)
    path = tmp_path / "masks.cache"
    assert vocabulary.save_cache(path) == len(SCHEMAS)
    assert os.listdir(tmp_path) == ["masks.cache"]
    return vocabulary, path


def test_a_loaded_cache_gives_the_same_masks(tmp_path: Path) -> None:
    _, path = in_use(tmp_path)
    loaded = make_vocabulary()
    assert loaded.load_cache(path) == len(SCHEMAS)
    for seed in range(12):  # the first four were saved, the others leave the saved positions
        assert traces(loaded, seed) == traces(make_vocabulary(), seed), seed
    assert not any(loaded.saved.values())


def test_what_was_saved_needs_no_compiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = in_use(tmp_path)
    loaded = make_vocabulary()
    loaded.load_cache(path)
    expected = [
        walk(compile_schema(s, make_vocabulary()).matcher(), Random(f"2 {i}"), 29) for i, s in enumerate(SCHEMAS)
    ]
    monkeypatch.setattr(Grammar, "compile", lambda *_: pytest.fail("compiled"))
    for i in (0, 1, 2, 4, 5):  # schema 3 has tokens that must be tried against the name before them
        matcher = compile_schema(SCHEMAS[i], loaded).matcher()
        assert walk(matcher, Random(f"2 {i}"), 29) == expected[i]


def test_steps_that_depend_on_names_are_saved_with_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": {"type": "integer"}}}
    texts = [b'{"a": {"b\\"c": 1, "b": 2}, "b": {}}', '{"名": {"a": 1}, "名名": {}}'.encode()]
    first, second = (Vocabulary(TOKENS[:256], n_vocab=300, eos_token_ids=[256]) for _ in range(2))

    def follow(vocabulary: Vocabulary) -> list[bytes]:
        grammar, bitmask, masks = compile_schema(schema, vocabulary), allocate_token_bitmask(1, 300), []
        for text in texts:
            matcher = grammar.matcher()
            for byte in text:
                matcher.fill_next_token_bitmask(bitmask)
                masks.append(bitmask[0].tobytes())
                assert bitmask[0, byte >> 5] >> (byte & 31) & 1 and matcher.accept_token(byte)
            matcher.fill_next_token_bitmask(bitmask)
            assert matcher.is_accepting() and matcher.text == text
        return masks

    expected = follow(first)
    assert follow(first) == expected
    first.save_cache(tmp_path / "file")
    second.load_cache(tmp_path / "file")
    compiled = []
    real = Grammar.compile
    monkeypatch.setattr(Grammar, "compile", lambda self, *rest: compiled.append(self) or real(self, *rest))
    assert follow(second) == expected and not compiled
    texts[:] = [b'{"a": {"b\\"c": 1, "b": 2}, "c": {"a": 1}}', b'{"a": {"b": 1, "c": 1}, "b": {}}']
    assert follow(second) == follow(Vocabulary(TOKENS[:256], n_vocab=300, eos_token_ids=[256])) and compiled
    matcher = compile_schema(schema, second).matcher()
    assert all(matcher.accept_token(byte) for byte in b'{"a": {}, "a') and not matcher.accept_token(0x22)


def test_a_loaded_grammar_can_be_saved_again(tmp_path: Path) -> None:
    _, path = in_use(tmp_path)
    loaded = make_vocabulary()
    loaded.load_cache(path)
    for seed in range(2, 8):
        traces(loaded, seed)
    assert loaded.save_cache(tmp_path / "second") == len(SCHEMAS)
    third = make_vocabulary()
    third.load_cache(tmp_path / "second")
    for seed in range(10):
        assert traces(third, seed) == traces(make_vocabulary(), seed)
    assert compile_schema(SCHEMAS[0], third).report == compile_schema(SCHEMAS[0], make_vocabulary()).report


def test_what_was_loaded_and_not_used_is_saved_again(tmp_path: Path) -> None:
    _, path = in_use(tmp_path)
    loaded = make_vocabulary()
    loaded.load_cache(path)
    compile_schema(SCHEMAS[1], loaded)
    assert loaded.save_cache(path) == len(SCHEMAS)
    again = make_vocabulary()
    assert again.load_cache(path) == len(SCHEMAS)
    assert traces(again, 2) == traces(make_vocabulary(), 2)


def test_a_cache_above_the_limit_is_let_go(tmp_path: Path) -> None:
    _, path = in_use(tmp_path)
    small = make_vocabulary(cache_limit=1_000)
    assert small.load_cache(path) == len(SCHEMAS)
    assert not small.saved and small.cache_info().rows == 0
    assert traces(small, 1) == traces(make_vocabulary(), 1)


def test_remote_documents_are_saved_with_the_grammar(tmp_path: Path) -> None:
    schema, answers = {"$ref": "https://example.com/n"}, {"https://example.com/n": {"const": "ab"}}
    vocabulary, path = make_vocabulary(), tmp_path / "file"
    trace = walk(compile_schema(schema, vocabulary, retrieve=answers.get).matcher(), Random(1), 9)
    vocabulary.save_cache(path)
    loaded = make_vocabulary()
    loaded.load_cache(path)
    other = compile_schema(schema, loaded, retrieve={"https://example.com/n": {"const": 1}}.get)
    assert other.accepts("1") and not other.accepts('"ab"')
    same = compile_schema(schema, loaded, retrieve=answers.get)
    assert walk(same.matcher(), Random(1), 9) == trace and same.accepts('"ab"') and same._saved is not None


def test_what_is_no_cache_is_refused(tmp_path: Path) -> None:
    _, path = in_use(tmp_path)
    content = path.read_bytes()
    for at in (0, 20, 60, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(CacheError, match="damaged|not a cache"):
            make_vocabulary().load_cache(path)
    for content_ in (b"", content[:-1], content[:30], b"\x80\x04K\x01."):
        path.write_bytes(content_)
        with pytest.raises(CacheError, match="damaged|not a cache"):
            make_vocabulary().load_cache(path)
    with pytest.raises(CacheError, match="no cache at"):
        make_vocabulary().load_cache(tmp_path / "nowhere")


def test_a_cache_of_another_tokenizer_or_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = in_use(tmp_path)
    other = Vocabulary(TOKENS[:-1], n_vocab=EOS + 30, eos_token_ids=[EOS])
    with pytest.raises(CacheError, match="another tokenizer"):
        other.load_cache(path)
    monkeypatch.setattr(saved_module, "engine_version", lambda: "another")
    with pytest.raises(CacheError, match="another version"):
        make_vocabulary().load_cache(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("rows", lambda a: a[:, 1:]),
        ("rows", lambda a: a.astype(np.int64)),
        ("row_of", lambda a: a + 100_000),
        ("row_of", lambda a: a - 1),
        ("accepting", lambda a: a[1:]),
        ("is_free", lambda a: a[1:]),
        ("is_free", lambda a: a.astype(np.int8)),
        ("edges", lambda a: a + 100_000),
        ("edges", lambda a: a[::-1]),
        ("edges", lambda a: a[1:]),
        ("unsettled", lambda a: np.full((3, 2), -1, np.int32)),
        ("header", lambda a: a[:-5]),
        ("header", lambda a: np.frombuffer(b'{"format": %d}' % saved_module._FORMAT, np.uint8)),
        ("header", lambda a: np.array([None], object)),
    ],
)
def test_a_forged_cache_is_refused(tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """The checksum is right, the content is not: an error of the same type, and nothing is taken over or run."""
    _, path = in_use(tmp_path)
    with np.load(io.BytesIO(path.read_bytes()[len(saved_module._MAGIC) + 32 :])) as archive:
        arrays = {key: archive[key] for key in archive}
    arrays[name] = change(arrays[name])
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    path.write_bytes(saved_module._MAGIC + hashlib.sha256(buffer.getvalue()).digest() + buffer.getvalue())
    vocabulary = make_vocabulary()
    with pytest.raises(CacheError, match="does not hold"):
        vocabulary.load_cache(path)
    assert not vocabulary.saved


def test_another_process_takes_the_file_over(tmp_path: Path) -> None:
    _, path = in_use(tmp_path)
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]; from test_cache import *\n"
        "v = make_vocabulary(); print(v.load_cache(sys.argv[1]), traces(v, 3) == traces(make_vocabulary(), 3))"
    )
    here = Path(__file__).resolve().parent
    command = [sys.executable, "-c", script, str(path), str(here), str(here.parent)]
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        assert done.stdout.split() == [str(len(SCHEMAS)), "True"], done.stderr


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vocabulary, path = in_use(tmp_path)
    content = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(saved_module.os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        vocabulary.save_cache(path)
    assert path.read_bytes() == content and os.listdir(tmp_path) == ["masks.cache"]


# Threads. -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [512 << 20, 600_000])
def test_threads_see_what_one_sees(limit: int) -> None:
    jobs = [(i, seed) for seed in range(4) for i in range(len(SCHEMAS))]
    alone, vocabulary = make_vocabulary(), make_vocabulary(cache_limit=limit)
    expected = {}
    for i, seed in jobs:
        expected[i, seed] = walk(compile_schema(SCHEMAS[i], alone).matcher(), Random(f"{i} {seed}"), 25)
    failures: list[Any] = []
    interval = sys.getswitchinterval()

    def work(order: list[tuple[int, int]]) -> None:
        try:
            for i, seed in order:
                pool = vocabulary.mask_pool

                def watch(matcher: Matcher, row: np.ndarray, pool: MaskPool = pool) -> None:
                    if not (pool[matcher.mask_id(pool)] == row).all():
                        failures.append((matcher.text, "number"))

                matcher = compile_schema(SCHEMAS[i], vocabulary).matcher()
                if walk(matcher, Random(f"{i} {seed}"), 25, watch) != expected[i, seed]:
                    failures.append((i, seed))
        except BaseException as error:
            failures.append(error)

    orders = [Random(n).sample(jobs, len(jobs)) for n in range(6)]
    sys.setswitchinterval(1e-5)
    try:
        run_together(work, orders)
    finally:
        sys.setswitchinterval(interval)
    assert not failures


def run_together(target: Callable[[Any], None], arguments: Sequence[Any]) -> None:
    """``target`` once for each of ``arguments``, in threads of their own."""
    threads = [threading.Thread(target=target, args=(argument,)) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_threads_may_learn_the_same_grammar_at_once() -> None:
    """Deciding whether a recursive schema has values keeps notes of what is being decided: one thread at a time."""
    node = {
        "type": "object",
        "properties": {name: {"anyOf": [{"$ref": "#"}, {"type": "array", "items": {"$ref": "#"}}]} for name in "abc"},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}, {"maxProperties": 1, "minProperties": 0}],
        "additionalProperties": False,
    }
    text = b'{"a": {"a": [{"b": [], "c": {}}], "c": {"c": {}}}, "c": [{"c": {}}]}'
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    failures: list[Any] = []

    def follow(grammar: Grammar) -> None:
        matcher = grammar.matcher()
        if not all(matcher.accept_token(byte) for byte in text) or not matcher.is_accepting():
            failures.append(matcher.text)

    try:
        for _ in range(40):
            grammar = compile_schema(node, Vocabulary(TOKENS[:256], n_vocab=300, eos_token_ids=[256]))
            run_together(follow, [grammar] * 6)
    finally:
        sys.setswitchinterval(interval)
    assert not failures

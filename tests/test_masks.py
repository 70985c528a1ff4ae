"""Masks against brute force: a token is allowed exactly when stepping through its bytes leads somewhere.

That stepping is itself checked against a validator in test_exactness.py. Here small vocabularies of awkward tokens
(several JSON pieces in one, partial UTF-8, twins) show that the shortcuts of the mask builder change nothing.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from walks import random_walk

from qwen_struct.constraint import Grammar, Vocabulary, allocate_token_bitmask, allowed_tokens, compile_schema
from qwen_struct.constraint.automaton import Automaton
from qwen_struct.constraint.bitmask import row_of
from qwen_struct.constraint.contents import Contents
from qwen_struct.constraint.lengths import num_characters
from qwen_struct.language.charset import CharSet
from qwen_struct.language.decide import is_empty
from qwen_struct.language.ecma import parse_pattern
from qwen_struct.language.formats import format_term
from qwen_struct.language.lexemes import Lexeme, text
from qwen_struct.language.terms import (
    Term,
    accepts,
    chars,
    complement,
    derivative,
    intersect,
    length,
    literal,
    literals,
    repeat,
    union,
)

PIECES = [
    b'{"', b'"}', b'": ', b'": "', b'", "', b'"], "', b"}, {", b"[{", b"}]", b'":', b'", ', b'{"a": "', b'"a"',
    b'"b": 1, "a": ', b'": 1, "', b'": 1, "b": 2', b'","', b', "a": 1}', b"[]", b"{}", b"[[", b"]]", b"null",
    b"true", b"fals", b"e, ", b"ull}", b"12", b"0.", b".5", b"-1", b"1e", b"e+", b"00", b"2026-",
    b"-02-2", b"abc", b"ab", b"bc", b'a"', b'b", "c', b"\\n", b'\\"', b"\\u00", b"\\",
    b"u001", b"\xe4\xb8", b"\xe4\xb8\xad", b"\x96", b"\xe6\x97\xa5\xe6", b"\xf0\x9f", b"\x98\x80",
    b"\xe4\xb8\xad\xe6\x96\x87\"", b"ab", b"12",
]  # fmt: skip


def small_vocabulary(rng: Random) -> Vocabulary:
    """All single bytes, the pieces, and random slices of JSON texts; tokens may repeat. Two ids are special."""
    texts = [b'{"a": 1, "b": "ab", "c": [1, "x", null], "d": {"a": true}}', '{"名": "中文\\n😀", "z": -0.5e3}'.encode()]
    slices = []
    for _ in range(120):
        text = rng.choice(texts)
        start = rng.randrange(len(text))
        slices.append(text[start : start + rng.randint(1, 9)])
    tokens: list[bytes | None] = [*(bytes([b]) for b in range(256)), *PIECES, *slices]
    tokens.insert(7, None)
    return Vocabulary(tokens, n_vocab=len(tokens) + 40, eos_token_ids=[len(tokens) + 3])


SCHEMAS: list[Any] = [
    True,
    {"type": "object"},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {}, "ab": {}, "abc": {}}, "additionalProperties": False, "minProperties": 2},
    {"type": "object", "patternProperties": {"^(a|b)$": {"type": "integer"}}, "additionalProperties": False},
    {"type": "object", "additionalProperties": {"type": "integer", "minimum": 10, "maximum": 12}, "minProperties": 2},
    {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 3}, "minItems": 1, "maxItems": 3},
    {"type": "array", "prefixItems": [{"enum": ["ab", "abc", 12, 12.5]}, {"type": "null"}],
     "items": {"type": "boolean"}},
    {"type": "string", "pattern": "^(ab|中)+[^a]?$"},
    {"type": "string", "pattern": "[\"\\\\\\n]"},
    {"type": "string", "maxLength": 4},
    {"type": "string", "format": "date"},
    {"type": "number", "exclusiveMinimum": -1.5, "maximum": 120},
    {"type": "number", "multipleOf": 0.25},
    {"type": ["number", "null", "string"]},
    {"anyOf": [{"type": "object", "properties": {"a": {"const": 1}, "b": {"const": "ab"}}, "required": ["a"]},
               {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}]},
    {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object"},
    {"type": "object", "properties": {"c": {"$ref": "#"}, "d": {"type": "array", "items": {"$ref": "#"}}},
     "additionalProperties": False},
    {"not": {"type": ["string", "object", "array"]}},
    {"enum": [{"a": 1, "b": [1, "x"]}, [None, True], "a\"b\\c\n", "日本", 1.5, {}]},
    {"type": "object", "propertyNames": {"pattern": "^[ab]{1,2}$"}, "maxProperties": 3},
    {"type": "array", "uniqueItems": True, "items": {"type": ["string", "number", "null"]}},
    {"type": "array", "uniqueItems": True, "items": {"enum": ["a", "ab", 1, None, [1], {"a": 1}]}, "minItems": 2},
    {"type": "array", "uniqueItems": True, "items": {"type": "integer", "minimum": 0, "maximum": 12}, "minItems": 3},
    {"type": "array", "uniqueItems": True, "items": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2}},
    {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "null"}}, "uniqueItems": True},
    {"type": "array", "not": {"uniqueItems": True}, "items": {"type": ["string", "boolean"]}},
    {"type": "string", "pattern": "^[a-c中]+$", "minLength": 2, "maxLength": 5},
    {"type": "string", "pattern": "b$", "maxLength": 6},
    {"type": "string", "pattern": "^(ab|abc){1,3}$", "minLength": 3, "maxLength": 7},
    {"type": "string", "pattern": "^(ab|c中中中)$|^a", "minLength": 3, "maxLength": 4},
    {"type": "string", "pattern": "^[^b😀]*$", "minLength": 1, "maxLength": 3},
    {"type": "string", "pattern": "\\n|\"|\u0001", "maxLength": 2},
    {"type": "string", "not": {"enum": ["", "a", "ab", "abc", "中", "\n", "\"", "\u0001"]}},
    {"type": "string", "not": {"enum": ["a", "中", "\n"]}, "maxLength": 1},
    {"type": "string", "not": {"pattern": "^[a-c]{2,}$"}, "minLength": 2, "maxLength": 4},
    {"type": "object", "properties": {"a": {}, "ab": {"type": "null"}, "中": {}}, "additionalProperties": {"const": 1},
     "propertyNames": {"maxLength": 3}},
]  # fmt: skip


@pytest.mark.parametrize("style", ["spaced", "compact", "indented", "flexible"])
@pytest.mark.parametrize("number", range(len(SCHEMAS)))
def test_every_mask_is_what_trying_all_tokens_gives(number: int, style: str) -> None:
    rng = Random(f"{number} {style}")
    vocabulary = small_vocabulary(rng)
    order = rng.choice(["schema", "any"])
    grammar = compile_schema(SCHEMAS[number], vocabulary, whitespace=style, key_order=order)
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    for _ in range(8):
        matcher = grammar.matcher()
        for _ in range(25):
            matcher.fill_next_token_bitmask(bitmask, 0)
            expected = [t for t in range(vocabulary.n_vocab) if matcher.copy().accept_token(t)]
            stepped = [
                t for t, token in enumerate(vocabulary.tokens)
                if token is not None and grammar._walker.follow(matcher.text + token) is not None
            ]  # fmt: skip
            assert allowed_tokens(bitmask[0]) == expected
            assert [t for t in expected if t not in vocabulary.eos_token_ids] == stepped
            assert bool(set(expected) & set(vocabulary.eos_token_ids)) == matcher.is_accepting()
            assert expected
            multibyte = [t for t in stepped if len(vocabulary.tokens[t] or b"") > 1]
            token = rng.choice(multibyte if multibyte and rng.random() < 0.7 else expected)
            assert matcher.accept_token(token)
            if matcher.is_finished():
                break


@pytest.mark.parametrize("number", range(8))
def test_what_other_schemas_have_taught_changes_no_mask(number: int) -> None:
    """Masks are found by what a token can tell of a position, in whatever schema and at whatever depth."""
    shared, rng = small_vocabulary(Random(number)), Random(f"shared {number}")
    for _ in range(12):
        schema, other = rng.choice(SCHEMAS), rng.choice(SCHEMAS)
        schema = rng.choice(
            [
                schema,
                {"type": "array", "items": schema, "maxItems": rng.choice([2, 9])},
                {"type": "object", "properties": {"a": schema, "ab": other, "b": schema}, "required": ["b"]},
                {"type": "object", "properties": {"a": schema}, "additionalProperties": other},
                {"anyOf": [{"type": "array", "prefixItems": [schema, other]}, {"enum": ["ab", 12]}]},
            ]
        )
        options: dict[str, Any] = {
            "whitespace": rng.choice(["spaced", "spaced", "compact", "indented", "flexible"]),
            "key_order": rng.choice(["schema", "any"]),
        }
        alone = small_vocabulary(Random(number))
        bitmask = allocate_token_bitmask(2, shared.n_vocab)
        for _ in range(4):
            matchers = [compile_schema(schema, vocabulary, **options).matcher() for vocabulary in (shared, alone)]
            for _ in range(30):
                for row, matcher in enumerate(matchers):
                    matcher.fill_next_token_bitmask(bitmask, row)
                assert allowed_tokens(bitmask[0]) == allowed_tokens(bitmask[1]), (schema, options, matchers[0].text)
                token = rng.choice(allowed_tokens(bitmask[0]))
                assert [matcher.accept_token(token) for matcher in matchers] == [True, True]
                if matchers[0].is_finished():
                    break


def test_a_name_is_never_repeated_even_inside_one_token() -> None:
    tokens: list[bytes | None] = [bytes([b]) for b in range(256)]
    tokens += [b'": 1, "a": 2', b'": 1, "b": 2', b'a": 1, "a"', b'{"a": 1, "a": 1}', b'{"a": 1, "b": 1}']
    vocabulary = Vocabulary(tokens, eos_token_ids=[300])
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    matcher = compile_schema({"type": "object"}, vocabulary).matcher()
    matcher.fill_next_token_bitmask(bitmask)
    assert 260 in allowed_tokens(bitmask[0]) and 259 not in allowed_tokens(bitmask[0])
    for byte in b'{"a':
        assert matcher.accept_token(byte)
    matcher.fill_next_token_bitmask(bitmask)
    assert 257 in allowed_tokens(bitmask[0]) and 256 not in allowed_tokens(bitmask[0])
    assert not matcher.accept_token(256)
    assert matcher.accept_token(257)


def test_rollback_copy_and_refusal_leave_no_trace() -> None:
    rng = Random(5)
    vocabulary = small_vocabulary(rng)
    grammar = compile_schema({"type": "object", "properties": {"a": {"type": "string"}}}, vocabulary)
    bitmask = allocate_token_bitmask(3, vocabulary.n_vocab)
    matcher = grammar.matcher()
    taken: list[int] = []
    while not matcher.is_finished() and len(taken) < 60:
        matcher.fill_next_token_bitmask(bitmask, 1)
        before = bitmask[1].copy()
        allowed = allowed_tokens(before)
        refused = next(t for t in range(vocabulary.n_vocab) if t not in allowed)
        assert not matcher.accept_token(refused)
        branch = matcher.copy()
        for _ in range(3):
            branch.fill_next_token_bitmask(bitmask, 2)
            branch.accept_token(rng.choice(allowed_tokens(bitmask[2])))
        accepted = 0
        for _ in range(3):
            matcher.fill_next_token_bitmask(bitmask, 0)
            accepted += matcher.accept_token(rng.choice(allowed_tokens(bitmask[0])))
            if matcher.is_finished():
                break
        matcher.rollback(accepted)
        matcher.fill_next_token_bitmask(bitmask, 1)
        assert (bitmask[1] == before).all()
        token = rng.choice(allowed)
        assert matcher.accept_token(token)
        taken.append(token)
    replay = grammar.matcher()
    assert all(replay.accept_token(t) for t in taken)
    assert replay.text == matcher.text
    with pytest.raises(ValueError, match="cannot take back"):
        replay.rollback(len(taken) + 1)


def test_finished_outputs_are_valid_and_canonical() -> None:
    vocabulary = small_vocabulary(Random(1))
    finished = 0
    for number, schema in enumerate(SCHEMAS):
        grammar = compile_schema(schema, vocabulary)
        for seed in range(6):
            text = random_walk(grammar, Random(seed * 100 + number), num_free=12, limit=600)
            if text is None:
                continue
            finished += 1
            value = json.loads(text)
            assert json.loads(json.dumps(value)) == value
            assert grammar.accepts(text)
    assert finished > 60


@pytest.mark.parametrize(
    ("piece", "count"), [(b"", 0), (b"ab", 2), ("é中😀".encode(), 3), (b'\\n\\u001f"', 3), (b"\\", 1), (b"\\u0", 1)]
)
def test_characters_of_a_piece(piece: bytes, count: int) -> None:
    assert num_characters([None, piece, b"a"]).tolist() == [0, count, 1]


_A_TO_Z = chars(CharSet.from_ranges([(0x61, 0x7A)]))
_LANGUAGES = [
    length(0, 3), length(2, 2), length(5, None), length(0, 4_294_967_295), length(3, 300),
    repeat(_A_TO_Z, 2, 9), repeat(_A_TO_Z, 0, 1), repeat(chars(CharSet.of("a中😀\n\"")), 1, 4),
    complement(literals(["", "a", "the", "中文", "\n", "\""])), complement(literals(["a"])), complement(literal("ab")),
    intersect(complement(literals(["a", "the", "s"])), length(1, 3)),
    intersect(complement(literals(["a", "b"])), repeat(_A_TO_Z, 1, None)),
    intersect(complement(literals(["state", "stat", "x" * 80])), parse_pattern("^[a-z_]+$")),
    complement(union(literals(["a", "名称", "\"'"]), parse_pattern("_[a-z]+$"))),
    intersect(complement(literals(["ab", "abc"])), parse_pattern("^[ab]{1,3}c?$|^中+$")),
    literals(["the", "then", "中文", "中国", "\"a\"", "\n", "\u0001", "é", ""]), literals(map(str, range(900, 1400))),
    *(
        intersect(parse_pattern(pattern), length(low, high))
        for pattern in ["^[a-z]+( [a-z]+)*$", "^(abc|de){2,}$", "x$", "^.{2}-", "^(\\S+\\s+){0,5}\\S+$", "^中*$"]
        for low, high in [(0, 2), (3, 5), (2, 200), (9, None)]
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def real_vocabulary(qwen_tokenizer_path: Any) -> Vocabulary:
    return Vocabulary.from_tokenizer(qwen_tokenizer_path, n_vocab=152_064, eos_token_ids=[151_645])


@pytest.mark.parametrize("number", range(len(_LANGUAGES)))
def test_strings_get_by_without_a_walk_of_their_own(real_vocabulary: Vocabulary, number: int) -> None:
    state = text(_LANGUAGES[number])
    trie, contents = real_vocabulary.trie, Contents(real_vocabulary)
    content = contents.content(state, trie.root)
    walked = Automaton().walk(state, trie)
    row = row_of(content.tokens, real_vocabulary.n_vocab)
    row |= 0 if content.row is None else content.row
    assert allowed_tokens(row) == sorted(walked.tokens.tolist())
    closing = {t for e in walked.exits.tolist() for t in trie.token[e : trie.skip[e]].tolist() if t >= 0}
    assert content.closed is not None
    assert set(contents.free.endings.tokens[content.closed].tolist()) == closing


@pytest.mark.parametrize(
    "read", ["", "a" * 55, "例え", "中文中文中文中", "א", "l·", "・", "ab-", "例え。x", "xn--a", "क"]
)
def test_what_characters_weigh_is_added_up_without_a_walk(read: str) -> None:
    """Labels of international host names, near their limits and far from them."""
    rng = Random(read)
    letters = [*"axl0-.", "。", "中", "え", "ー", "א", "٠", "é", "·", "क", "\u094d", "\u200d"]
    words = {"".join(rng.choices(letters, k=rng.randint(1, 10))).encode() for _ in range(1200)}
    words |= {word[: rng.randint(1, len(word))] for word in words if not word.isascii()}
    vocabulary = Vocabulary([*sorted(words), b'"', b'a"'], n_vocab=len(words) + 9, eos_token_ids=[len(words) + 2])
    term = format_term("idn-hostname")
    assert term is not None
    for character in read:
        term = derivative(term, ord(character))
    content = Contents(vocabulary).content(text(term), vocabulary.trie.root)
    row = row_of(content.tokens, vocabulary.n_vocab)
    row |= 0 if content.row is None else content.row
    inside = sorted(Automaton().walk(text(term), vocabulary.trie).tokens.tolist())
    assert inside and allowed_tokens(row) == inside


_COUNTED = [
    r"^(\S+\s+){0,%d}\S+$", r"^([ab]+-){0,%d}x?$", r"^(a|aaab){0,%d}b*$", r"^(ab|a){0,%d}(bb|c)*$",
    r"^[^,]*(,[^,]*){0,%d}$", r"^((\w+ ){0,%d}\d,)*\w?$", r"^(a{0,2}b){0,%d}(a|b{5})$", r"^((ab){0,3}中){0,%d}$",
    r"^(ab){0,%d}$|^(ab?){0,6}-$", r"^(a|a-a-a-x){0,%d}-?$",
]  # fmt: skip


@pytest.mark.parametrize("pattern", _COUNTED)
def test_counts_that_are_out_of_reach_share_a_walk(pattern: str) -> None:
    rng = Random(pattern)
    words = {"".join(rng.choices("aab-b,x 12中c", k=rng.randint(1, 9))).encode() for _ in range(600)}
    words |= {(piece * 9)[:count] for piece in (b"a", b"ab", b"a ", b",") for count in range(1, 10)}
    vocabulary = Vocabulary([*sorted(words), b'"', b'a"', b'-"'], n_vocab=700, eos_token_ids=[699])
    contents, num_shared = Contents(vocabulary), 0
    for limit in rng.sample(range(1, 16), 15):
        for _ in range(6):
            term = intersect(parse_pattern(pattern % limit), length(0, rng.choice([None, None, 5, 12, 40])))
            read = "".join(rng.choices("ab-, x1", k=rng.randrange(6)))
            for character in read:
                following = derivative(term, ord(character))
                term = term if is_empty(following) else following
            before = len(contents._lengths) + len(contents._counted)
            content = contents.content(text(term), vocabulary.trie.root)
            num_shared += len(contents._lengths) + len(contents._counted) == before > 0
            row = row_of(content.tokens, vocabulary.n_vocab)
            row |= 0 if content.row is None else content.row
            walked = Automaton().walk(text(term), vocabulary.trie)
            assert allowed_tokens(row) == sorted(walked.tokens.tolist()), (limit, read)
            assert content.closed is not None
            closed = contents.free.endings.tokens[content.closed].tolist()
            assert set(closed) == {t for t in contents.free.endings.tokens.tolist() if _closes(term, vocabulary, t)}
    assert num_shared > 30


def test_a_walk_made_for_bounds_alone_serves_no_other_counts() -> None:
    vocabulary = Vocabulary([b"a-", b"a-a-a-a-a-a-", b"a", b'"'], n_vocab=9, eos_token_ids=[8])
    contents = Contents(vocabulary)
    limit = int(contents.lengths.max()) + 2  # what shared walks are made with
    for count, low in ((limit, 3), (4, 0)):
        term = intersect(parse_pattern(f"^(a-){{0,{count}}}a?$"), length(low, 40))
        content = contents.content(text(term), vocabulary.trie.root)
        row = row_of(content.tokens, vocabulary.n_vocab)
        row |= 0 if content.row is None else content.row
        assert allowed_tokens(row) == sorted(Automaton().walk(text(term), vocabulary.trie).tokens.tolist())


def _closes(term: Term, vocabulary: Vocabulary, token: int) -> bool:
    return accepts(term, (vocabulary.tokens[token] or b"").split(b'"')[0].decode())


@pytest.mark.parametrize("number", range(len(_LANGUAGES)))
def test_several_characters_lead_where_one_after_the_other_does(number: int) -> None:
    rng = Random(number)
    for _ in range(60):
        word = "".join(rng.choices("athesbx中\n", k=rng.randrange(7))).encode()
        state: Lexeme | None = text(_LANGUAGES[number])
        expected: Lexeme | None = state
        for byte in word:
            expected = expected and expected.move(byte)
        assert state is not None
        assert state.run(word, 0, len(word)) is expected, word


def after_text(grammar: Grammar, document: bytes) -> Any:
    """The mask after ``document``, read byte by byte."""
    matcher = grammar.matcher()
    for byte in document:
        assert matcher.accept_token(grammar.vocabulary.tokens.index(bytes((byte,))))
    matcher.fill_next_token_bitmask(allocate_token_bitmask(1, grammar.vocabulary.n_vocab))
    return matcher._position.info


def test_positions_that_allow_the_same_have_one_mask(real_vocabulary: Vocabulary) -> None:
    properties = {"first": {"type": "string"}, "second": {"type": "string"}, "third": {"type": "integer"}}
    grammar = compile_schema({"type": "object", "properties": properties}, real_vocabulary)
    assert after_text(grammar, b'{"first": "a') is after_text(grammar, b'{"third": 1, "second": "')
    assert after_text(grammar, b'{"first":') is after_text(grammar, b'{"second":')
    assert after_text(grammar, b'{"first":') is not after_text(grammar, b'{"third":')


def test_schemas_share_what_looks_the_same(real_vocabulary: Vocabulary) -> None:
    text = {"type": "string"}
    one = compile_schema({"type": "object", "properties": {"first": text}}, real_vocabulary)
    two = compile_schema({"type": "object", "properties": {"second": text, "third": {}}}, real_vocabulary)
    needs = compile_schema(
        {"type": "object", "properties": {"first": text, "third": {}}, "required": ["third"]}, real_vocabulary
    )
    nested = compile_schema({"type": "array", "items": {"type": "object", "properties": {"a": text}}}, real_vocabulary)
    for inside in (b'"a', b""):
        mask = after_text(one, b'{"first": ' + inside)
        assert after_text(two, b'{"second": ' + inside) is mask
        assert after_text(needs, b'{"first": ' + inside) is not mask  # the object may not end after it
        assert after_text(nested, b'[{"a": ' + inside) is not mask  # an array may


def test_the_end_of_an_array_depends_on_no_item(real_vocabulary: Vocabulary) -> None:
    inner = {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True}
    mask = after_text(compile_schema({"type": "array", "items": inner}, real_vocabulary), b'[["a')
    token = real_vocabulary.tokens.index(b'"],')
    assert token in allowed_tokens(mask.row) and token not in mask.unsettled


def test_masks_at_the_real_vocabulary(qwen_tokenizer_path: Any) -> None:
    vocabulary = Vocabulary.from_tokenizer(qwen_tokenizer_path, n_vocab=152_064, eos_token_ids=[151_645])
    assert not vocabulary.missing_bytes()
    assert vocabulary.tokens[151_643:] == (None,) * 22
    grammar = compile_schema(
        {"type": "object", "properties": {"名": {"type": "string", "maxLength": 5}}, "required": ["名"]}, vocabulary
    )
    bitmask = allocate_token_bitmask(2, 152_064)
    assert bitmask.shape == (2, 4752)
    matcher = grammar.matcher()
    by_text = {token: i for i, token in enumerate(vocabulary.tokens) if token is not None}
    for piece in ['{"', "名", '":', ' "', "中文", "abc", '"', "}"]:
        matcher.fill_next_token_bitmask(bitmask, 1)
        allowed = set(allowed_tokens(bitmask[1]))
        assert not allowed & set(range(151_646, 152_064)) and 151_643 not in allowed
        sample = Random(piece).sample(range(151_643), 400)
        assert {t for t in sample if matcher.copy().accept_token(t)} == allowed.intersection(sample)
        assert matcher.accept_token(by_text[piece.encode()]), piece
    assert matcher.is_accepting() and matcher.accept_token(151_645) and matcher.is_finished()
    assert matcher.text.decode() == '{"名": "中文abc"}'


def test_vocabularies_do_not_meet_in_what_is_known_of_every_value() -> None:
    def member(value: object) -> dict:
        return {"type": "object", "properties": {"a": value}, "required": ["a"], "additionalProperties": False}

    pieces = [b'{"', b'": ', b'", "', b'": "', b'"}', b'": 1, "', b"1, 1", b'": [', b'": {']
    for number in (7, 30, 31, 32):  # values that a vocabulary has met and numbered before it meets any value
        vocabulary = Vocabulary([*(bytes((byte,)) for byte in range(256)), *pieces], n_vocab=300, eos_token_ids=[299])
        bitmask = allocate_token_bitmask(1, 300)
        values: list[tuple[object, bytes]] = [({"enum": [f"x{i}"]}, b'"x%d"' % i) for i in range(number)]
        for value, spelling in [*values, ({}, b'[1, {"b": null}]')]:
            matcher = compile_schema(member(value), vocabulary).matcher()
            for byte in b'{"a": ' + spelling + b"}":
                matcher.fill_next_token_bitmask(bitmask)
                assert allowed_tokens(bitmask[0]) == [t for t in range(300) if matcher.copy().accept_token(t)]
                assert matcher.accept_token(byte)


@pytest.mark.parametrize("seed", range(16))
def test_masks_are_right_whatever_two_vocabularies_have_met_before(seed: int) -> None:
    rng = Random(f"met {seed}")
    vocabularies = [small_vocabulary(rng) for _ in range(2)]
    for _ in range(20):
        vocabulary, schema = rng.choice(vocabularies), rng.choice(SCHEMAS)
        if rng.random() < 0.5:
            members = {"a": rng.choice(SCHEMAS), "b": {}, "c": schema}
            others = rng.choice([True, False, {"type": "integer"}])
            schema = {"type": "object", "properties": members, "additionalProperties": others}
        style = rng.choice(["spaced", "compact", "indented", "flexible"])
        order, floats = rng.choice(["any", "schema"]), rng.random() < 0.5
        grammar = compile_schema(schema, vocabulary, whitespace=style, key_order=order, float_integers=floats)
        bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
        for _ in range(2):
            matcher = grammar.matcher()
            for _ in range(rng.randrange(5, 20)):
                matcher.fill_next_token_bitmask(bitmask)
                expected = [t for t in range(vocabulary.n_vocab) if matcher.copy().accept_token(t)]
                assert allowed_tokens(bitmask[0]) == expected, matcher.text
                longer = [t for t in expected if t < len(vocabulary.tokens) and len(vocabulary.tokens[t] or b"") > 1]
                assert matcher.accept_token(rng.choice(longer if longer and rng.random() < 0.7 else expected))
                if matcher.is_finished():
                    break
        if rng.random() < 0.2 and grammar.is_compiled:
            grammar.rest()
        if rng.random() < 0.1:
            vocabulary.cache._keep(rng.choice([0, 1 << 30]))

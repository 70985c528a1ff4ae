"""Drafts out of the source: always what the grammar allows, and most of the time what a model would write."""

from __future__ import annotations

import json
import time
from random import Random
from typing import Any

import pytest
from conftest import ROOT

from qwen_struct.constraint import Grammar, Matcher, Vocabulary, compile_schema
from qwen_struct.decode.drafts import SourceDrafter
from qwen_struct.decode.progress import Progress
from qwen_struct.decode.source_index import SourceIndex, words_of
from qwen_struct.decode.spelling import Spelling

MINI = ROOT / "qwen_struct" / "mini"
VOCABULARY, SPELLING = Vocabulary.from_tokenizer(MINI), Spelling(MINI)
DOCUMENTS = sorted((ROOT / "tests" / "data" / "documents").glob("*.json"))


def obj(**properties: Any) -> dict:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


STRING, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}
DATE = {"type": "string", "format": "date"}


def grammar_of(schema: Any) -> Grammar:
    return compile_schema(schema, VOCABULARY, key_order="schema", float_integers=False)


def at(schema: Any, written: str) -> Matcher:
    matcher = grammar_of(schema).matcher()
    for token in SPELLING.tokens(written.encode()):
        assert matcher.accept_token(token), matcher.text
    return matcher


def text_of(tokens: list[int]) -> str:
    return b"".join(VOCABULARY.tokens[token] or b"" for token in tokens).decode(errors="replace")


def drafted(source: str, schema: Any, written: str = "", limit: int = 64) -> str:
    drafter = SourceDrafter(source, SPELLING, schema)
    drafter.learn(16, 16)
    drafter.learn(32, 32)
    return text_of(drafter.draft(at(schema, written), limit))


@pytest.mark.parametrize(
    ("source", "schema", "written", "expected"),
    [
        ("Name: Ada Lovelace\nCity: London", obj(name=STRING), '{"name": "', 'Ada Lovelace"}'),
        ("Name: Ada Lovelace\nCity: London", obj(name=STRING, city=STRING), "", '{"name": "Ada Lovelace", "city": "Lo'),
        ("It was Ada Lovelace who came.", obj(name=STRING), '{"name": "Ad', 'a Lovelace"}'),
        ("发票号码：2531700\n开票日期：2025年06月11日", obj(开票日期=DATE), '{"开票日期": "', '2025-06-11"}'),
        ("Date: 12 March 2024", obj(date=DATE), '{"date": "', '2024-03-12"}'),
        ("Total due: 1,168.32 EUR", obj(total_due=NUMBER), '{"total_due": ', "1168.32}"),
        ("Gesamt: 12,50", obj(gesamt=NUMBER), '{"gesamt": 1', "2.5}"),
        ("合计 ¥1180.00", obj(合计=INTEGER), '{"合计": ', "1180}"),
        ('He said: "go"\\now', obj(said=STRING), '{"said": "', '\\"go\\"\\\\now"}'),
        ("a | b\n---|---\nx1 | y1\nx2 | y2", {"type": "array", "items": obj(a=STRING, b=STRING)},
         '[{"a": "x1", "b": "y1"}, ', '{"a": "x2", "b": "y2"}]'),
        ("Colours: white, navy and grey", obj(colours={"type": "array", "items": STRING}),
         '{"colours": ["white", "', 'navy", "grey"]}'),
        ("Nothing is here.", obj(phone={"type": ["string", "null"]}), '{"phone": ', "null}"),
    ],
)  # fmt: skip
def test_values_are_found(source: str, schema: Any, written: str, expected: str) -> None:
    assert drafted(source, schema, written).startswith(expected)


def test_a_draft_leaves_the_matcher_and_keeps_to_the_limit() -> None:
    schema = obj(name=STRING, city=STRING)
    matcher = at(schema, '{"name": "')
    before = matcher.text
    drafter = SourceDrafter("Name: Ada Lovelace\nCity: London", SPELLING)
    for limit in (0, 1, 2, 3, 10):
        assert len(drafter.draft(matcher, limit)) == limit
    assert matcher.text == before


def test_its_length_follows_what_was_accepted() -> None:
    source, schema = "Name: " + " ".join(["Lovelace"] * 100), obj(name=STRING)
    matcher = at(schema, '{"name": "')
    drafter = SourceDrafter(source, SPELLING, max_tokens=40)
    first = len(drafter.draft(matcher, 100))
    drafter.learn(first, first)
    longer = len(drafter.draft(matcher, 100))
    for _ in range(8):
        drafter.learn(longer, 0)
    shortest = next(len(found) for found in iter(lambda: drafter.draft(matcher, 100), None) if found)
    for _ in range(8):
        drafter.learn(shortest, shortest)
    assert shortest <= 2 < first < longer <= 40 and len(drafter.draft(matcher, 100)) == 40


def test_where_nothing_is_right_passes_go_without_a_draft() -> None:
    drafter, matcher = SourceDrafter("Name: Ada Lovelace", SPELLING), at(obj(name=STRING), '{"name": "')
    drafted = []
    for _ in range(40):
        tokens = drafter.draft(matcher, 8)
        drafted.append(bool(tokens))
        drafter.learn(len(tokens), 0)
    assert drafted[:3] == [True] * 3
    assert 6 <= sum(drafted) <= 10  # it goes on trying, now and then
    while not drafter.draft(matcher, 8):
        pass
    drafter.learn(4, 2)
    assert drafter.draft(matcher, 8)
    drafter.learn(4, 0)
    assert drafter.draft(matcher, 8)


@pytest.mark.parametrize("seed", range(30))
def test_whatever_was_written_it_proposes_what_the_matcher_accepts(seed: int) -> None:
    """Random documents, random walks that a drafter follows, and tokens taken back."""
    rng = Random(seed)
    entry = json.loads(rng.choice(DOCUMENTS).read_text(encoding="utf-8"))
    characters = entry["text"] + '"\\\n\t|: \u3000\U0001f600e\u0301\x01'
    source = entry["text"] if seed % 2 else "".join(rng.choices(characters, k=400))
    drafter = SourceDrafter(source, SPELLING, entry["schema"])
    matcher = grammar_of(entry["schema"]).matcher()
    usual = [t for t in range(len(VOCABULARY.tokens)) if VOCABULARY.tokens[t]]
    for step in range(60):
        draft = drafter.draft(matcher, 24)
        other = matcher.copy()
        assert all(other.accept_token(token) for token in draft)
        num = rng.randint(0, len(draft))
        drafter.learn(len(draft), num)
        for token in draft[:num]:
            assert matcher.accept_token(token)
        for _ in range(50):
            if matcher.accept_token(rng.choice(usual)):
                break
        if step % 10 == 9:
            matcher.rollback(min(3, len(matcher.text) // 8))


def passes(entry: dict, drafts: bool) -> tuple[int, int]:
    """How many passes a model would take to write the checked answer, and how many tokens that is."""
    tokens = SPELLING.tokens(json.dumps(entry["value"], ensure_ascii=False).encode())
    matcher = grammar_of(entry["schema"]).matcher()
    drafter = SourceDrafter(entry["text"], SPELLING, entry["schema"]) if drafts else None
    at, num_passes = 0, 0
    while at < len(tokens):
        ready = list(SPELLING.forced(matcher))
        assert tokens[at : at + len(ready)] == ready
        if not ready:
            draft = drafter.draft(matcher, 48) if drafter is not None else []
            num = next((n for n, t in enumerate(draft) if tokens[at + n : at + n + 1] != [t]), len(draft))
            if drafter is not None:
                drafter.learn(len(draft), num)
            ready, num_passes = tokens[at : at + num + 1], num_passes + 1
        assert all(matcher.accept_token(token) for token in ready)
        at += len(ready)
    return num_passes, len(tokens)


def test_held_out_documents_take_few_passes() -> None:
    entries = [json.loads(path.read_text(encoding="utf-8")) for path in DOCUMENTS[::4]]
    entries = [e for e in entries if grammar_of(e["schema"]).accepts(json.dumps(e["value"], ensure_ascii=False))]
    without, with_drafts = ([passes(entry, drafts) for entry in entries] for drafts in (False, True))
    num_tokens = sum(num for _, num in without)
    assert sum(num for num, _ in without) < 0.70 * num_tokens
    assert sum(num for num, _ in with_drafts) < 0.25 * num_tokens


def test_progress_says_where_a_text_stands() -> None:
    text = b'{"a": [{"b": "x\\n\xe6\xb1\x89", "c": -1.5}, {"b": tru'
    progress = Progress()
    found = []
    for end in range(len(text) + 1):
        found += [(place.path, value) for place, value in progress.read(text[:end])]
        if text[:end].endswith(b'"x\\'):
            assert progress.place == (("a", 0, "b"), "string", b'"x\\', "x")
        if text[:end].endswith(b'"x\\n\xe6'):
            assert progress.place.text == "x\n" and progress.place.written == b'"x\\n\xe6'
        if text[:end].endswith(b"-1."):
            assert progress.place == (("a", 0, "c"), "number", b"-1.", "")
    assert found == [(("a", 0, "b"), "x\n汉"), (("a", 0, "c"), -1.5)]
    assert progress.place.path == ("a", 1, "b") and progress.place.written == b"tru"
    other = progress.copy()
    assert other.read(text + b"e}") == [((("a", 1, "b"), "after", b"", ""), True)] and progress.text == text
    assert progress.read(b'["q"') == [(((0,), "after", b"", ""), "q")]


def test_what_a_source_has() -> None:
    index = SourceIndex("Total: 1.234,50 EUR\n| Qty | Day |\n|---|---|\n| 3 | 2024/1/5 |\nx,y,z\n1,2,3")
    assert [index.text[c.start : c.end] for c in index.cells][:3] == ["Total: 1.234,50 EUR", "Qty", "Day"]
    assert [index.text[c.start : c.end] for c in index.cells][-6:] == ["x", "y", "z", "1", "2", "3"]
    assert index.dates[0].spellings == ("2024-01-05",)
    assert index.numbers[0].spellings[0] == "1234.5"
    (_, best), *_ = index.labelled(dict.fromkeys(words_of("totalAmount"), 1.0))
    assert index.text[best.start : best.end] == "1.234,50 EUR"
    assert SourceIndex("").cells == []


@pytest.mark.parametrize(
    "piece", ["-", " ", "\xa0", ":", "1", "1,", "*", '"', "收", "a b", "|", "\t", "<a", "\u3000 ", ": "]
)
def test_no_source_takes_long(piece: str) -> None:
    """100,000 characters of one kind; what is quadratic in them takes minutes."""
    schema = obj(name=STRING, total=NUMBER, date=DATE)
    drafter = SourceDrafter(piece * (100_000 // len(piece)), SPELLING, schema)
    matcher = grammar_of(schema).matcher()
    start = time.process_time()
    for token in SPELLING.tokens(('{"name": ' + json.dumps(piece * 20, ensure_ascii=False)).encode()):
        drafter.draft(matcher, 16)
        assert matcher.accept_token(token)
    assert time.process_time() - start < 3

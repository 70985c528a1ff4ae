"""The decoder's promise: drafts, batches, prefixes and limits change how long an answer takes, and never what it is.

The reference is a loop without a cache that spends a pass on every token, and takes the first forced one where the
grammar leaves no choice.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, Literal

import jsonschema
import numpy as np
import pytest
import torch
from fakes import tiny_network, toy_tokenizer
from pydantic import BaseModel, Field
from test_exactness import RandomSchema

from qwen_struct import BudgetError, EmptySourceError, Extractor, SchemaError
from qwen_struct.constraint import Grammar, Matcher, Vocabulary, allocate_token_bitmask, compile_schema
from qwen_struct.decode.answer import Answer, Decoded
from qwen_struct.decode.batch import write
from qwen_struct.decode.drafts import SourceDrafter
from qwen_struct.decode.guide import SourceGuide
from qwen_struct.decode.model import Model, wrap_model
from qwen_struct.decode.sampling import Sampler, Sampling, allowed_tokens
from qwen_struct.decode.spelling import Spelling
from qwen_struct.partial import TextDelta

GREEDY = Sampling()
SOURCE = 'Order 12 from "Ada & Söhne", 日本: 3 red, 17 green; total 2.50, paid by b on 2024-05-01.\nab | a | b | 10'


class Bench:
    """A model with its vocabulary, and the parts that an answer needs."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.vocabulary = Vocabulary.from_tokenizer(
            model.tokenizer, n_vocab=model.n_vocab, eos_token_ids=list(model.eos_token_ids)
        )
        self.spelling = Spelling(model.tokenizer)

    def compile(self, schema: Any) -> Grammar:
        return compile_schema(schema, self.vocabulary, key_order="schema", float_integers=False)

    def answer(self, matcher: Matcher, *, drafts: bool, max_tokens: int = 60, sampling: Sampling = GREEDY) -> Answer:
        drafter = SourceDrafter(SOURCE, self.spelling) if drafts else None
        return Answer(
            self.spelling.tokens(SOURCE.encode()),
            matcher,
            n_vocab=self.model.n_vocab,
            eos_token_ids=self.model.eos_token_ids,
            max_tokens=max_tokens,
            sampling=sampling,
            guide=SourceGuide(matcher, self.spelling, drafter),
        )

    def decode(self, grammar: Grammar, **options: Any) -> tuple[bytes, Decoded]:
        matcher = grammar.matcher()
        answer = self.answer(matcher, **options)
        assert list(write(self.model, [answer])) == [answer]
        return matcher.text, answer.result()

    def reference(self, grammar: Grammar, max_tokens: int = 60, sampling: Sampling = GREEDY) -> list[int]:
        """One pass for each token, and nothing remembered between passes.

        What the model wants is taken if the document can be completed in time after it, else it is asked again for
        what can.
        """
        prompt = self.spelling.tokens(SOURCE.encode())
        matcher, sampler, tokens = grammar.matcher(), Sampler(sampling), []
        mask = allocate_token_bitmask(1, self.model.n_vocab)

        def choose() -> int:
            allowed = allowed_tokens(mask[0], self.model.n_vocab, torch.device("cpu"))
            if int(allowed.sum()) == 1:
                return int(allowed.nonzero())
            with torch.inference_mode():
                logits = self.model.network(input_ids=torch.tensor([prompt + tokens])).logits[0, -1]
            scores = torch.where(allowed, logits.float(), -math.inf)
            best, likeliest = scores.max(-1)
            return sampler.choose(scores, best.item(), int(likeliest))

        while True:
            matcher.fill_next_token_bitmask(mask, 0)
            if matcher.is_accepting() and len(tokens) == max_tokens:
                return tokens
            forced = self.spelling.forced(matcher)
            token = forced[0] if forced else choose()
            if token in self.model.eos_token_ids:
                return tokens
            after = matcher.copy()
            assert after.accept_token(token)
            if after.min_tokens > max_tokens - len(tokens) - 1:
                matcher.fill_within(mask, 0, max_tokens - len(tokens))
                token = choose()
            assert matcher.accept_token(token)
            tokens.append(token)


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(wrap_model(tiny_network(384), toy_tokenizer()))


class Author:
    """A network that wants to write one text, whatever it has read: it knows where it is by the positions."""

    def __init__(self, tokens: Sequence[int], num_prompt: int, n_vocab: int, config: Any) -> None:
        self.tokens, self.num_prompt, self.n_vocab, self.config = tokens, num_prompt, n_vocab, config
        self.num_read = 0

    def __call__(self, *, input_ids: Any, position_ids: Any, logits_to_keep: Any, **_: Any) -> SimpleNamespace:
        self.num_read += input_ids.shape[1]
        logits = torch.zeros(1, input_ids.shape[1], self.n_vocab)
        for column, position in enumerate(position_ids[0].tolist()):
            at = position + 1 - self.num_prompt
            if 0 <= at < len(self.tokens):
                logits[0, column, self.tokens[at]] = 9.0
        return SimpleNamespace(logits=logits[:, logits_to_keep])


INVOICE = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "rows": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"colour": {"enum": ["red", "green", "blue"]}, "count": {"type": "integer"}},
                "required": ["colour", "count"],
                "additionalProperties": False,
            },
        },
        "total": {"type": "number"},
        "paid": {"type": ["string", "null"]},
    },
    "required": ["customer", "rows", "total", "paid"],
    "additionalProperties": False,
}
WANTED = {
    "customer": "Ada & Söhne",
    "rows": [{"colour": "red", "count": 3}, {"colour": "green", "count": 17}],
    "total": 2.5,
    "paid": "2024-05-01",
}


def author_of(bench: Bench, text: str) -> tuple[Bench, Author]:
    num_prompt = len(bench.spelling.tokens(SOURCE.encode()))
    tokens = [*bench.spelling.tokens(text.encode()), bench.model.eos_token_ids[0]]
    author: Any = Author(tokens, num_prompt, bench.model.n_vocab, bench.model.network.config)
    written = Bench.__new__(Bench)
    written.__dict__.update(bench.__dict__)
    written.model = Model(
        "author", author, bench.model.tokenizer, bench.model.n_vocab, bench.model.eos_token_ids, 4096,
        torch.device("cpu"),
    )  # fmt: skip
    return written, author


# The same tokens


@pytest.mark.parametrize("block", range(10))
def test_random_schemas_the_tokens_are_those_of_one_pass_a_token(bench: Bench, block: int) -> None:
    compared = 0
    for seed in itertools.count(1000 * block):
        if compared == 50:
            break
        try:
            grammar = bench.compile(RandomSchema(Random(seed)).schema())
            enough = grammar.min_tokens <= 40
        except SchemaError:
            continue
        if not enough:
            continue
        expected = bench.reference(grammar, max_tokens=40)
        for drafts in (False, True):
            _, decoded = bench.decode(grammar, drafts=drafts, max_tokens=40)
            assert list(decoded.token_ids) == expected, seed
            assert decoded.complete
        compared += 1


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_a_seed_draws_the_same_tokens_with_and_without_drafts(bench: Bench, temperature: float) -> None:
    grammar = bench.compile(INVOICE)
    for seed in range(8):
        sampling = Sampling(temperature, seed=seed)
        expected = bench.reference(grammar, max_tokens=90, sampling=sampling)
        for drafts in (False, True):
            _, decoded = bench.decode(grammar, drafts=drafts, max_tokens=90, sampling=sampling)
            assert list(decoded.token_ids) == expected


def test_a_model_that_copies_is_asked_seldom(bench: Bench) -> None:
    text = json.dumps(WANTED, ensure_ascii=False)
    plain, passes = author_of(bench, text)[0], {}
    for drafts in (False, True):
        written, decoded = plain.decode(bench.compile(INVOICE), drafts=drafts, max_tokens=400)
        assert written.decode() == text
        passes[drafts] = decoded.num_forward_passes
        assert decoded.num_forced > 0
        assert decoded.num_accepted <= decoded.num_drafted
    assert decoded.num_accepted > 10
    assert passes[True] < 0.6 * passes[False] < 0.6 * len(decoded.token_ids)


def test_what_is_rejected_is_forgotten(bench: Bench) -> None:
    """A draft that is wrong at every place: the answer is the model's own, and so are the positions."""

    class Wrong:
        def __init__(self, guide: SourceGuide, matcher: Matcher) -> None:
            self.guide, self.matcher, self.learnt = guide, matcher, []

        def forced(self) -> Sequence[int]:
            return self.guide.forced()

        def draft(self, limit: int) -> Sequence[int]:
            ahead, tokens = self.matcher.copy(), []
            for token in bench.spelling.tokens(b"zzzz"):
                if ahead.accept_token(token):
                    tokens.append(token)
            return tokens

        def learn(self, num_drafted: int, num_accepted: int) -> None:
            self.learnt.append((num_drafted, num_accepted))

        def place(self) -> str:
            return ""

    text = json.dumps(WANTED, ensure_ascii=False)
    written, author = author_of(bench, text)
    matcher = bench.compile(INVOICE).matcher()
    answer = written.answer(matcher, drafts=False, max_tokens=400)
    wrong = answer._guide = Wrong(answer._guide, matcher)  # type: ignore[arg-type, assignment]
    assert list(write(written.model, [answer])) == [answer]
    assert matcher.text.decode() == text
    assert wrong.learnt
    assert all(accepted == 0 for _, accepted in wrong.learnt)


def test_draws_with_drafts_follow_the_models_distribution(bench: Bench) -> None:
    """All answers that a small schema has, with their probabilities by the model under the masks, against draws."""
    schema = {"enum": ["red", "green", "b", "ab", 12, 17, None]}
    grammar = bench.compile(schema)
    prompt = bench.spelling.tokens(SOURCE.encode())
    mask = allocate_token_bitmask(1, bench.model.n_vocab)
    expected: Counter[bytes] = Counter()

    def follow(matcher: Matcher, tokens: list[int], probability: float) -> None:
        matcher.fill_next_token_bitmask(mask, 0)
        allowed = allowed_tokens(mask[0].copy(), bench.model.n_vocab, torch.device("cpu"))
        ids = allowed.nonzero().flatten().tolist()
        if all(token in bench.model.eos_token_ids for token in ids):
            expected[matcher.text] += probability  # type: ignore[assignment]
            return
        forced = bench.spelling.forced(matcher)
        if forced:
            shares = {forced[0]: 1.0}
        else:
            with torch.inference_mode():
                logits = bench.model.network(input_ids=torch.tensor([prompt + tokens])).logits[0, -1]
            weights = torch.softmax(torch.where(allowed, logits / 1.5, -math.inf), -1)
            shares = {token: weights[token].item() for token in ids}
        for token, share in shares.items():
            following = matcher.copy()
            if token in bench.model.eos_token_ids:
                expected[matcher.text] += probability * share  # type: ignore[assignment]
            elif following.accept_token(token):
                follow(following, [*tokens, token], probability * share)

    follow(grammar.matcher(), [], 1.0)
    assert sum(expected.values()) == pytest.approx(1, abs=1e-4)
    num = 3000
    seen = Counter(bench.decode(grammar, drafts=True, sampling=Sampling(1.5, seed=seed))[0] for seed in range(num))
    assert set(seen) <= set(expected)
    often = [text for text, share in expected.items() if share * num >= 5]
    chi_square = sum((seen[text] - num * expected[text]) ** 2 / (num * expected[text]) for text in often)
    assert len(often) >= 3
    assert chi_square < {2: 13.8, 3: 16.3, 4: 18.5, 5: 20.5, 6: 22.5}[len(often) - 1]  # 99.9th percentiles


# Side by side


def test_a_batch_writes_what_each_answer_would_be_alone(bench: Bench) -> None:
    schemas = [INVOICE, {"type": "array", "items": {"type": "integer"}, "maxItems": 9}, {"type": "string"}, True]
    jobs = [(schema, Sampling(temperature, seed=7)) for schema in schemas for temperature in (0.0, 1.0)]
    alone = [bench.decode(bench.compile(schema), drafts=True, sampling=sampling) for schema, sampling in jobs]
    matchers = [bench.compile(schema).matcher() for schema, _ in jobs]
    answers = [
        bench.answer(matcher, drafts=True, sampling=sampling)
        for matcher, (_, sampling) in zip(matchers, jobs, strict=True)
    ]
    finished = list(write(bench.model, answers, max_rows=3))
    assert sorted(map(id, finished)) == sorted(map(id, answers))
    assert [matcher.text for matcher in matchers] == [text for text, _ in alone]
    assert [answer.result().token_ids for answer in answers] == [decoded.token_ids for _, decoded in alone]


def test_rows_wait_for_room_in_the_cache(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0
    real = Answer.prepare

    def prepare(answer: Answer) -> None:
        nonlocal most
        most = max(most, sum(not a.is_finished and a.num_passes > 0 for a in answers))
        real(answer)

    monkeypatch.setattr(Answer, "prepare", prepare)
    grammar = bench.compile({"type": "array", "items": {"type": "integer"}, "minItems": 5, "maxItems": 9})
    for rows, room in ((2, None), (9, 2)):
        answers = [bench.answer(grammar.matcher(), drafts=False) for _ in range(6)]
        tokens = None if room is None else room * answers[0].num_reserved
        most = 0
        assert len(list(write(bench.model, answers, max_rows=rows, max_tokens=tokens))) == 6
        assert most == 2
    answers = [bench.answer(grammar.matcher(), drafts=False) for _ in range(3)]
    assert len(list(write(bench.model, answers, max_tokens=1))) == 3  # too large for the cache: one after the other


# The limit


@pytest.mark.parametrize("drafts", [False, True])
def test_any_limit_gives_a_complete_answer(bench: Bench, drafts: bool) -> None:
    grammar = bench.compile(INVOICE)
    for more in (0, 1, 2, 3, 5, 8, 13, 40, 200):
        limit = grammar.min_tokens + more
        text, decoded = bench.decode(grammar, drafts=drafts, max_tokens=limit)
        assert len(decoded.token_ids) <= limit
        assert decoded.complete
        jsonschema.validate(json.loads(text), INVOICE)


def test_the_limit_steers_only_where_the_model_wanted_more(bench: Bench) -> None:
    text = json.dumps(WANTED, ensure_ascii=False)
    written = author_of(bench, text)[0]
    grammar = bench.compile(INVOICE)
    _, free = written.decode(grammar, drafts=True, max_tokens=400)
    assert free.steered == ()
    _, exact = written.decode(grammar, drafts=True, max_tokens=len(free.token_ids))
    assert (exact.steered, exact.token_ids) == ((), free.token_ids)
    cut, short = written.decode(grammar, drafts=True, max_tokens=len(free.token_ids) - 8)
    assert short.steered
    assert set(short.steered) <= {"/customer", "/rows", "/rows/1", "/rows/1/count", "/rows/1/colour", "/total", "/paid"}
    jsonschema.validate(json.loads(cut), INVOICE)


def test_a_loop_is_reported(bench: Bench) -> None:
    written = author_of(bench, '["' + "again " * 60 + '"]')[0]
    schema = {"type": "array", "items": {"type": "string"}}
    _, decoded = written.decode(bench.compile(schema), drafts=True, max_tokens=400)
    assert decoded.loop is not None
    assert decoded.loop.num_repeats > 30


# Extractors


@pytest.fixture(scope="module")
def extractor(tiny_checkpoint: Path) -> Extractor:
    return Extractor(tiny_checkpoint)


CHOICE = {"type": "object", "properties": {"a": {"enum": ["x", "yy", 3]}}, "required": ["a"]}
CHOICE["additionalProperties"] = False


def test_many_sources_come_back_in_their_order(extractor: Extractor) -> None:
    texts = [f"text {'long ' * (n % 7 * 9)}{n}" for n in range(40)]
    schemas = [CHOICE if n % 2 else {"type": "integer", "minimum": 0, "maximum": 99} for n in range(40)]
    alone = [extractor.run(t, s, temperature=1.0, seed=n).text for n, (t, s) in enumerate(zip(texts, schemas))]  # noqa: B905
    together = extractor.run_many(iter(texts), schemas, batch_size=4, temperature=1.0, seed=0)
    assert [extraction.text for extraction in together] == alone
    assert extractor.extract_many(texts[:3], CHOICE) == [extractor.extract(text, CHOICE) for text in texts[:3]]


def test_an_endless_iterator_is_read_a_little_ahead(extractor: Extractor) -> None:
    asked = 0

    def texts() -> Any:
        nonlocal asked
        for number in itertools.count():
            asked += 1
            yield f"text {number}"

    results = extractor.run_many(texts(), CHOICE, batch_size=2)
    for _ in range(3):
        assert next(results).value["a"] in ("x", "yy", 3)
    assert asked <= 10


def test_one_bad_source_need_not_stop_the_others(extractor: Extractor) -> None:
    found = extractor.extract_many(["one", " ", "two"], CHOICE, errors="return")
    assert [type(item) for item in found] == [dict, EmptySourceError, dict]
    with pytest.raises(EmptySourceError):
        extractor.extract_many(["one", " ", "two"], CHOICE)
    found = extractor.extract_many(["one", "two"], CHOICE, errors="return", max_tokens=1)
    assert [type(item) for item in found] == [BudgetError, BudgetError]


def test_misuse_of_many(extractor: Extractor) -> None:
    with pytest.raises(TypeError, match="sources must be a list of texts"):
        extractor.extract_many("one text", CHOICE)
    with pytest.raises(ValueError, match="2 schemas and more texts"):
        extractor.extract_many(["a", "b", "c"], [CHOICE, CHOICE])
    with pytest.raises(ValueError, match="2 schemas and 1 texts"):
        extractor.extract_many(["a"], [CHOICE, CHOICE])
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        extractor.extract_many(["a"], CHOICE, batch_size=0)
    with pytest.raises(ValueError, match="errors is 'raise' or 'return', not 'ignore'"):
        extractor.extract_many(["a"], CHOICE, errors="ignore")  # type: ignore[arg-type]


def test_the_prompts_beginning_is_read_once_for_a_schema(tiny_checkpoint: Path) -> None:
    extractor = Extractor(tiny_checkpoint)
    read: list[int] = []
    network = extractor.model.network
    handle = network.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    texts = ["a first document", "and another one"]
    first = [extractor.run(text, CHOICE, instructions="look twice") for text in texts]
    starts = [read[0], read[first[0].timings.num_forward_passes]]
    assert starts[0] >= first[0].num_prompt_tokens
    assert starts[1] < 60 < first[1].num_prompt_tokens - 60  # the document and what closes the prompt
    handle.remove()
    fresh = Extractor(tiny_checkpoint)
    assert [fresh.run(text, CHOICE, instructions="look twice").text for text in reversed(texts)] == [
        extraction.text for extraction in reversed(first)
    ]


class Line(BaseModel):
    colour: Literal["red", "green"]
    count: int = Field(ge=0, le=99)


class Order(BaseModel):
    lines: list[Line] = Field(min_length=1, max_length=3)
    paid: bool


def test_a_stream_gives_each_value_as_it_closes_and_the_whole_at_last(extractor: Extractor) -> None:
    whole = extractor.run("x", Order, temperature=1.0, seed=3)
    events = list(extractor.stream("x", Order, temperature=1.0, seed=3))
    pointers = [event.pointer for event in events]
    assert pointers[:3] == ["/lines/0/colour", "/lines/0/count", "/lines/0"]
    assert pointers[-2:] == ["/paid", ""]
    assert isinstance(events[2].value, Line)
    assert events[-1].value == whole.value
    for event in events[:-1]:
        value: Any = whole.value
        for part in event.pointer.split("/")[1:]:
            value = value[int(part)] if isinstance(value, list) else getattr(value, part)
        assert event.value == value


def test_a_stream_with_deltas_gives_the_whole_text(extractor: Extractor) -> None:
    events = extractor.stream("x", Order, deltas=True, temperature=1.0, seed=3)
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert text == extractor.run("x", Order, temperature=1.0, seed=3).text


def test_a_stream_that_is_closed_stops_the_work(extractor: Extractor) -> None:
    passes: list[int] = []
    handle = extractor.model.network.register_forward_pre_hook(lambda *_: passes.append(1))
    events = extractor.stream("x", {"type": "array", "items": {"type": "integer"}, "minItems": 50}, max_tokens=400)
    assert not passes  # nothing is read before the first event is asked for
    next(events)
    events.close()  # type: ignore[attr-defined]
    num = len(passes)
    handle.remove()
    assert 0 < num < 30
    with pytest.raises(EmptySourceError):
        extractor.stream(" ", Order)


def test_the_guess_does_not_cost_memory_beyond_its_tokens(bench: Bench) -> None:
    grammar = bench.compile({"const": "x" * 600})
    text, decoded = bench.decode(grammar, drafts=True, max_tokens=900)
    assert text == json.dumps("x" * 600).encode()
    assert decoded.num_forward_passes == 0  # all of it is forced: the model is never asked
    assert len(decoded.token_ids) == decoded.num_forced
    assert np.isfinite(decoded.decode_seconds)

"""extract(), Extractor and Extraction, on a tiny Qwen2 with random weights: any schema, valid answers, typed values."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
from pydantic import BaseModel, Field, field_validator, model_validator
from typing_extensions import TypedDict

import qwen_struct.decode.answer
from qwen_struct import (
    BudgetError,
    ContextLengthError,
    EmptySourceError,
    Extraction,
    Extractor,
    InvalidSchemaError,
    SourceError,
    ValidationError,
    extract,
)
from qwen_struct.decode.model import load_model

Colour = Literal["red", "green", "深蓝"]

EXTRACT_MODULE = sys.modules["qwen_struct.extract"]  # by its name: the attribute is the function


class Item(BaseModel):
    colour: Colour
    count: int = Field(ge=0, le=99, description="how many pieces there are")
    fresh: bool


@dataclasses.dataclass
class Point:
    x: Literal[1, 2, 3]
    y: Literal[4, 5]


class Move(TypedDict):
    step: Literal["up", "down"]


CHOICES = {"type": "object", "properties": {"a": {"enum": [1, "two", None]}}, "required": ["a"]}
CHOICES["additionalProperties"] = False


@pytest.fixture(scope="module")
def extractor(tiny_checkpoint: Path) -> Extractor:
    return Extractor(tiny_checkpoint)


# What comes back


@pytest.mark.parametrize("seed", range(3))
def test_a_pydantic_model(extractor: Extractor, seed: int) -> None:
    assert isinstance(extractor.extract("seven red ones", Item, temperature=1.0, seed=seed), Item)


def test_other_types(extractor: Extractor) -> None:
    point = extractor.extract("x", Point)
    assert isinstance(point, Point)
    assert point.y in (4, 5)
    assert extractor.extract("x", Move)["step"] in ("up", "down")
    assert extractor.extract("x", Colour) in ("red", "green", "深蓝")


def test_a_list_of_models(extractor: Extractor) -> None:
    class Short(BaseModel):
        rows: list[Item] = Field(max_length=2)

    assert all(isinstance(row, Item) for row in extractor.extract("x", Short).rows)


def test_a_json_schema_gives_what_the_json_holds(extractor: Extractor, tmp_path: Path) -> None:
    file = tmp_path / "choices.json"
    file.write_text(json.dumps(CHOICES))
    for schema in (CHOICES, file, str(file)):
        value = extractor.extract("x", schema)
        assert isinstance(value, dict)
        jsonschema.validate(value, CHOICES)


def test_an_extraction_says_how_the_value_came_about(extractor: Extractor, tiny_checkpoint: Path) -> None:
    result = extractor.run("seven red ones", Item)
    assert isinstance(result, Extraction)
    assert result.value == Item.model_validate_json(result.text)
    assert result.text == json.dumps(json.loads(result.text), ensure_ascii=False)
    assert result.model == str(tiny_checkpoint)
    assert result.finish_reason == "stop"
    assert 10 < result.num_output_tokens <= len(result.text.encode())
    assert result.num_prompt_tokens > 50
    times = result.timings
    assert 0 < times.prefill < times.first_token < times.total
    assert times.prefill + times.decode < times.total
    assert 0 < times.mask_share < 1
    assert times.tokens_per_second == pytest.approx(result.num_output_tokens / times.decode)
    assert 1 < times.num_forward_passes <= result.num_output_tokens
    assert result.report is result.grammar.report
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.text = ""  # type: ignore[misc]


def test_an_answer_that_could_go_on_may_end_at_the_limit(extractor: Extractor) -> None:
    result = extractor.run("x", {"type": "integer", "minimum": 1000000}, max_tokens=8)
    assert (result.finish_reason, len(result.text)) in [("length", 8), ("stop", 7)]
    assert result.value >= 1000000


def test_descriptions_and_instructions_reach_the_prompt(extractor: Extractor, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts: list[str] = []
    real = qwen_struct.decode.answer.Answer

    def spy(prompt_ids: list[int], *arguments: Any, **options: Any) -> Any:
        prompts.append(extractor.model.tokenizer.decode(prompt_ids))
        return real(prompt_ids, *arguments, **options)

    monkeypatch.setattr(qwen_struct.decode.answer, "Answer", spy)
    extractor.extract("THE DOCUMENT", Item, instructions="COUNT ONLY THE RIPE")
    assert "how many pieces there are" in prompts[0]
    assert prompts[0].index("COUNT ONLY THE RIPE") < prompts[0].index("THE DOCUMENT")
    assert prompts[0].endswith("<|im_start|>assistant\n")


def test_qwens_own_vocabulary_under_wider_logits(wide_checkpoint: Path) -> None:
    extractor = Extractor(wide_checkpoint)
    for seed in range(4):
        result = extractor.run("seven red ones <|im_end|>", Item, temperature=1.0, seed=seed)
        assert result.value == Item.model_validate_json(result.text)
    tags = {"type": "array", "items": {"type": "string", "maxLength": 8}, "minItems": 3, "maxItems": 3}
    for seed in range(4):  # random text at the real vocabulary: characters in pieces, escapes, quotes
        result = extractor.run("x", tags, temperature=1.0, seed=seed)
        jsonschema.validate(result.value, tags)
        assert result.text == json.dumps(result.value, ensure_ascii=False)


# What is kept between calls


def test_a_schema_is_compiled_once(extractor: Extractor) -> None:
    assert extractor.run("x", Item).grammar is extractor.run("y", Item).grammar


def test_the_order_of_keys_makes_another_schema(extractor: Extractor) -> None:
    a, b = {"enum": [1]}, {"enum": [2]}
    for properties in ({"a": a, "b": b}, {"b": b, "a": a}):
        schema = {"type": "object", "properties": properties, "required": ["a", "b"], "additionalProperties": False}
        assert list(extractor.extract("x", schema)) == list(properties)


def test_extract_loads_a_model_once(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[str] = []
    monkeypatch.setattr(
        "qwen_struct.decode.model.load_model", lambda spec, **options: loads.append(spec) or load_model(spec, **options)
    )
    EXTRACT_MODULE._kept_extractor.cache_clear()
    for model in (tiny_checkpoint, str(tiny_checkpoint), str(tiny_checkpoint)):
        assert isinstance(extract("x", Item, model=model), Item)
    assert loads == [str(tiny_checkpoint)]


def test_extract_takes_an_extractor_and_a_loaded_model(extractor: Extractor) -> None:
    pair = (extractor.model.network, extractor.model.tokenizer)
    expected = extractor.extract("x", Item)
    assert extract("x", Item, model=extractor) == extract("x", Item, model=pair) == expected


def test_threads_share_an_extractor_and_get_the_answers_they_would_get_alone(extractor: Extractor) -> None:
    jobs = [(f"text {number}", schema) for number in range(6) for schema in (Item, Point, CHOICES)]
    alone = [extractor.run(*job, temperature=1.0, seed=5).text for job in jobs]
    together: dict[int, str] = {}

    def work(numbers: range) -> None:
        for number in numbers:
            together[number] = extractor.run(*jobs[number], temperature=1.0, seed=5).text

    threads = [threading.Thread(target=work, args=(range(start, len(jobs), 3),)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[number] for number in range(len(jobs))] == alone


def test_a_seed_repeats_an_answer(extractor: Extractor) -> None:
    def answers(seed: int) -> list[str]:
        return [extractor.run(text, Item, temperature=2.0, seed=seed).text for text in "abcdef"]

    assert answers(1) == answers(1) != answers(2)


# What is refused, and what the message says


def refusal(kind: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_no_text(extractor: Extractor, text: str) -> None:
    message = refusal(EmptySourceError, lambda: extractor.extract(text, Item))
    assert message == "there is no text to extract from: it is empty or only white space"


def test_text_that_is_none(extractor: Extractor) -> None:
    message = refusal(TypeError, lambda: extractor.extract(b"bytes", Item))  # type: ignore[arg-type]
    assert message == "the text must be a str, not bytes; read the file, or decode the bytes, first"


def test_text_that_no_encoding_can_spell(extractor: Extractor) -> None:
    message = refusal(SourceError, lambda: extractor.extract("price \ud83d", Item))
    assert message.startswith("the text holds a lone surrogate, U+D83D at index 6, which no encoding can spell; ")


def test_a_schema_that_is_none(extractor: Extractor) -> None:
    assert "'strng'" in refusal(InvalidSchemaError, lambda: extractor.extract("x", {"type": "strng"}))


def test_an_unknown_option_is_refused_before_a_model_loads() -> None:
    message = refusal(TypeError, lambda: extract("x", Item, model="no/such", temprature=1.0))  # type: ignore[call-overload]
    assert message.startswith(
        "unknown option 'temprature'; the options are model, instructions, max_tokens, temperature"
    )


def test_an_unknown_option_of_an_extractor(extractor: Extractor) -> None:
    assert "temprature" in refusal(TypeError, lambda: extractor.run("x", Item, temprature=1.0))  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokens": 0}, "max_tokens must be at least 1, not 0"),
        ({"temperature": -0.5}, "temperature must be a finite number of at least 0, not -0.5"),
        ({"top_p": 0}, "top_p must be above 0 and at most 1, not 0"),
    ],
)
def test_options_out_of_range(extractor: Extractor, options: dict[str, Any], message: str) -> None:
    assert refusal(ValueError, lambda: extractor.extract("x", Item, **options)) == message


def test_a_limit_below_the_minimum_is_refused_and_says_it(extractor: Extractor) -> None:
    with pytest.raises(BudgetError) as caught:
        extractor.extract("x", Item, max_tokens=3)
    minimum = caught.value.minimum
    assert minimum is not None
    assert str(caught.value) == (
        f"max_tokens is 3, and the shortest answer that the schema allows takes {minimum} tokens; raise the limit, or "
        "make fields optional"
    )
    result = extractor.run("x", Item, max_tokens=minimum)
    assert result.num_output_tokens == minimum
    assert isinstance(result.value, Item)


@pytest.mark.parametrize("more", [0, 1, 2, 5, 20])
def test_an_answer_is_complete_at_any_limit_and_says_what_the_limit_changed(extractor: Extractor, more: int) -> None:
    notes = {"type": "array", "items": {"type": "string"}, "minItems": 2}
    minimum = extractor.run("x", notes, max_tokens=40).grammar.min_tokens
    result = extractor.run("x", notes, max_tokens=minimum + more)
    jsonschema.validate(result.value, notes)
    assert result.num_output_tokens <= minimum + more
    assert all(pointer == "" or pointer.startswith("/") for pointer in result.steered)
    assert result.steered  # a model with random weights does not end a string by itself


def test_a_text_longer_than_the_context(extractor: Extractor) -> None:
    with pytest.raises(ContextLengthError) as caught:
        extractor.extract("word " * 5000, Item)
    assert caught.value.num_tokens > caught.value.limit == 4096
    assert re.fullmatch(
        r"the prompt takes [\d,]+ tokens, the shortest answer \d+, and the model's context is 4,096; shorten the text, "
        "or split it and extract from each part",
        str(caught.value),
    )


def test_the_context_is_a_limit_like_any_other(extractor: Extractor) -> None:
    words = {"type": "array", "items": {"type": "string"}}
    spent = extractor.run(".", {"const": 1}).num_prompt_tokens
    text = "." + " ~" * ((4096 - spent) // 2 - 60)
    result = extractor.run(text, words)
    assert result.num_prompt_tokens + result.num_output_tokens <= 4096
    jsonschema.validate(result.value, words)


def test_a_model_that_is_none() -> None:
    message = refusal(TypeError, lambda: Extractor(7))  # type: ignore[arg-type]
    assert message == "model must be a name, a path or a pair (model, tokenizer), not int"


def test_a_loaded_model_is_where_it_is(extractor: Extractor) -> None:
    pair = (extractor.model.network, extractor.model.tokenizer)
    assert "device chooses how a model is loaded" in refusal(ValueError, lambda: Extractor(pair, device="cpu"))


class Refused(BaseModel):
    colour: Colour
    number: Literal[7]

    @field_validator("colour")
    @classmethod
    def never(cls, value: str) -> str:
        raise ValueError("no colour will do")


class CrossField(BaseModel):
    low: Literal[5]
    high: Literal[3]

    @model_validator(mode="after")
    def ordered(self) -> CrossField:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Broken(BaseModel):
    number: Literal[7]

    @field_validator("number")
    @classmethod
    def crash(cls, value: int) -> int:
        raise KeyError("lost")


def test_a_value_that_the_types_own_validator_refuses(extractor: Extractor) -> None:
    with pytest.raises(ValidationError) as caught:
        extractor.extract("x", Refused)
    assert [(fault.pointer, "no colour will do" in fault.message) for fault in caught.value.faults] == [
        ("/colour", True)
    ]
    assert caught.value.text is not None
    assert json.loads(caught.value.text)["number"] == 7


def test_a_rule_across_fields(extractor: Extractor) -> None:
    with pytest.raises(ValidationError, match="low is above high") as caught:
        extractor.extract("x", CrossField)
    assert caught.value.text == '{"low": 5, "high": 3}'


def test_a_validator_that_crashes_does_not_lose_the_answer(extractor: Extractor) -> None:
    with pytest.raises(KeyError) as caught:
        extractor.extract("x", Broken)
    assert caught.value.__notes__ == ['The JSON that was being validated: {"number": 7}']

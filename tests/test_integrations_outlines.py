"""Outlines both ways: its generators with this engine, its output types in extract()."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import torch
from fakes import save_checkpoint, toy_tokenizer
from pydantic import BaseModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from typing_extensions import TypedDict

import qwen_struct
from qwen_struct import (
    Extractor,
    InvalidSchemaError,
    UnsupportedSchemaError,
    Vocabulary,
    compile_schema,
    validate,
)
from qwen_struct.prompt import build_messages
from qwen_struct.schema.inputs import load_schema
from qwen_struct.schema.validate import validate_json

outlines = pytest.importorskip("outlines", reason="needs Outlines: pip install 'qwen-struct[outlines]'")
types = pytest.importorskip("outlines.types")

from outlines.inputs import Chat  # noqa: E402
from outlines.types import dsl  # noqa: E402

from qwen_struct.integrations.outlines import outlines_processor  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
MINI = Path(qwen_struct.__file__).parent / "mini"
INVOICE = f"{ROOT}/schemas/invoice.py:Invoice"
TEXT = (ROOT / "schemas" / "invoice.txt").read_text(encoding="utf-8")


class Item(BaseModel):
    colour: Literal["red", "green", "深蓝"]
    fresh: bool


PAIR = {
    "type": "object",
    "properties": {"a": {"enum": [1, "two", None]}, "b": {"type": "boolean"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}


# This engine inside Outlines


@pytest.fixture(scope="module")
def mini() -> Any:
    model = AutoModelForCausalLM.from_pretrained(MINI, dtype=torch.float32).eval()
    return outlines.from_transformers(model, AutoTokenizer.from_pretrained(MINI))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = save_checkpoint(tmp_path_factory.mktemp("outlines") / "tiny")
    return outlines.from_transformers(
        AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    )


def test_a_generator_on_the_bundled_model(mini: Any) -> None:
    generator = outlines.Generator(mini, processor=outlines_processor(INVOICE, mini))
    chat = Chat(build_messages(load_schema(INVOICE).json_schema, TEXT))
    text = generator(chat, max_new_tokens=500)
    expected = json.loads((ROOT / "schemas" / "invoice.json").read_text(encoding="utf-8"))
    assert validate_json(text, INVOICE) == validate(expected, INVOICE)


def test_a_generator_can_be_called_again(tiny: Any) -> None:
    generator = outlines.Generator(tiny, processor=outlines_processor(Item, tiny))
    first = [generator(prompt, max_new_tokens=80) for prompt in ("one", "one", "another, longer prompt", "one")]
    for text in first:
        validate_json(text, Item)
    assert first[0] == first[1] == first[3]


def test_a_batch(tiny: Any) -> None:
    generator = outlines.Generator(tiny, processor=outlines_processor(Item, tiny))
    texts = generator.batch(["one", "another, longer prompt", "x"], max_new_tokens=80)
    assert texts[0] == generator("one", max_new_tokens=80)
    for text in texts:
        validate_json(text, Item)


def test_a_batch_with_a_schema_for_each_prompt(tiny: Any) -> None:
    generator = outlines.Generator(tiny, processor=outlines_processor([Item, PAIR], tiny))
    options = {"max_new_tokens": 80, "do_sample": True, "num_return_sequences": 3}
    items, pairs = generator.batch(["one", "two"], **options)
    for text in items:
        validate_json(text, Item)
    for text in pairs:
        jsonschema.validate(json.loads(text), PAIR)


def test_prompt_lookup_works_with_it(tiny: Any) -> None:
    generator = outlines.Generator(tiny, processor=outlines_processor(PAIR, tiny))
    prompt = '{"a": "two", "b": true} {"a": 1, "b": false} '
    assert generator(prompt, max_new_tokens=80, prompt_lookup_num_tokens=5) == generator(prompt, max_new_tokens=80)


def test_a_type_of_outlines_is_a_schema_too(tiny: Any) -> None:
    processor = outlines_processor(types.JsonSchema(PAIR), tiny)
    jsonschema.validate(json.loads(outlines.Generator(tiny, processor=processor)("x", max_new_tokens=80)), PAIR)


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match=r"model must be one of outlines.from_transformers, not str"):
        outlines_processor(Item, "mini")


# Outlines' output types here


def genson_builder() -> Any:
    from genson import SchemaBuilder

    builder = SchemaBuilder()
    builder.add_object({"a": 1, "b": "x"})
    return builder


ACCEPTED: list[tuple[Any, list[Any], list[Any]]] = [
    (types.JsonSchema(PAIR), [{"a": 1, "b": True}], [{"a": 2, "b": True}, "x"]),
    (types.JsonSchema(json.dumps(PAIR), whitespace_pattern=" ?"), [{"a": None, "b": False}], [{}]),
    (types.JsonSchema(Item), [{"colour": "深蓝", "fresh": True}], [{"colour": "blue", "fresh": True}]),
    (types.Choice(["a", "b", 3, None, True]), ["a", "b", 3, None, True], ["3", "c", False]),
    (types.Choice(["a", types.regex("[0-9]{2}")]), ["a", "12"], ["1", 12]),
    (types.either("yes", "no"), ["yes", "no"], ["maybe", True]),
    (types.either("none", types.integer), ["none", 12], ["12"]),
    (types.regex(r"\d{3}-\d{2}"), ["123-45"], ["123-456", "x123-45", 12345, "١٢٣-٤٥"]),
    (types.regex(r"a b|c\.d"), ["a b", "c.d"], ["cxd", "a b|c.d"]),
    (dsl.String("a b-c") + types.regex("[0-9]+"), ["a b-c1"], ["a b-c", "a b-c1 "]),
    (types.exactly(3, "ab"), ["ababab"], ["abab"]),
    (types.at_least(2, types.digit), ["12", "123"], ["1"]),
    (types.optional("x") + types.between(1, 2, "y"), ["y", "xyy"], ["x", "xyyy"]),
    (types.zero_or_more("ab"), ["", "abab"], ["aba"]),
    (dsl.String("only this"), ["only this"], ["only"]),
    (types.integer, [12, -3], ["12", 1.5]),
    (types.number, [12, 1.5], ["12"]),
    (types.boolean, [True, False], ["True"]),
    (types.string, ["x", ""], [1]),
    (types.date, ["2024-12-31"], ["2024-13-31"]),
    (types.uuid4, ["123e4567-e89b-42d3-a456-426614174000"], ["123e4567-e89b-12d3-a456-426614174000"]),
    (types.email, ["ada@example.com"], ["ada@", "ada at example.com"]),
    (types.isbn, ["ISBN 978-0-596-52068-7", "0-596-52068-9"], ["978"]),
    (types.ipv6, ["::1", "fe80::1"], [":"]),
    (types.iban, ["DE89370400440532013000"], ["DE99 3704"]),
    (genson_builder(), [{"a": 2, "b": "y"}], [{"a": "x", "b": "y"}]),
]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.from_tokenizer(toy_tokenizer())


@pytest.mark.parametrize(("output_type", "accepted", "rejected"), ACCEPTED, ids=lambda value: repr(value)[:40])
def test_output_types(output_type: Any, accepted: list[Any], rejected: list[Any], vocabulary: Vocabulary) -> None:
    grammar = compile_schema(output_type, vocabulary)
    for value in accepted:
        assert validate(value, output_type) == value
        assert grammar.accepts(json.dumps(value, ensure_ascii=False))
    for value in rejected:
        with pytest.raises(qwen_struct.ValidationError):
            validate(value, output_type)
        assert not grammar.accepts(json.dumps(value, ensure_ascii=False))


def test_extract_takes_them(tiny: Any) -> None:
    extractor = Extractor((tiny.model, tiny.hf_tokenizer))
    assert extractor.extract("x", types.Choice(["a", "b"])) in ("a", "b")
    assert isinstance(extractor.extract("x", types.integer | types.boolean, max_tokens=200), int)


def test_a_term_as_a_field_stands_for_the_whole_text(vocabulary: Vocabulary) -> None:
    class Person(BaseModel):
        age: types.regex("[0-9]{1,3} years")  # type: ignore[valid-type]
        codes: list[types.regex("[A-Z]{2}")]  # type: ignore[misc]

    grammar = compile_schema(Person, vocabulary)
    assert grammar.accepts('{"age": "36 years", "codes": ["AB"]}')
    assert not grammar.accepts('{"age": "at 36 years", "codes": ["AB"]}')
    assert not grammar.accepts('{"age": "36 years", "codes": ["ABC"]}')
    assert validate({"age": "36 years", "codes": []}, Person).age == "36 years"


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Point:
    x: int


class Move(TypedDict):
    step: Literal["up", "down"]


@pytest.mark.parametrize(
    ("python_type", "text"),
    [
        (Literal["a", "b"], '"a"'),
        (Colour, '"red"'),
        (Point, '{"x": 1}'),
        (Move, '{"step": "up"}'),
        (list[int], "[1, 2]"),
        (dict[str, int], '{"a": 1}'),
        (int | None, "null"),
        (Item, '{"colour": "red", "fresh": true}'),
    ],
    ids=repr,
)
def test_python_types_that_outlines_takes(python_type: Any, text: str, vocabulary: Vocabulary) -> None:
    dsl.python_types_to_terms(python_type)  # does not raise: Outlines takes it
    assert compile_schema(python_type, vocabulary).accepts(text)
    validate_json(text, python_type)


@pytest.mark.parametrize(
    ("output_type", "error", "message"),
    [
        (types.CFG('start: "a"'), UnsupportedSchemaError, "a context-free grammar describes texts and not JSON values"),
        (types.Choice(["a", types.CFG("x")]), UnsupportedSchemaError, "a context-free grammar"),
        (types.cfg("x") + "a", UnsupportedSchemaError, "is no regular expression"),
        (types.regex(r"[a-z&&[^b]]"), UnsupportedSchemaError, "cannot be enforced: && in a character class"),
        (types.regex("(a"), InvalidSchemaError, r"is not a regular expression"),
        (types.Choice([{1, 2}]), InvalidSchemaError, "which JSON does not have"),
        (outlines.inputs.Chat([]), InvalidSchemaError, "is not an output type of Outlines"),
    ],
    ids=repr,
)
def test_what_means_no_json_is_refused(output_type: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_schema(output_type)


def test_other_schemas_do_not_load_outlines() -> None:
    program = (
        "import sys\nfrom pydantic import BaseModel\nfrom qwen_struct.schema.inputs import load_schema\n"
        "class A(BaseModel):\n    x: int\nload_schema(A); load_schema({'type': 'integer'})\n"
        "print([name for name in ('outlines', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

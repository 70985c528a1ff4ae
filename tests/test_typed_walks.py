"""Whatever a random model writes under a type's constraint, the type accepts: engine and Pydantic, end to end."""

from __future__ import annotations

import datetime
import ipaddress
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

import jsonschema_rs
import pydantic
import pytest
from pydantic import Field
from test_inputs import Checked, Level, Library, Node, Page, Plain
from test_limits import TEXTS, UNPUBLISHED, Blob, Cat, Closed, Colour, Dog, HexBlob, Open, Point
from test_schemas import NAMES, SCHEMAS
from walks import random_walk

from qwen_struct.constraint import Vocabulary, compile_schema
from qwen_struct.schema.inputs import load_schema

WORDS = (
    b"true",
    b"null",
    b'": ',
    b'", "',
    b"2024-0",
    b"http://a",
    "中文".encode(),
    "é".encode(),
    b"12.5",
    b"Z",
    b"\\u00",
)
BYTES = Vocabulary([*(bytes([b]) for b in range(256)), *WORDS, None], eos_token_ids=[256 + len(WORDS)])

TYPES = {
    **{name: annotation for name, annotation in TEXTS.items() if name != "search"},  # a walk hardly ever writes its "b"
    **{f"{stem}.py": f"{SCHEMAS / stem}.py:{name}" for stem, name in NAMES.items()},
    "named tuple": Point,
    "tuple": tuple[int, str],
    "set": set[str],
    "set of models": Annotated[frozenset[Point], Field(min_length=2)],
    "all of an enum": Annotated[set[Colour], Field(min_length=len(Colour))],
    "set of numbers": Annotated[set[float], Field(max_length=5)],
    "enum": Colour,
    "int enum": Level,
    "literal": Literal[1, "a", None],
    "union": int | list[int] | datetime.date,
    "bytes": bytes,
    "base64 in a dataclass": Blob,
    "hex in a dataclass": HexBlob,
    "open model": Open,
    "closed model": Closed,
    "tagged union": list[Annotated[Cat | Dog, Field(discriminator="kind")]],
    "integer keys": dict[int, str],
    "decimal keys": dict[Decimal, str],
    "date keys": dict[datetime.date, int],
    "chosen keys": dict[Literal["a", "b"], int],
    "recursive": Node,
    "generic": Page[int],
    "dataclass": Plain,
    "pydantic dataclass": Checked,
    "typed dict": Library,
    "anything": Any,
    "decimal": Decimal,
    "cents": Annotated[Decimal, Field(max_digits=5, decimal_places=2)],
    "float": float,
    "percent": Annotated[float, Field(ge=0, le=100)],
    "positive": Annotated[int, Field(gt=0, lt=50)],
    "ipv6 network": ipaddress.IPv6Network,
    "any address": pydantic.IPvAnyAddress,
    "secret": pydantic.SecretStr,
    "birthday": Annotated[datetime.date, Field(ge=datetime.date(1990, 2, 28), lt=datetime.date(2010, 1, 1))],
}

# What the walk seldom ends: a quotation mark is allowed only after something that it does not aim for.
WANDERING = {"any url", "http url", "websocket url", "postgres", "redis"}


@pytest.mark.parametrize("name", TYPES)
def test_every_finished_output_is_accepted(name):
    loaded = load_schema(TYPES[name])
    grammar = compile_schema(loaded.constraint_schema, BYTES, key_order="schema", float_integers=False)
    shown = {} if name in UNPUBLISHED else loaded.json_schema
    published = jsonschema_rs.validator_for(shown, validate_formats=True)
    rng = Random(7)
    texts = [text for _ in range(25) if (text := random_walk(grammar, rng, num_free=20, limit=300))]
    for text in texts:
        loaded.to_python(text)
        assert published.is_valid(pydantic.TypeAdapter(Any).validate_json(text)), text
    assert len(texts) >= (20 if name not in WANDERING else 2)


@pytest.mark.parametrize("stem", NAMES)
def test_the_expected_values_are_in_the_language(stem):
    loaded = load_schema(f"{SCHEMAS / stem}.py:{NAMES[stem]}")
    text = Path(SCHEMAS / f"{stem}.json").read_text(encoding="utf-8").rstrip("\n")
    assert compile_schema(loaded.constraint_schema, BYTES, key_order="schema", float_integers=False).accepts(text)

"""The documents of decode.py: those held out from the bundled model's training, and one with a long prompt."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from random import Random
from typing import Any

import jsonschema
from common import ROOT

from qwen_struct import Vocabulary, compile_schema
from qwen_struct.constraint import Grammar
from qwen_struct.decode.chat import encode_prompt
from qwen_struct.decode.model import Model
from qwen_struct.prompt import build_messages
from qwen_struct.schema.inputs import load_schema

LONG_PROMPT = 2_000  # tokens


@dataclass(frozen=True)
class Document:
    schema: Any
    text: str
    instructions: str | None = None
    name: str = ""


def held_out(count: int, seed: str) -> list[Document]:
    """Documents with names, layouts or kinds that the bundled model's training has not seen, in two languages."""
    sys.path.insert(0, str(ROOT))
    from training.catalogue import UNSEEN_KINDS
    from training.kinds import make_example

    found = []
    for i in range(count):
        rng, lang = Random(f"{seed}-{i}"), ("en", "zh")[i % 2]
        makers = (
            lambda rng, lang: make_example(rng, lang=lang, unseen=True),
            lambda rng, lang: make_example(rng, lang=lang, held_out=True),
            lambda rng, lang: make_example(rng, rng.choice(sorted(UNSEEN_KINDS)), lang),
        )
        example = makers[i % 3](rng, lang)
        found.append(Document(example.schema, example.text, name=f"{i}: {example.kind}, {lang}"))
    return found


def long_document(model: Model, number: int) -> Document:
    """A short text with a schema and instructions of 2,000 tokens."""
    properties: dict[str, Any] = {"order_number": {"type": "string", "description": "the number of the order"}}
    while True:
        schema = {"type": "object", "properties": properties, "required": ["order_number"]}
        document = Document(
            schema,
            f"Order A-{1000 + number}: {number + 2} boxes, to be delivered to {('Graz', 'Lyon')[number % 2]}.",
            "Read the whole message before you answer. Leave out what it does not say.",
        )
        if len(prompt_of(model, document)) >= LONG_PROMPT:
            return document
        i = len(properties)
        kind = ("string", "integer", "boolean")[i % 3]
        properties[f"remark_{i}"] = {"type": kind, "description": f"what the sender says about part {i} of the order"}


def prompt_of(model: Model, document: Document) -> list[int]:
    asked = load_schema(document.schema)
    messages = build_messages(asked.json_schema, document.text, document.instructions)
    return encode_prompt(model.tokenizer, messages, document.text).token_ids


def grammar_of(document: Document, vocabulary: Vocabulary) -> Grammar:
    """The one that an Extractor with this vocabulary uses."""
    schema = load_schema(document.schema).constraint_schema
    return compile_schema(schema, vocabulary, key_order="schema", float_integers=False)


def is_valid(document: Document, text: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    validator = jsonschema.validators.validator_for(document.schema, jsonschema.Draft202012Validator)
    return validator(document.schema, format_checker=validator.FORMAT_CHECKER).is_valid(value)


class Limits:
    """How many tokens an answer may take: ``max_tokens``, or what its schema needs; with a vocabulary of its own."""

    def __init__(self, vocabulary: Vocabulary, max_tokens: int) -> None:
        self._vocabulary, self._max_tokens = vocabulary, max_tokens
        self._known: dict[str, int] = {}

    def __call__(self, document: Document) -> int:
        key = json.dumps(document.schema)
        if key not in self._known:
            self._known[key] = max(self._max_tokens, grammar_of(document, self._vocabulary).min_tokens)
        return self._known[key]

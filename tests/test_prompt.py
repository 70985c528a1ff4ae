"""What the model is shown: the schema without noise, then the document, last."""

from __future__ import annotations

import datetime
import json

import pytest
from pydantic import BaseModel, Field

from qwen_struct.prompt import build_messages, prompt_schema


class Address(BaseModel):
    city: str


class Person(BaseModel):
    """Someone."""

    title: str = Field(description="As in a letter")
    born: datetime.date | None = None
    home: Address


def test_the_document_is_last_and_instructions_stand_before_it():
    system, user = build_messages({"type": "integer"}, "page 7", "Give the page.")
    assert system["role"] == "system" and user["role"] == "user"
    assert user["content"] == 'JSON Schema:\n{"type":"integer"}\n\nInstructions:\nGive the page.\n\nDocument:\npage 7'


def test_without_instructions_nothing_is_said_of_them():
    assert "Instructions" not in build_messages(True, "text")[1]["content"]


def test_a_model_reads_short():
    assert prompt_schema(Person.model_json_schema()) == {
        "type": "object",
        "description": "Someone.",
        "properties": {
            "title": {"type": "string", "description": "As in a letter"},
            "born": {"type": ["string", "null"], "format": "date"},
            "home": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        "required": ["title", "home"],
    }


@pytest.mark.parametrize(
    ("schema", "shown"),
    [
        (False, False),
        ({"title": "Net of tax", "type": "number"}, {"type": "number", "title": "Net of tax"}),
        ({"enum": [{"title": "x", "default": 1}]}, {"enum": [{"title": "x", "default": 1}]}),
        ({"properties": {"default": {"type": "null"}}}, {"properties": {"default": {"type": "null"}}, "required": []}),
        ({"anyOf": [{"enum": ["a"]}, {"type": "null"}]}, {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, {"anyOf": [{"type": "number"}, {"type": "string"}]}),
        ({"type": "object", "additionalProperties": False}, {"type": "object"}),
    ],
)
def test_what_has_meaning_stays(schema, shown):
    assert prompt_schema(schema) == shown


def test_a_recursive_definition_stays_a_definition():
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    shown = prompt_schema({"$defs": {"Node": node}, "$ref": "#/$defs/Node"})
    assert isinstance(shown, dict)
    assert shown["$ref"] == "#/$defs/Node" and "Node" in shown["$defs"]


def test_a_definition_used_twice_is_written_once():
    schema = {
        "$defs": {"A": {"type": "string", "maxLength": 3}},
        "prefixItems": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/A"}],
    }
    assert json.dumps(prompt_schema(schema)).count("maxLength") == 1

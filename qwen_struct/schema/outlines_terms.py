"""Outlines' output types as JSON Schema: what makes Outlines write some text makes ``extract`` return that text.

Outlines knows texts, of which a JSON value is one kind; here all is JSON. So a regular expression becomes a string that
matches it as a whole, a choice one of the values it lists, and ``JsonSchema`` what it holds. The terms that stand for
Python's types (``types.integer``, ``number``, ``boolean``, ``string``) become values of these types. A grammar,
``CFG``, says nothing about values and is refused.
"""

from __future__ import annotations

import json
from typing import Any

from ..errors import InvalidSchemaError, UnsupportedSchemaError
from .patterns import MalformedPattern, UntranslatablePattern, pydantic_to_ecma

_JSON_TYPES = ("integer", "number", "boolean", "string")


def is_outlines(value: Any) -> bool:
    """Whether ``value`` is an output type of Outlines, or a SchemaBuilder of genson, which Outlines takes as one."""
    return any(kind.__module__.partition(".")[0] in ("outlines", "genson") for kind in type(value).__mro__)


def json_schema_of(term: Any) -> dict[str, Any]:
    """The JSON Schema of an output type that :func:`is_outlines`.

    Raises:
        UnsupportedSchemaError: a context-free grammar, or a pattern that cannot be enforced.
        InvalidSchemaError: no output type.
    """
    if hasattr(term, "to_schema"):  # genson
        schema: dict[str, Any] = term.to_schema()
        return schema
    from outlines.types import dsl

    if not isinstance(term, dsl.Term):
        raise InvalidSchemaError(f"{term!r:.80} is not an output type of Outlines")
    if isinstance(term, dsl.CFG):
        raise UnsupportedSchemaError(
            "a context-free grammar describes texts and not JSON values; say what the value is with a type, a regular "
            "expression or a JSON Schema, or use the grammar with Outlines itself"
        )
    if isinstance(term, dsl.JsonSchema):
        return json.loads(term.schema)
    if isinstance(term, dsl.String):
        return {"const": term.value}
    if isinstance(term, dsl.Choice | dsl.Alternatives):
        return _one_of(term.items if isinstance(term, dsl.Choice) else term.terms)
    return _of_regex(term)


def whole_text(term: Any) -> str:
    """The pattern, ECMA-262 and anchored, of the texts that a term without JSON in it stands for.

    Raises: UnsupportedSchemaError.
    """
    from outlines.types import dsl

    try:
        pattern = dsl.to_regex(term)
        return f"^(?:{pydantic_to_ecma(pattern)})$"
    except TypeError as error:
        raise UnsupportedSchemaError(f"{term!r:.80} is no regular expression: {error}") from error
    except (UntranslatablePattern, MalformedPattern) as error:
        raise UnsupportedSchemaError(
            f"the pattern {pattern!r:.80} cannot be enforced: {error}", keyword="pattern"
        ) from error


def _of_regex(term: Any) -> dict[str, Any]:
    from outlines import types

    for name in _JSON_TYPES:
        if term is getattr(types, name):
            return {"type": name}
    return {"type": "string", "pattern": whole_text(term)}


def _one_of(items: list[Any]) -> dict[str, Any]:
    """Any of ``items``: Outlines' terms, or plain values."""
    from outlines.types import dsl

    schemas = [json_schema_of(item) if isinstance(item, dsl.Term) else {"const": item} for item in items]
    if all(schema.keys() == {"const"} for schema in schemas):
        return {"enum": [schema["const"] for schema in schemas]}
    return {"anyOf": schemas}

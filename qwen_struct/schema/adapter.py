"""A Python type as a schema: Pydantic's TypeAdapter, its two JSON Schemas, and its errors in our terms."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pydantic
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUndefinedAnnotation, PydanticUserError
from pydantic_core import PydanticSerializationError, SchemaError, SchemaValidator

from ..errors import Fault, InvalidSchemaError, UnsupportedSchemaError, ValidationError
from .checking import parse
from .decimals import quote_decimals
from .inputs import SchemaInput
from .python_types import ReadableSchema, StrictSchema
from .typed_dicts import modern
from .walk import pointer_of

# Pydantic's names of what is wrong, where JSON Schema has a keyword for it; "..._type" and "..._parsing" are `type`.
_KEYWORDS = {
    "missing": "required",
    "extra_forbidden": "additionalProperties",
    "unexpected_keyword_argument": "additionalProperties",
    "literal_error": "enum",
    "enum": "enum",
    "string_pattern_mismatch": "pattern",
    "string_too_short": "minLength",
    "string_too_long": "maxLength",
    "bytes_too_short": "minLength",
    "bytes_too_long": "maxLength",
    "too_short": "minItems",
    "too_long": "maxItems",
    "greater_than": "exclusiveMinimum",
    "greater_than_equal": "minimum",
    "less_than": "exclusiveMaximum",
    "less_than_equal": "maximum",
    "multiple_of": "multipleOf",
    "union_tag_invalid": "oneOf",
    "union_tag_not_found": "oneOf",
}
_FORMATTED = ("date", "time", "datetime", "time_delta", "uuid", "url", "timezone")


def from_type(annotation: Any) -> SchemaInput:
    """The schema of a type that Pydantic knows, of any annotation of such types, or of a TypeAdapter."""
    adapter = annotation if isinstance(annotation, TypeAdapter) else _adapter(annotation)
    name = _name(annotation)
    readable, strict = ReadableSchema(), StrictSchema()
    try:
        json_schema = readable.generate(adapter.core_schema, "validation")
        constraint_schema = strict.generate(adapter.core_schema, "validation")
    except PydanticInvalidForJsonSchema as error:
        raise UnsupportedSchemaError(f"{name}: {error.message}; give the field a type that JSON has") from error
    except PydanticUserError as error:
        raise InvalidSchemaError(f"{name}: {error.message}") from error
    root = json_schema.get("$ref", "").removeprefix("#/$defs/")  # a recursive type stands among the definitions
    description = json_schema.get("$defs", {}).get(root, json_schema).get("description")
    return SchemaInput(
        json_schema=json_schema,
        constraint_schema=constraint_schema,
        to_python=lambda text: read_json(adapter, text, name, strict.holds_decimals),
        from_python=lambda value: _from_python(adapter, value, name, strict.holds_decimals),
        name=name,
        description=description if isinstance(description, str) else None,
        core_schema=adapter.core_schema,
    )


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    _refuse_what_is_no_type(annotation)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(modern(annotation))
        adapter.rebuild()
        adapter.core_schema  # noqa: B018  (raises what rebuild leaves open)
    except PydanticUndefinedAnnotation as error:
        raise InvalidSchemaError(
            f"{_name(annotation)} refers to {error.name!r}, which is not defined; define it before use, at module level"
        ) from error
    except PydanticUserError as error:
        raise InvalidSchemaError(f"{_name(annotation)} is not a schema: {_first_line(error.message)}") from error
    except ImportError as error:  # EmailStr without email-validator
        raise InvalidSchemaError(f"{_name(annotation)}: {_first_line(str(error))}") from error
    except (SchemaError, TypeError, NameError, AttributeError, ValueError) as error:
        raise InvalidSchemaError(f"{_name(annotation)} is not a schema: {_first_line(str(error))}") from error
    return adapter


def _refuse_what_is_no_type(annotation: Any) -> None:
    accepted = "give a type, a JSON Schema as dict or bool, or the path of one"
    if isinstance(annotation, pydantic.BaseModel):
        raise InvalidSchemaError(f"an instance of {type(annotation).__name__} is not a schema; pass the class itself")
    if inspect.isroutine(annotation):
        raise InvalidSchemaError(f"the function {annotation.__name__} is not a schema; {accepted}")
    if isinstance(annotation, int | float | bytes | list | tuple | set | Decimal):
        raise InvalidSchemaError(f"{annotation!r:.80} is not a schema; {accepted}")


def _first_line(message: str) -> str:
    return message.strip().split("\n")[0]


def _name(annotation: Any) -> str:
    """The annotation as its author would write it: ``Invoice``, ``list[Row]``."""
    if isinstance(annotation, TypeAdapter):
        annotation = annotation._type
    if isinstance(annotation, type) and "[" not in repr(annotation):
        return annotation.__name__
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", repr(annotation))


def read_json(adapter: TypeAdapter[Any] | SchemaValidator, text: str, name: str, holds_decimals: bool) -> Any:
    """The value that a JSON text spells, with Decimals as they were written.

    Raises: ValidationError, or what a validator of the type's own raises.
    """
    if "NaN" in text or "Infinity" in text:
        parse(text)  # Pydantic would take them as numbers
    try:
        value = adapter.validate_json(text)
    except pydantic.ValidationError as error:
        raise _validation_error(error, name, text) from error
    if not holds_decimals:
        return value
    exact = quote_decimals(text, value)
    if exact is None:
        return value
    try:
        return adapter.validate_json(exact)
    except pydantic.ValidationError:
        return value  # a validator of the type's own that wants numbers


def _from_python(adapter: TypeAdapter[Any], value: Any, name: str, holds_decimals: bool) -> Any:
    """Check a Python value: a JSON-like one by the rules for JSON, an instance by what it holds, not by its class."""
    text = _json_text(value)
    if text is not None:
        return read_json(adapter, text, name, holds_decimals)
    try:
        checked = adapter.validate_python(value)
    except pydantic.ValidationError as error:
        raise _validation_error(error, name, value) from error
    try:
        dumped = adapter.dump_json(checked, by_alias=True, round_trip=True, warnings=False)
    except PydanticSerializationError:
        return checked
    return read_json(adapter, dumped.decode(), name, holds_decimals)


def _json_text(value: Any) -> str | None:
    """The JSON of a value that consists of JSON's types and Decimals; None when it holds anything else."""
    if isinstance(value, Decimal):
        return str(value) if value.is_finite() else None
    if type(value) is dict:
        items = {key: _json_text(item) for key, item in value.items()}
        if None in items.values() or not all(type(key) is str for key in items):
            return None
        return "{" + ", ".join(f"{json.dumps(key)}: {text}" for key, text in items.items()) + "}"
    if type(value) is list:
        texts = [_json_text(item) for item in value]
        return None if None in texts else "[" + ", ".join(text for text in texts if text is not None) + "]"
    if value is None or type(value) in (str, bool, int, float):
        try:
            return json.dumps(value, allow_nan=False)
        except ValueError:
            return None
    return None


def _validation_error(error: pydantic.ValidationError, name: str, value: Any) -> ValidationError:
    document = parse(value) if isinstance(value, str) else value
    faults = tuple(_fault(item, document) for item in error.errors(include_url=False, include_context=False))
    return ValidationError(f"the value is no {name}: {_counted(len(faults))}", faults)


def _counted(number: int) -> str:
    return "1 fault" if number == 1 else f"{number} faults"


def _fault(item: Any, document: Any) -> Fault:
    kind = item["type"]
    bare = kind in ("missing", "json_invalid") or isinstance(item["input"], dict | list)
    message = item["msg"] if bare else _with_input(item)
    return Fault(pointer_of(_place(item["loc"], document, kind)), message, _keyword(kind, item["input"]))


def _with_input(item: Any) -> str:
    shown = repr(item["input"])
    return f"{item['msg']}, not {shown if len(shown) <= 80 else shown[:77] + '...'}"


def _keyword(kind: str, value: Any) -> str | None:
    if kind in ("too_short", "too_long") and isinstance(value, Mapping):
        return "minProperties" if kind == "too_short" else "maxProperties"
    if kind == "json_invalid":  # nested deeper than Pydantic reads
        return None
    if kind in _KEYWORDS:
        return _KEYWORDS[kind]
    stem, _, ending = kind.rpartition("_")
    if stem.removesuffix("_from").startswith(_FORMATTED) and ending == "parsing":
        return "format"
    return "type" if ending in ("type", "parsing") else kind


def _place(location: tuple[int | str, ...], document: Any, kind: str) -> list[int | str]:
    """Pydantic's location without what is no part of the value: names of union branches, validators and ``[key]``."""
    path: list[int | str] = []
    for index, token in enumerate(location):
        if isinstance(document, list | tuple) and isinstance(token, int) and token < len(document):
            document = document[token]
        elif isinstance(document, Mapping) and token in document:
            document = document[token]
        elif hasattr(document, "__dict__") and isinstance(token, str) and token in vars(document):
            document = vars(document)[token]
        elif not (kind == "missing" and index == len(location) - 1):
            continue
        path.append(token)
    return path

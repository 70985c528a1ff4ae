"""JSON Schema documents as they come: made plain, and held against their metaschema and their own references."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ..errors import InvalidSchemaError, UnsupportedSchemaError
from .dialects import DEFAULT, Dialect, dialect_of
from .references import References, Retrieve
from .said import said, shown
from .walk import children, place_of

MAX_DEPTH = 400  # levels of JSON, two for a subschema; Python's stack ends soon after


def plain(schema: Any) -> Any:
    """A copy of ``schema`` made of dicts, lists and scalars only, which nobody else can change.

    Raises: InvalidSchemaError for what JSON cannot say (NaN, sets, keys that are no strings, endless nesting).
    """
    try:
        return _plain(schema, ())
    except RecursionError as error:  # called from deep down already
        raise _too_deep() from error


def _too_deep() -> InvalidSchemaError:
    return InvalidSchemaError("nested too deep, or inside itself; use $ref for recursion, and $defs to flatten it")


def _plain(value: Any, path: tuple[str | int, ...]) -> Any:
    if len(path) > MAX_DEPTH:
        raise _too_deep()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            raise _not_json(f"{value} is not a JSON number", path)
        return value if isinstance(value, float) else int(value) if value == int(value) else float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise _not_json(f"the key {key!r} is not a string", path)
        return {key: _plain(item, (*path, key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, (*path, index)) for index, item in enumerate(value)]
    raise _not_json(f"{shown(value)} is a {type(value).__name__}, which JSON does not have", path)


def _not_json(what: str, path: tuple[str | int, ...]) -> InvalidSchemaError:
    pointer, keyword = place_of(path)
    return InvalidSchemaError(
        f"{what}; a schema holds objects, arrays, strings, numbers, booleans and null", pointer=pointer, keyword=keyword
    )


def validator_class_of(schema: Any, retrieve: Retrieve | None = None) -> Any:
    """The ``jsonschema`` class for a schema that :func:`plain` has passed, once nothing is wrong with the schema.

    Raises:
        InvalidSchemaError: the document breaks its metaschema.
        UnresolvableReferenceError: a reference leads nowhere.
        UnsupportedSchemaError: an unknown ``$schema``.
    """
    if not isinstance(schema, dict | bool):
        raise InvalidSchemaError(f"a JSON Schema is an object or a boolean, not {shown(schema)}")
    dialect = _dialect(schema)
    try:
        validator_class = _checked_class(schema, dialect)
    except RecursionError as error:
        raise _too_deep() from error
    _resolve_all(schema, References(schema, retrieve, dialect))
    return validator_class


def _dialect(schema: dict[str, Any] | bool) -> Dialect:
    if isinstance(schema, bool) or "$schema" not in schema:
        return DEFAULT
    dialect = dialect_of(schema["$schema"])
    if dialect is None:
        raise UnsupportedSchemaError(
            f"{shown(schema['$schema'])} is no known dialect; name draft 4, 6, 7, 2019-09 or 2020-12, or leave it out",
            keyword="$schema",
        )
    return dialect


def _checked_class(schema: dict[str, Any] | bool, dialect: Dialect) -> Any:
    """The ``jsonschema`` class that reads ``schema``; raises what its metaschema finds.

    Without ``$schema`` the newest draft has the first say, and the older ones when only they know such spellings.
    """
    import jsonschema

    by_name = {
        "draft-04": jsonschema.Draft4Validator,
        "draft-06": jsonschema.Draft6Validator,
        "draft-07": jsonschema.Draft7Validator,
        "2019-09": jsonschema.Draft201909Validator,
        "2020-12": jsonschema.Draft202012Validator,
    }
    first = None
    for name in (dialect.name, "2019-09", "draft-04") if dialect is DEFAULT else (dialect.name,):
        metaschema_class = by_name[name]
        validator = metaschema_class(metaschema_class.META_SCHEMA)
        errors = (error for error in validator.iter_errors(schema) if error.validator != "uniqueItems")
        error = jsonschema.exceptions.best_match(errors)  # a value twice in enum or required changes nothing
        if error is None:
            return metaschema_class
        first = first or error
    assert first is not None
    pointer, keyword = place_of(list(first.absolute_path))
    what = f"{shown(first.instance)} is no type" if keyword == "type" else said(first)
    raise InvalidSchemaError(f"{what}; correct the schema", pointer=pointer, keyword=keyword)


def _resolve_all(schema: Any, references: References) -> None:
    """Follow every reference of the document once, so that none fails in the middle of a check."""
    pending = [("", schema, references.start)]
    while pending:
        where, node, scope = pending.pop()
        if not isinstance(node, dict):
            continue
        scope = references.enter(scope, node)
        for keyword in ("$ref", "$dynamicRef"):
            if isinstance(node.get(keyword), str):
                references.resolve(scope, node[keyword], where)
        if not ("$ref" in node and scope.dialect.ref_hides_siblings):
            pending += [(inner, child, scope) for inner, child in children(node, where)]

"""JSON Schema documents as they come: made plain, held against their metaschema, and turned into a checker of values.

``jsonschema`` is the authority on values here. It is given the schema with each pattern in Python's syntax, because it
searches with `re` while JSON Schema means ECMA-262.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from ..errors import Fault, InvalidSchemaError, UnsupportedSchemaError, ValidationError
from .dialects import DEFAULT, Dialect, dialect_of
from .patterns import MalformedPattern, UntranslatablePattern, ecma_to_python
from .references import References, Retrieve
from .walk import children, place_of, pointer_of, subschemas

MAX_DEPTH = 400  # levels of JSON in a schema, two for a subschema; Python's stack ends soon after
MAX_VALUE_DEPTH = 200  # as deep as Pydantic reads, and `jsonschema` checks, without running out of stack


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
    raise _not_json(f"{_shown(value)} is a {type(value).__name__}, which JSON does not have", path)


def _not_json(what: str, path: tuple[str | int, ...]) -> InvalidSchemaError:
    pointer, keyword = place_of(path)
    return InvalidSchemaError(
        f"{what}; a schema holds objects, arrays, strings, numbers, booleans and null", pointer=pointer, keyword=keyword
    )


def checker(schema: Any, retrieve: Retrieve | None = None) -> Callable[[Any], list[Fault]]:
    """A function that lists every fault of a value, for a schema that :func:`plain` has passed.

    ``retrieve(uri) -> schema`` provides documents that references name; nothing is fetched. Formats are asserted where
    ``jsonschema`` can without further packages: date, email, idn-email, ipv4, ipv6, regex, uuid; more when the packages
    of ``jsonschema[format]`` are installed. Unknown formats say nothing.

    Raises:
        InvalidSchemaError: the document breaks its metaschema.
        UnresolvableReferenceError: a reference leads nowhere.
        UnsupportedSchemaError: an unknown ``$schema``, or a pattern that Python cannot search for.
    """
    if not isinstance(schema, dict | bool):
        raise InvalidSchemaError(f"a JSON Schema is an object or a boolean, not {_shown(schema)}")
    dialect = _dialect(schema)
    try:
        validator_class = _checked_class(schema, dialect)
    except RecursionError as error:
        raise _too_deep() from error
    _resolve_all(schema, References(schema, retrieve, dialect))
    searchable, originals = _searchable(schema)
    validator = validator_class(
        searchable,
        registry=_registry(retrieve, validator_class.META_SCHEMA),
        format_checker=validator_class.FORMAT_CHECKER,
    )
    return lambda value: _foreign(value, ()) or _faults(validator, value, originals)


def _dialect(schema: dict[str, Any] | bool) -> Dialect:
    if isinstance(schema, bool) or "$schema" not in schema:
        return DEFAULT
    dialect = dialect_of(schema["$schema"])
    if dialect is None:
        raise UnsupportedSchemaError(
            f"{_shown(schema['$schema'])} is no known dialect; name draft 4, 6, 7, 2019-09 or 2020-12, or leave it out",
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
    said = f"{_shown(first.instance)} is no type" if keyword == "type" else _said(first)
    raise InvalidSchemaError(f"{said}; correct the schema", pointer=pointer, keyword=keyword)


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


def _searchable(schema: Any) -> tuple[Any, dict[str, str]]:
    """A copy of ``schema`` with patterns in Python's syntax, and what each of them was."""
    copy, originals = plain(schema), {}
    for pointer, node in subschemas(copy):
        if not isinstance(node, dict):
            continue
        if isinstance(node.get("pattern"), str):
            translated = _searchable_pattern(node["pattern"], pointer, "pattern")
            originals[translated] = node["pattern"]
            node["pattern"] = translated
        if isinstance(node.get("patternProperties"), dict):
            renamed: dict[str, Any] = {}
            for pattern, inner in node["patternProperties"].items():
                translated = _searchable_pattern(pattern, pointer, "patternProperties")
                while translated in renamed:
                    translated += "(?#)"  # an empty comment: two spellings of one pattern stay two keys
                originals[translated] = pattern
                renamed[translated] = inner
            node["patternProperties"] = renamed
    return copy, originals


def _searchable_pattern(pattern: str, pointer: str, keyword: str) -> str:
    try:
        return ecma_to_python(pattern)
    except MalformedPattern as error:
        message = f"{pattern!r} is not a regular expression: {error}; correct it"
        raise InvalidSchemaError(message, pointer=pointer, keyword=keyword) from error
    except UntranslatablePattern as error:
        message = f"values cannot be checked against {pattern!r} here: {error}; rewrite it"
        raise UnsupportedSchemaError(message, pointer=pointer, keyword=keyword) from error


def _registry(retrieve: Retrieve | None, metaschema: Mapping[str, Any]) -> Any:
    """The documents that references may name: those that ``retrieve`` provides, and none from the network."""
    import referencing
    from referencing.exceptions import NoSuchResource
    from referencing.jsonschema import specification_with

    specification = specification_with(metaschema.get("$id", metaschema.get("id", "")))

    def fetch(uri: str) -> Any:
        if retrieve is None:
            raise NoSuchResource(ref=uri)  # type: ignore[call-arg]
        document, _ = _searchable(plain(retrieve(uri)))
        return referencing.Resource.from_contents(document, default_specification=specification)

    return referencing.Registry(retrieve=fetch)  # type: ignore[call-arg]


def _foreign(value: Any, path: tuple[str | int, ...]) -> list[Fault]:
    """What a value holds that JSON cannot spell."""
    if len(path) > MAX_VALUE_DEPTH:
        return [Fault(pointer_of(path), f"nested deeper than {MAX_VALUE_DEPTH} levels, or inside itself", "type")]
    if isinstance(value, dict):
        named = [
            Fault(pointer_of(path), f"the key {key!r} is no string", "type") for key in value if type(key) is not str
        ]
        return named + [fault for key, item in value.items() for fault in _foreign(item, (*path, key))]
    if isinstance(value, list):
        return [fault for index, item in enumerate(value) for fault in _foreign(item, (*path, index))]
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        return [Fault(pointer_of(path), f"{value} is no JSON number", "type")]
    if value is None or isinstance(value, str | bool | int | float | Decimal):
        return []
    return [Fault(pointer_of(path), f"{_shown(value)} is a {type(value).__name__}, which JSON does not have", "type")]


def _faults(validator: Any, value: Any, originals: dict[str, str]) -> list[Fault]:
    try:
        errors = list(validator.iter_errors(value))
    except RecursionError as error:
        raise UnsupportedSchemaError(
            "checking does not end: a reference leads back to itself", keyword="$ref"
        ) from error
    errors.sort(key=lambda error: _position(value, error.absolute_path))
    return [Fault(pointer_of(error.absolute_path), _said(error, originals), error.validator) for error in errors]


def _position(value: Any, path: Iterable[str | int]) -> list[int]:
    """Where ``path`` stands in the document: the index of each step among its siblings."""
    position = []
    for token in path:
        position.append(list(value).index(token) if isinstance(value, dict) else int(token))
        value = value[token]
    return position


def _said(error: Any, originals: Mapping[str, str] = MappingProxyType({})) -> str:
    """What ``jsonschema`` says, with the closest branch of a union and without pages of quoted data."""
    import jsonschema

    message = error.message
    if error.validator == "pattern":
        message = (
            f"{_shown(error.instance)} does not match {originals.get(error.validator_value, error.validator_value)!r}"
        )
    deepest = jsonschema.exceptions.best_match([error])
    if deepest is not error:
        message = f"{_cut(message)} (closest: {pointer_of(deepest.absolute_path) or '#'}: {_cut(deepest.message)})"
    return _cut(message, 400)


def _cut(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 2 :]}"


def _shown(value: Any) -> str:
    return _cut(repr(value), 80)


def parse(text: str) -> Any:
    """The value that a JSON text spells.

    Raises: ValidationError saying where it is not JSON; NaN, infinities and numbers beyond a float's range are not.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ValidationError("the text is not JSON", (Fault("", str(error)),)) from error


def _no_constant(spelled: str) -> Any:
    raise ValueError(f"{spelled} is not JSON")


def _finite(spelled: str) -> float:
    number = float(spelled)
    if math.isinf(number):
        raise ValueError(f"the number {_cut(spelled)} is out of range")
    return number


def require(value: Any, faults: list[Fault], name: str) -> Any:
    """``value`` when it has no faults.

    Raises: ValidationError with all of them.
    """
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ValidationError(f"the value does not fit {name}: {count}", tuple(faults))
    return value

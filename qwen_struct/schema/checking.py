"""Values against a JSON Schema: every fault, by ``jsonschema``, which is the authority on values here.

It is given the schema with each pattern in Python's syntax, because it searches with `re` while JSON Schema means
ECMA-262.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from copy import copy
from decimal import Decimal
from typing import Any

from ..errors import Fault, InvalidSchemaError, UnsupportedSchemaError, ValidationError
from .metaschema import plain, validator_class_of
from .patterns import MalformedPattern, UntranslatablePattern, ecma_to_python
from .references import Retrieve
from .said import said, shown
from .walk import pointer_of, subschemas

MAX_DEPTH = 200  # levels of a value: as deep as Pydantic reads and `jsonschema` checks without running out of stack


def checker(schema: Any, retrieve: Retrieve | None = None) -> Callable[[Any], list[Fault]]:
    """A function that lists every fault of a value, for a schema that :func:`~.metaschema.plain` has passed.

    ``retrieve(uri) -> schema`` provides documents that references name; nothing is fetched. Formats are asserted where
    ``jsonschema`` can without further packages: date, email, idn-email, ipv4, ipv6, regex, uuid; more when the packages
    of ``jsonschema[format]`` are installed. Unknown formats say nothing.

    Raises:
        InvalidSchemaError, UnresolvableReferenceError: as :func:`~.metaschema.validator_class_of`.
        UnsupportedSchemaError: an unknown ``$schema``, or a pattern that Python cannot search for.
    """
    validator_class = validator_class_of(schema, retrieve)
    searchable, originals = _searchable(schema)
    validator = validator_class(
        searchable,
        registry=_registry(retrieve, validator_class.META_SCHEMA),
        format_checker=_format_checker(validator_class),
    )
    return lambda value: _foreign(value, ()) or _faults(validator, value, originals)


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


def _format_checker(validator_class: Any) -> Any:
    """The formats that ``jsonschema`` asserts, two of them as the standard reads them and not as Python does."""
    known = copy(validator_class.FORMAT_CHECKER)
    known.checkers = dict(known.checkers)
    for name, check in (("date", _is_date), ("regex", _is_regex)):
        if name in known.checkers:
            known.checkers[name] = (check, ())
    return known


def _is_date(text: object) -> bool:
    """RFC 3339, whose calendar has a year 0000, a leap year."""
    if not isinstance(text, str):
        return True
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        datetime.date.fromisoformat("2000" + text[4:] if text.startswith("0000") else text)
    except ValueError:
        return False
    return True


def _is_regex(text: object) -> bool:
    """ECMA-262, as far as Python can tell."""
    try:
        ecma_to_python(text) if isinstance(text, str) else None
    except MalformedPattern:
        return False
    except UntranslatablePattern:
        return True
    return True


def _foreign(value: Any, path: tuple[str | int, ...]) -> list[Fault]:
    """What a value holds that JSON cannot spell."""
    if len(path) > MAX_DEPTH:
        return [Fault(pointer_of(path), f"nested deeper than {MAX_DEPTH} levels, or inside itself", "type")]
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
    return [Fault(pointer_of(path), f"{shown(value)} is a {type(value).__name__}, which JSON does not have", "type")]


def _faults(validator: Any, value: Any, originals: dict[str, str]) -> list[Fault]:
    try:
        errors = list(validator.iter_errors(value))
    except RecursionError as error:
        raise UnsupportedSchemaError(
            "checking does not end: a reference leads back to itself", keyword="$ref"
        ) from error
    errors.sort(key=lambda error: _position(value, error.absolute_path))
    return [Fault(pointer_of(error.absolute_path), said(error, originals), error.validator) for error in errors]


def _position(value: Any, path: Iterable[str | int]) -> list[int]:
    """Where ``path`` stands in the document: the index of each step among its siblings."""
    position = []
    for token in path:
        position.append(list(value).index(token) if isinstance(value, dict) else int(token))
        value = value[token]
    return position


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
        raise ValueError(f"the number {shown(spelled)} is out of range")
    return number


def require(value: Any, faults: list[Fault], name: str) -> Any:
    """``value`` when it has no faults.

    Raises: ValidationError with all of them.
    """
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ValidationError(f"the value does not fit {name}: {count}", tuple(faults))
    return value

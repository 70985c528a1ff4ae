"""Where the subschemas of a JSON Schema are: the one table of keywords that hold schemas, and walks over it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_ONE = frozenset(
    """additionalItems additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems
    unevaluatedProperties""".split()
)
_LIST = frozenset("allOf anyOf items oneOf prefixItems".split())
_MAP = frozenset("$defs definitions dependencies dependentSchemas patternProperties properties".split())


def escape(token: str | int) -> str:
    """One reference token of a JSON Pointer (RFC 6901)."""
    return str(token).replace("~", "~0").replace("/", "~1")


def pointer_of(path: Sequence[str | int]) -> str:
    """The JSON Pointer of a path; the empty path is the whole document, ``""``."""
    return "".join("/" + escape(token) for token in path)


def subschemas(schema: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """``schema`` and every schema inside it, each with its JSON Pointer, outer ones first.

    What a pass over the result replaces inside a schema it has been given is walked in its new form.
    """
    pending = [(pointer, schema)]
    while pending:
        where, node = pending.pop()
        yield where, node
        if isinstance(node, dict):
            pending.extend(reversed(list(children(node, where))))


def children(node: dict[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    """The schemas one level below ``node``, which stands at the JSON Pointer ``where``."""
    for keyword, value in node.items():
        here = f"{where}/{escape(keyword)}"
        if keyword in _MAP and isinstance(value, dict):
            yield from ((f"{here}/{escape(k)}", v) for k, v in value.items() if isinstance(v, dict | bool))
        elif keyword in _LIST and isinstance(value, list):
            yield from ((f"{here}/{i}", item) for i, item in enumerate(value) if isinstance(item, dict | bool))
        elif keyword in _ONE and isinstance(value, dict | bool):
            yield here, value


def place_of(path: Sequence[str | int]) -> tuple[str, str | None]:
    """The schema that a path into a schema document lies in (as a JSON Pointer) and the keyword it goes through."""
    at, depth = 0, len(path)
    while at < depth:
        keyword = path[at]
        inside = at + 1 < depth
        if keyword in _MAP and at + 2 < depth:
            at += 2
        elif keyword in _LIST and inside and isinstance(path[at + 1], int) and at + 2 < depth:
            at += 2
        elif keyword in _ONE and inside and not isinstance(path[at + 1], int):
            at += 1
        else:
            return pointer_of(path[:at] if not (keyword in _MAP and inside) else path[: at + 2]), str(keyword)
    return pointer_of(path), None

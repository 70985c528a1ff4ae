"""Decimals as they were written: ``12.50`` in the JSON is ``Decimal("12.50")`` in the value.

Pydantic reads a JSON number as a float before it makes a Decimal of it, which drops trailing zeros and everything past
17 digits. A JSON string it takes digit by digit. So where a first reading shows that a number became a Decimal, and
its spelling would be lost, the number is put in quotes and Pydantic reads again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from typing import Any


class _Number(str):
    """The spelling of a JSON number; written back without quotes unless ``quoted``."""

    quoted = False


def quote_decimals(text: str, value: Any) -> str | None:
    """``text`` with the numbers in quotes that are Decimals of another spelling in ``value``; None when there are none.

    ``value`` is what Pydantic made of ``text``.
    """
    document = json.loads(text, parse_float=_Number)
    return _dumps(document) if _mark(document, value) else None


def _mark(document: Any, value: Any) -> bool:
    """Whether something was marked, walking the JSON and what Pydantic made of it side by side."""
    if isinstance(document, _Number):
        document.quoted = isinstance(value, Decimal) and str(value) != str(Decimal(document))
        return document.quoted
    if isinstance(document, list):
        if isinstance(value, set | frozenset):  # unordered, and all of one type
            some = next(iter(value), None)
            return isinstance(some, Decimal) and _any(_mark(item, Decimal("NaN")) for item in document)
        if isinstance(value, Mapping | str | bytes) or not hasattr(value, "__iter__") or not hasattr(value, "__len__"):
            return _mark(document, getattr(value, "root", None)) if hasattr(value, "root") else False
        return len(value) == len(document) and _any(_mark(d, v) for d, v in zip(document, value, strict=True))
    if isinstance(document, dict):
        return _any(_mark(item, _member(value, key)) for key, item in document.items())
    return False


def _any(marked: Iterable[bool]) -> bool:
    """Whether one is true, after all have been computed."""
    return sum(marked) > 0


def _member(value: Any, key: str) -> Any:
    """The part of ``value`` that came from the JSON key ``key``."""
    if isinstance(value, Mapping):
        return value.get(key)
    fields = _fields(type(value))
    for name, field in fields.items():
        if key in _aliases(name, field):
            return getattr(value, name, None)
    if "root" in fields and len(fields) == 1:
        return _member(value.root, key)
    return getattr(value, key, None) if is_dataclass(value) else (getattr(value, "model_extra", None) or {}).get(key)


def _fields(kind: type) -> Mapping[str, Any]:
    found = getattr(kind, "__pydantic_fields__", None)
    return found if isinstance(found, Mapping) else {}


def _aliases(name: str, field: Any) -> list[Any]:
    alias = getattr(field, "validation_alias", None)
    return [name, getattr(field, "alias", None), alias, *getattr(alias, "choices", ())]


def _dumps(document: Any) -> str:
    if isinstance(document, _Number):
        return f'"{document}"' if document.quoted else str(document)
    if isinstance(document, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{_dumps(item)}" for key, item in document.items()) + "}"
    if isinstance(document, list):
        return "[" + ",".join(map(_dumps, document)) + "]"
    return json.dumps(document)

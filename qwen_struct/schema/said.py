"""What ``jsonschema`` says of a value, for people: the closest branch of a union, and no pages of quoted data."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .walk import pointer_of


def said(error: Any, patterns: Mapping[str, str] = MappingProxyType({})) -> str:
    """The message of an error of ``jsonschema``; ``patterns`` has those it searched with -> those of the schema."""
    import jsonschema

    message = error.message
    if error.validator == "pattern":
        message = (
            f"{shown(error.instance)} does not match {patterns.get(error.validator_value, error.validator_value)!r}"
        )
    deepest = jsonschema.exceptions.best_match([error])
    if deepest is not error:
        message = f"{_cut(message)} (closest: {pointer_of(deepest.absolute_path) or '#'}: {_cut(deepest.message)})"
    return _cut(message, 400)


def _cut(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else f"{text[: limit // 2]} ... {text[-limit // 2 :]}"


def shown(value: Any) -> str:
    return _cut(repr(value), 80)

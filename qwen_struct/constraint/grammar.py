"""compile_schema: a schema and a vocabulary make a :class:`Grammar`, frozen and shareable."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from typing import Any

from ..errors import SchemaBudgetError, UnsatisfiableSchemaError
from ..language.documents import Documents, Whitespace
from ..language.positions import Walker
from ..language.values import DEFAULT_FUEL, Values
from ..schema.parse import Use, parse_schema
from .matcher import Matcher
from .vocabulary import Vocabulary

_MAX_GRAMMARS = 1_024  # compiled schemas remembered by a vocabulary


class Grammar:
    """A compiled schema: immutable from outside, shareable between threads.

    ``report`` says what became of each keyword.
    """

    def __init__(self, vocabulary: Vocabulary, walker: Walker, report: tuple[Use, ...]) -> None:
        self.vocabulary = vocabulary
        self.report = report
        self._walker = walker

    def matcher(self) -> Matcher:
        """A new matcher before the first token; one for each output."""
        return Matcher(self.vocabulary, self._walker.start)

    def accepts(self, text: str) -> bool:
        """Whether ``text`` is a document of the grammar, spelled as the grammar spells it."""
        try:
            position = self._walker.follow(text.encode())
        except UnicodeEncodeError:
            return False
        return position is not None and position.accepting


def compile_schema(
    schema: Any,
    vocabulary: Vocabulary,
    *,
    whitespace: str | Whitespace = Whitespace.SPACED,
    key_order: str = "schema",
    assert_formats: bool = True,
    retrieve: Callable[[str], Any] | None = None,
    fuel: int = DEFAULT_FUEL,
) -> Grammar:
    """Compiles a JSON Schema (dict or bool, or whatever :func:`qwen_struct.extract` takes) for a vocabulary.

    ``whitespace``: "spaced" as ``json.dumps`` writes, "compact", or "indented" as with ``indent=2``. ``key_order``:
    "schema", or "any". ``assert_formats``: whether ``format`` is enforced or an annotation. ``retrieve`` returns the
    schema
    for the URI of a remote ``$ref``; nothing is fetched without it. ``fuel`` limits the work of deciding what the
    schema allows.

    Raises:
        InvalidSchemaError, UnsupportedSchemaError, UnresolvableReferenceError: with pointer and keyword.
        UnsatisfiableSchemaError: no value satisfies the schema.
        SchemaBudgetError: the fuel ran out.
    """
    style = Whitespace(whitespace)
    if key_order not in ("schema", "any"):
        raise ValueError(f"key_order is 'schema' or 'any', not {key_order!r}")
    if not isinstance(schema, dict | bool):
        from ..schema.inputs import load_schema

        schema = load_schema(schema).constraint_schema
    key = _cache_key(schema, style, key_order, assert_formats, fuel) if retrieve is None else None
    with vocabulary.lock:
        found = vocabulary.grammars.get(key)
        if found is None:
            found = _compile(schema, vocabulary, style, key_order == "any", assert_formats, retrieve, fuel)
            if key is not None:
                while len(vocabulary.grammars) >= _MAX_GRAMMARS:
                    del vocabulary.grammars[next(iter(vocabulary.grammars))]
                vocabulary.grammars[key] = found
        return found


def _cache_key(schema: Any, *options: Hashable) -> Hashable:
    try:
        return (json.dumps(schema), *options)
    except (TypeError, ValueError, RecursionError):
        return None  # not JSON: the compiler says where


def _compile(
    schema: Any,
    vocabulary: Vocabulary,
    style: Whitespace,
    any_order: bool,
    assert_formats: bool,
    retrieve: Callable[[str], Any] | None,
    fuel: int,
) -> Grammar:
    try:
        parsed = parse_schema(schema, assert_formats=assert_formats, retrieve=retrieve)
        values = Values(parsed.algebra, fuel, any_order)
        values.check_strings(parsed.strings, parsed.key_patterns)
        if not values.inhabited(parsed.root):
            raise UnsatisfiableSchemaError("no value can satisfy the schema; its requirements contradict each other")
        walker = Walker(Documents(values, parsed.root, style))
    except RecursionError as error:
        raise SchemaBudgetError("the schema nests too deeply to be decided; flatten it") from error
    return Grammar(vocabulary, walker, tuple(parsed.uses))


__all__ = ["Grammar", "Use", "compile_schema"]

"""``unevaluatedProperties`` and ``unevaluatedItems``: what no other keyword has looked at.

What has been looked at depends on which of the subschemas applied in place are valid. Each of them is a
:class:`Source`: the condition under which it counts, and what it evaluates. More valid subschemas only evaluate more,
so that each name and position has a formula of its own: one of the sources for it counts, or the value satisfies the
keyword. No annotation is needed while a value is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from ..errors import SchemaBudgetError
from .algebra import (
    FALSE,
    OBJECT,
    TRUE,
    Algebra,
    Expr,
    Item,
    Items,
    KeySet,
    Pattern,
    Properties,
    Property,
    Required,
    StringIn,
    Types,
)

if TYPE_CHECKING:
    from .parse import Here

_MAX_SOURCES = 4_096
_MAX_SPLIT = 8  # conditional sources that are no list of names or positions; each doubles the formula


@dataclass(frozen=True)
class Source:
    """What is evaluated where ``condition`` holds."""

    condition: Expr = TRUE
    names: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()
    all_properties: bool = False
    num_items: int = 0  # from the front
    all_items: bool = False
    contained: Expr = FALSE  # items that satisfy this

    @property
    def evaluated(self) -> tuple:
        return (self.names, self.patterns, self.all_properties, self.num_items, self.all_items, self.contained)


_NOTHING = Source().evaluated


def unevaluated_properties(here: Here, value: Any) -> Expr:
    """The formula of ``unevaluatedProperties``."""
    a = here.parser.algebra
    schema = here.sub(value, "unevaluatedProperties")
    sources = _sources(here, "unevaluatedProperties")
    branches = []
    for condition, counting in _splits(here, sources, lambda source: bool(source.patterns)):
        patterns = frozenset().union(*(source.patterns for source in counting))
        branches.append(a.all([condition, _properties(a, sources, patterns, schema)]))
    return a.any(branches)


def _properties(a: Algebra, sources: list[Source], patterns: frozenset[str], schema: Expr) -> Expr:
    """What is asked of the members whose names match none of ``patterns``."""
    every = [source.condition for source in sources if source.all_properties]
    conditions: dict[str, list[Expr]] = {}
    for source in sources:
        for name in sorted(source.names):
            conditions.setdefault(name, []).append(source.condition)
    alike: dict[tuple[Expr, ...], list[str]] = {}
    for name, counted in conditions.items():
        alike.setdefault(tuple(counted), []).append(name)
    parts = [a.any([*every, *counted, _members(a, names, patterns, schema)]) for counted, names in alike.items()]
    others = a.atom(Properties, KeySet(names=conditions, patterns=patterns, complement=True), schema)
    return a.all([*parts, a.any([*every, others])])


def _members(a: Algebra, names: list[str], patterns: frozenset[str], schema: Expr) -> Expr:
    if not patterns:
        return a.all([a.atom(Property, name, schema) for name in names])
    unmatched = a.all([a.atom(StringIn, tuple(names)), *(a.negate(a.atom(Pattern, p)) for p in sorted(patterns))])
    return a.atom(Properties, KeySet(satisfying=[unmatched]), schema)


def unevaluated_items(here: Here, value: Any) -> Expr:
    """The formula of ``unevaluatedItems``."""
    a = here.parser.algebra
    schema = here.sub(value, "unevaluatedItems")
    sources = _sources(here, "unevaluatedItems")
    branches = []
    for condition, counting in _splits(here, sources, lambda source: source.contained is not FALSE):
        item = a.any([*(source.contained for source in counting), schema])
        branches.append(a.all([condition, _positions(a, sources, item)]))
    return a.any(branches)


def _positions(a: Algebra, sources: list[Source], item: Expr) -> Expr:
    """What is asked of the items, each of which must satisfy ``item`` where no source evaluates its position."""
    every = [source.condition for source in sources if source.all_items]
    parts, start = [], 0
    for end in sorted({source.num_items for source in sources} - {0}):
        counted = [source.condition for source in sources if source.num_items >= end]
        between = a.all([a.atom(Item, index, item) for index in range(start, end)])
        parts.append(a.any([*every, *counted, between]))
        start = end
    return a.all([*parts, a.any([*every, a.atom(Items, start, item)])])


def _splits(here: Here, sources: list[Source], wanted: Callable[[Source], bool]) -> Iterator[tuple[Expr, list[Source]]]:
    """The sets of ``wanted`` sources that may count, each under the condition that they do.

    That the others do not count need not be said: the more sources count, the less is asked.
    """
    always = [source for source in sources if wanted(source) and source.condition is TRUE]
    sometimes = [source for source in sources if wanted(source) and source.condition is not TRUE]
    if len(sometimes) > _MAX_SPLIT:
        message = f"what is evaluated here depends on more than {_MAX_SPLIT} subschemas with patterns; simplify it"
        raise SchemaBudgetError(message, pointer=here.pointer)
    for choice in product((True, False), repeat=len(sometimes)):
        counting = [source for source, counts in zip(sometimes, choice, strict=True) if counts]
        yield here.parser.algebra.all([source.condition for source in counting]), [*always, *counting]


def _sources(here: Here, asking: str | None = None) -> list[Source]:
    """What one schema object evaluates, but for ``asking``, the keyword that wants to know."""
    a = here.parser.algebra
    by_evaluated: dict[tuple, list[Source]] = {}
    for source in [_own(here, asking), *_in_place(here)]:
        if source.evaluated != _NOTHING:
            by_evaluated.setdefault(source.evaluated, []).append(source)
    if len(by_evaluated) > _MAX_SOURCES:
        message = f"what is evaluated here depends on more than {_MAX_SOURCES} subschemas; simplify it"
        raise SchemaBudgetError(message, pointer=here.pointer)
    return [replace(same[0], condition=a.any([s.condition for s in same])) for same in by_evaluated.values()]


def _own(here: Here, asking: str | None) -> Source:
    """What the schema object's own keywords evaluate."""
    schema = here.schema
    source = Source()
    if here.knows("properties"):
        source = replace(source, names=frozenset(schema["properties"]))
    if here.knows("patternProperties"):
        source = replace(source, patterns=frozenset(schema["patternProperties"]))
    if here.knows("additionalProperties") or (
        asking != "unevaluatedProperties" and here.knows("unevaluatedProperties")
    ):
        source = replace(source, all_properties=True)
    tuple_ = isinstance(schema.get("items"), list) and here.scope.dialect.tuple_items
    if here.knows("prefixItems"):
        source = replace(source, num_items=len(schema["prefixItems"]))
    if here.knows("items"):
        source = replace(source, num_items=len(schema["items"])) if tuple_ else replace(source, all_items=True)
    if (tuple_ and here.knows("additionalItems")) or (asking != "unevaluatedItems" and here.knows("unevaluatedItems")):
        source = replace(source, all_items=True)
    if here.knows("contains") and here.scope.dialect.contains_evaluates:
        source = replace(source, contained=here.sub(schema["contains"], "contains"))
    return source


def _in_place(here: Here) -> Iterator[Source]:
    """What the subschemas that apply to the same value evaluate."""
    schema, a = here.schema, here.parser.algebra
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        if here.knows(keyword):
            target, scope = here.parser.target(here, keyword, schema[keyword])
            yield from _of(here.moved(target, scope, keyword))
    if here.knows("allOf"):
        for i, sub in enumerate(schema["allOf"]):
            yield from _of(here.child(sub, "allOf", i))
    for keyword in ("anyOf", "oneOf"):
        if here.knows(keyword):
            for i, sub in enumerate(schema[keyword]):
                yield from _of(here.child(sub, keyword, i), here.sub(sub, keyword, i))
    if here.knows("dependentSchemas"):
        for name, sub in schema["dependentSchemas"].items():
            present = a.all([a.atom(Types, OBJECT), a.atom(Required, name)])
            yield from _of(here.child(sub, "dependentSchemas", name), present)
    if here.knows("if"):
        condition = here.sub(schema["if"], "if")
        yield from _of(here.child(schema["if"], "if"), condition)
        if here.knows("then"):
            yield from _of(here.child(schema["then"], "then"), condition)
        if here.knows("else"):
            yield from _of(here.child(schema["else"], "else"), a.negate(condition))


def _of(child: Here | None, condition: Expr = TRUE) -> Iterator[Source]:
    """What ``child`` evaluates where ``condition`` holds."""
    if child is not None:
        for source in _sources(child):
            yield replace(source, condition=child.parser.algebra.all([condition, source.condition]))

"""``unevaluatedProperties`` and ``unevaluatedItems``: what no other keyword has looked at.

What has been looked at depends on which of the subschemas applied in place are valid. Each combination that makes a
difference is a :class:`Case`: the condition under which it arises, and what is evaluated then. The keyword becomes the
disjunction of its cases, and no annotation is needed while a value is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import SchemaBudgetError
from .algebra import OBJECT, TRUE, Expr, Items, KeySet, Properties, Required, Types

if TYPE_CHECKING:
    from .parse import Here

_MAX_CASES = 4_096


@dataclass(frozen=True)
class Case:
    """What is evaluated when ``condition`` holds."""

    condition: Expr = TRUE
    names: frozenset[str] = frozenset()
    patterns: frozenset[str] = frozenset()
    all_properties: bool = False
    num_items: int = 0  # from the front
    all_items: bool = False
    contained: frozenset[Expr] = frozenset()  # items that satisfy one of these

    @property
    def evaluated(self) -> tuple:
        return (self.names, self.patterns, self.all_properties, self.num_items, self.all_items, self.contained)


def unevaluated_properties(here: Here, value: Any) -> Expr:
    """The formula of ``unevaluatedProperties``."""
    a = here.parser.algebra
    schema = here.sub(value, "unevaluatedProperties")
    branches = []
    for case in _cases(here, "unevaluatedProperties"):
        others = KeySet(names=case.names, patterns=case.patterns, complement=True)
        rest = TRUE if case.all_properties else a.atom(Properties, others, schema)
        branches.append(a.all([case.condition, rest]))
    return a.any(branches)


def unevaluated_items(here: Here, value: Any) -> Expr:
    """The formula of ``unevaluatedItems``."""
    a = here.parser.algebra
    schema = here.sub(value, "unevaluatedItems")
    branches = []
    for case in _cases(here, "unevaluatedItems"):
        item = a.any([*sorted(case.contained, key=id), schema])
        rest = TRUE if case.all_items else a.atom(Items, case.num_items, item)
        branches.append(a.all([case.condition, rest]))
    return a.any(branches)


def _cases(here: Here, asking: str | None = None) -> list[Case]:
    """The cases of one schema object; those of ``asking``, the keyword that wants to know, are left out."""
    found = [_own(here, asking)]
    for options in _in_place(here):
        found = _merged(here, [_both(here, left, right) for left in found for right in options])
    return found


def _own(here: Here, asking: str | None) -> Case:
    """What the schema object's own keywords evaluate."""
    schema = here.schema
    case = Case()
    if here.knows("properties"):
        case = replace(case, names=frozenset(schema["properties"]))
    if here.knows("patternProperties"):
        case = replace(case, patterns=frozenset(schema["patternProperties"]))
    if here.knows("additionalProperties") or (
        asking != "unevaluatedProperties" and here.knows("unevaluatedProperties")
    ):
        case = replace(case, all_properties=True)
    tuple_ = isinstance(schema.get("items"), list) and here.scope.dialect.tuple_items
    if here.knows("prefixItems"):
        case = replace(case, num_items=len(schema["prefixItems"]))
    if here.knows("items"):
        case = replace(case, num_items=len(schema["items"])) if tuple_ else replace(case, all_items=True)
    if (tuple_ and here.knows("additionalItems")) or (asking != "unevaluatedItems" and here.knows("unevaluatedItems")):
        case = replace(case, all_items=True)
    if here.knows("contains") and here.scope.dialect.contains_evaluates:
        case = replace(case, contained=frozenset([here.sub(schema["contains"], "contains")]))
    return case


def _in_place(here: Here) -> list[list[Case]]:
    """For each subschema that applies to the same value, the cases that it may contribute."""
    schema, a = here.schema, here.parser.algebra
    found: list[list[Case]] = []
    for keyword in ("$ref", "$dynamicRef", "$recursiveRef"):
        if here.knows(keyword):
            target, scope = here.parser.target(here, keyword, schema[keyword])
            found.append(_of(here.moved(target, scope, keyword)))
    if here.knows("allOf"):
        found += [_of(here.child(sub, "allOf", i)) for i, sub in enumerate(schema["allOf"])]
    for keyword in ("anyOf", "oneOf"):
        if here.knows(keyword):
            for i, sub in enumerate(schema[keyword]):
                found.append(_if_valid(here, here.sub(sub, keyword, i), _of(here.child(sub, keyword, i))))
    if here.knows("dependentSchemas"):
        for name, sub in schema["dependentSchemas"].items():
            present = a.all([a.atom(Types, OBJECT), a.atom(Required, name)])
            found.append(_if_valid(here, present, _of(here.child(sub, "dependentSchemas", name))))
    if here.knows("if"):
        found.append(_conditional(here))
    return [options for options in found if any(case.evaluated != Case().evaluated for case in options)]


def _of(child: Here | None) -> list[Case]:
    return [Case()] if child is None else _cases(child)


def _if_valid(here: Here, formula: Expr, cases: list[Case]) -> list[Case]:
    """The ``cases`` under ``formula``, and nothing evaluated without it."""
    a = here.parser.algebra
    if all(case.evaluated == Case().evaluated for case in cases):
        return [Case()]
    valid = [replace(case, condition=a.all([formula, case.condition])) for case in cases]
    return [Case(a.negate(formula)), *valid]


def _conditional(here: Here) -> list[Case]:
    schema, a = here.schema, here.parser.algebra
    condition = here.sub(schema["if"], "if")
    then = _of(here.child(schema["then"], "then")) if here.knows("then") else [Case()]
    otherwise = _of(here.child(schema["else"], "else")) if here.knows("else") else [Case()]
    met = [_both(here, left, right) for left in _of(here.child(schema["if"], "if")) for right in then]
    met = [replace(case, condition=a.all([condition, case.condition])) for case in met]
    unmet = [replace(case, condition=a.all([a.negate(condition), case.condition])) for case in otherwise]
    return [*met, *unmet]


def _both(here: Here, left: Case, right: Case) -> Case:
    return Case(
        here.parser.algebra.all([left.condition, right.condition]),
        left.names | right.names,
        left.patterns | right.patterns,
        left.all_properties or right.all_properties,
        max(left.num_items, right.num_items),
        left.all_items or right.all_items,
        left.contained | right.contained,
    )


def _merged(here: Here, cases: list[Case]) -> list[Case]:
    """``cases`` with those that evaluate the same made one."""
    by_evaluated: dict[tuple, list[Case]] = {}
    for case in cases:
        by_evaluated.setdefault(case.evaluated, []).append(case)
    if len(by_evaluated) > _MAX_CASES:
        message = f"what is evaluated here depends on more than {_MAX_CASES} combinations of subschemas; simplify it"
        raise SchemaBudgetError(message, pointer=here.pointer)
    a = here.parser.algebra
    return [replace(same[0], condition=a.any([case.condition for case in same])) for same in by_evaluated.values()]

"""Formulas of which it is plain to see that some value satisfies them, so that nobody need look for one."""

from __future__ import annotations

from ..schema.algebra import (
    ANY_TYPE,
    ARRAY,
    NUMBER,
    OBJECT,
    STRING,
    TRUE,
    TYPES,
    And,
    Contains,
    Expr,
    Integer,
    Item,
    Items,
    Length,
    NumItems,
    NumProperties,
    Or,
    Properties,
    Property,
    Ref,
    Required,
    StringIn,
    Types,
    Unique,
    type_of,
)
from .terms import has_surrogate

_OF_EMPTY = frozenset((Item, Items, Unique))  # what holds of the empty array
_OF_EMPTY_FROM = frozenset((NumItems, Contains))  # the same where none must come
_OF_SOME = frozenset((Length, Integer))  # what holds of some value where nothing else is asked


def surely_inhabited(formula: Expr) -> bool:
    """Whether it is plain to see that some value satisfies ``formula``. False says nothing."""
    known: bool | None = formula.memo.get("sure")
    if known is None:
        formula.memo["sure"] = False  # for a formula that contains itself
        known = formula.memo["sure"] = _find(formula)
    return known


def _find(formula: Expr) -> bool:
    if formula is TRUE:
        return True
    if type(formula) is Ref:
        return formula.target is not None and surely_inhabited(formula.target)
    if type(formula) is Or:
        return any(surely_inhabited(part) for part in formula.parts)
    parts = formula.parts if type(formula) is And else (formula,)
    mask, asked = ANY_TYPE, dict[int, list[Expr]]()
    for part in parts:
        if type(part) is Types:
            mask &= part.mask
        elif type_of(part):
            asked.setdefault(type_of(part), []).append(part)
        else:  # a choice or a negation, which may speak of any type
            return False
    return any(kind & mask and (kind not in asked or _holds_of_some(kind, asked[kind])) for kind in TYPES)


def _holds_of_some(kind: int, atoms: list[Expr]) -> bool:
    """Whether ``atoms`` hold of a value of the type ``kind``, of which they speak."""
    if kind == ARRAY:
        return all(type(atom) in _OF_EMPTY or (type(atom) in _OF_EMPTY_FROM and _low(atom) == 0) for atom in atoms)
    if kind == OBJECT:
        return _holds_of_the_least(atoms)
    assert kind == STRING or kind == NUMBER, kind
    if len(atoms) > 1:
        return False
    if type(atoms[0]) is StringIn:
        return any(word.isascii() for word in atoms[0].words)
    return type(atoms[0]) in _OF_SOME


def _low(atom: Expr) -> int:
    assert isinstance(atom, NumItems | Contains)
    return atom.low


def _holds_of_the_least(atoms: list[Expr]) -> bool:
    """Whether ``atoms`` hold of some object with the members that they require and no others."""
    required = dict.fromkeys([atom.name for atom in atoms if type(atom) is Required])
    asked: dict[str, list[Expr]] = {}
    for atom in atoms:
        if type(atom) is Property:
            if atom.name in required:
                asked.setdefault(atom.name, []).append(atom.value)
        elif type(atom) is Properties:
            keys = atom.names
            if required and (keys.patterns or keys.satisfying):
                return False
            for name in required:
                if (name in keys.names) != keys.complement:
                    asked.setdefault(name, []).append(atom.value)
        elif type(atom) is NumProperties:
            if not atom.low <= len(required) <= (len(required) if atom.high is None else atom.high):
                return False
        elif type(atom) is not Required:
            return False
    if any(map(has_surrogate, required)):
        return False
    wanted = [[value for value in values if value is not TRUE] for values in asked.values()]
    return all(len(values) < 2 and all(map(surely_inhabited, values)) for values in wanted)

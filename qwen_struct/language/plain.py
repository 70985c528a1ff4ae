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
    StringIn,
    Types,
    Unique,
    type_of,
)

_OF_EMPTY = frozenset((Item, Items, Unique, Property, Properties))  # what holds of the empty array, the empty object
_OF_EMPTY_FROM = frozenset((NumItems, NumProperties, Contains))  # the same where none must come
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
    if kind == ARRAY or kind == OBJECT:
        return all(type(atom) in _OF_EMPTY or (type(atom) in _OF_EMPTY_FROM and _low(atom) == 0) for atom in atoms)
    assert kind == STRING or kind == NUMBER, kind
    if len(atoms) > 1:
        return False
    if type(atoms[0]) is StringIn:
        return any(word.isascii() for word in atoms[0].words)
    return type(atoms[0]) in _OF_SOME


def _low(atom: Expr) -> int:
    assert isinstance(atom, NumItems | NumProperties | Contains)
    return atom.low

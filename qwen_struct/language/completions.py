"""Whether some object goes on from a state to its end.

The order in which members come decides nothing here, so that the search may settle the names in an order of its own:
only those that an open question depends on, the decisive ones first. Members that nothing asks about are counted, not
tried. What is left of the question is the key under which the answer is remembered.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..schema.algebra import FALSE, And, Expr, Not, Or, Required
from .members import ObjectSpec, UndeclaredNames, indices_of
from .outcomes import branches, size
from .terms import Term, complement, intersect, literals

if TYPE_CHECKING:
    from .values import Values


class Open(NamedTuple):
    """An object some of whose members are settled.

    ``names``: declared names that may still come, as bits. ``need`` and ``room``: how many members must and how many
    may come (None: any number). ``rest``: what is left of the formula. ``seen``: undeclared names used up.
    """

    spec: ObjectSpec
    names: int
    need: int
    room: int | None
    rest: Expr
    seen: frozenset[str]


def completable(at: Open) -> bool:
    """Whether members can be added so that ``at`` becomes an object of its spec.

    The values that the spec requires of members must be known to exist, see :meth:`ObjectSpec.required_inhabited`.
    """
    key = _essence(at)
    if key is None:
        return False
    if not key.names and key.need == 0 and at.spec.depends_on(key.rest) == 0:
        return at.spec.holds_at_end(key.rest)
    return at.spec.values.decide(key, lambda: _search(key))


def _essence(at: Open) -> Open | None:
    """The same question without the names that nothing asks about; None when the answer is no."""
    spec, names, need, room, rest, seen = at
    if rest is FALSE or (room is not None and need > room):
        return None
    relevant = spec.depends_on(rest)
    idle = names & ~relevant
    num_required = (idle & spec.required_mask).bit_count()
    if room is not None:
        room -= num_required
        if room < 0:
            return None
    need = max(need - num_required, 0)
    if need:
        inhabited = spec.values.inhabited
        for i in indices_of(idle & ~spec.required_mask):
            need -= inhabited(spec.value(i))
            if not need:
                break
    if not need and not relevant & spec.others:
        seen = frozenset()
    return Open(spec, names & relevant, need, room, rest, seen)


def _search(at: Open) -> bool:
    parts = choice(at.spec.values, at.rest)
    if parts is None:
        return _settle(at)
    at.spec.values.spend(1 + len(parts) // 8)
    return any(completable(at._replace(rest=part)) for part in parts)


def choice(values: Values, rest: Expr) -> list[Expr] | None:
    """The formulas of which one must hold, where ``rest`` is such a choice."""
    if type(rest) is Or:
        return list(rest.parts)
    if type(rest) is Not and type(rest.part) is And:
        return [values.algebra.negate(part) for part in rest.part.parts]
    return None


def _settle(at: Open) -> bool:
    """The answer by settling name after name."""
    spec, names, need, room, rest, seen = at
    values = spec.values
    while names:
        if _ends(spec, names, need, rest):
            return True
        values.spend(size(rest))
        i = _decisive(spec, names, rest)
        bit = 1 << i
        without = FALSE if bit & spec.required_mask else spec.without(rest, bit)
        if room != 0:
            asked = spec.after_declared(rest, i, 0)
            for _, left in branches(values, asked, spec.value(i)):
                if left is without and not need:
                    continue  # as well without it
                if completable(Open(spec, names & ~bit, max(need - 1, 0), _less(room), left, seen)):
                    return True
        essence = _essence(Open(spec, names & ~bit, need, room, without, seen))
        if essence is None:
            return False
        _, names, need, room, rest, seen = essence
    return _ends(spec, names, need, rest) or _search_undeclared(Open(spec, 0, need, room, rest, seen))


def _ends(spec: ObjectSpec, names: int, need: int, rest: Expr) -> bool:
    return need == 0 and not names & spec.required_mask and spec.holds_at_end(rest)


def _less(room: int | None) -> int | None:
    return None if room is None else room - 1


def _decisive(spec: ObjectSpec, names: int, rest: Expr) -> int:
    """A name whose presence settles much: one that must come, or one of the smallest part of ``rest``."""
    parts = rest.parts if type(rest) is And else (rest,)
    must = names & spec.required_mask
    for part in parts:
        if type(part) is Required:
            must |= 1 << spec.index[part.name]
    if must:
        return _lowest(must)
    return _lowest(min((m for p in parts if (m := spec.depends_on(p) & names)), key=int.bit_count))


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


def _search_undeclared(at: Open) -> bool:
    """The answer where only names that are not declared are left."""
    if at.room == 0:
        return False
    for names in at.spec.undeclared:
        at.spec.values.spend(1 + len(at.seen) // 8)
        term = unseen(names, at.seen)
        if at.spec.values.empty(term):
            continue
        listed = at.spec.values.words(term, at.need + at.spec.most_draws(at.rest))  # None: more than can be drawn
        after = at.spec.after_undeclared(at.rest, names.keys, 0)
        if after is not at.rest:
            if any(completable(following) for following in _draws(at, names, after, listed)):
                return True
        elif at.need and at.spec.values.inhabited(names.value):  # nothing asks about them: they only count
            need = 0 if listed is None else max(at.need - len(listed), 0)
            return completable(at._replace(need=need, seen=at.seen.union(listed or ())))
    return False


def _draws(at: Open, names: UndeclaredNames, after: Expr, listed: list[str] | None) -> Iterator[Open]:
    """What may be left once a member with one of ``names`` has come."""
    seen = at.seen if listed is None else at.seen | {listed[0]}
    for _, rest in branches(at.spec.values, after, names.value):
        if rest is at.rest and listed is None:
            if at.need:
                yield at._replace(need=0)  # as many as are needed can come
        elif rest is not at.rest or at.need:  # one that changes nothing is of no use
            yield Open(at.spec, 0, max(at.need - 1, 0), _less(at.room), rest, seen)


def unseen(names: UndeclaredNames, seen: frozenset[str]) -> Term:
    """The names of a class without those in ``seen``."""
    return intersect(names.names, complement(literals(seen))) if seen else names.names

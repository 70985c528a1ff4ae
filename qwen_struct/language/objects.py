"""Objects: which member may come next, what its value must satisfy, and whether the object may end.

A formula about objects is cut into cases (:mod:`.cases`), each an :class:`.members.ObjectSpec`; the formulas in it are
resolved member by member (:mod:`.outcomes`). Declared names come in the schema's order, then names that only patterns
or additionalProperties speak of; with ``any_order`` all of them come as they like.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from ..schema.algebra import TRUE, And, Expr
from .cases import cases
from .completions import Open, choice, completable, unseen
from .members import ObjectSpec, indices_of
from .outcomes import NUMBERS, branches, outcomes
from .terms import Term

if TYPE_CHECKING:
    from .values import Values

_NONE: frozenset[str] = frozenset()
_MAX_TRIED = 16  # branches of a choice that are tried for a support, see ObjectState
_MAX_ASKED = 64  # members of which it is asked at once whether they are possible
Successor = tuple[Expr, "ObjectState"]  # (what the member's value must satisfy, the state after it)


class ObjectState:
    """Between two members. Interned per :class:`.Values`, so that identity is equality.

    ``closed`` has the declared names that cannot come any more, as bits: those read and those that the order passed.
    ``need`` and ``room`` are how many members must and how many may still come (``room`` None: any number), ``rest``
    is what is left of the formula, and ``seen`` has the undeclared names so far.
    """

    __slots__ = ("_can", "_cannot", "_memo", "closed", "following", "need", "number", "rest", "room", "seen", "spec")

    def __init__(
        self, spec: ObjectSpec, closed: int, need: int, room: int | None, rest: Expr, seen: frozenset[str]
    ) -> None:
        self.spec = spec
        self.number = next(NUMBERS)
        self.closed, self.need, self.room, self.rest, self.seen = closed, need, room, rest, seen
        self.following = self._following()  # declared names that the order lets come next, as bits
        self._memo: dict[Hashable, object] | None = None  # made when there is something to remember
        self._can: int | None = None
        self._cannot = 0  # declared members that were found not to be possible, as bits

    @property
    def values(self) -> Values:
        """What is known about the schema."""
        return self.spec.values

    @property
    def _known(self) -> dict[Hashable, object]:
        memo = self._memo
        if memo is None:
            memo = self._memo = {}
        return memo

    def _following(self) -> int:
        if self.room == 0:
            return 0
        names = self.spec.all_names & ~self.closed
        must = self._required_left()
        return names if self.values.any_order or not must else names & (((must & -must) << 1) - 1)

    def _required_left(self) -> int:
        return self.spec.required_mask & ~self.closed

    def _declared_first(self) -> bool:
        """Whether the order wants a declared member before those that are not."""
        return not self.values.any_order and self._required_left() != 0

    # What may come. ---------------------------------------------------------------------------------------------

    def closable(self) -> bool:
        """Whether the object may end here."""
        if self.need or self._required_left():
            return False
        return self.rest is TRUE or self.spec.holds_at_end(self.rest)

    def candidates(self) -> Iterator[int]:
        """The declared members that can come next."""
        return (i for i in indices_of(self.following) if self.possible(i))

    def _is_plain(self) -> bool:
        """Whether nothing is asked of the members but what each is worth by itself."""
        return self.need == 0 and self.room is None and not self.spec.depends_on(self.rest)

    @property
    def known_possible(self) -> int:
        """Declared members known to be possible next, as bits: all where nothing asks for more than their values."""
        can = self._can
        if can is None:
            can = self._can = self.following & self.spec.inhabited_names if self._is_plain() else 0
        return can

    def possible(self, i: int) -> bool:
        """Whether the declared member ``i`` can come next."""
        bit = 1 << i
        if not self.following & bit or self._cannot & bit:
            return False
        if self.known_possible & bit:
            return True
        can, firm = self.values.firmly(
            lambda: self.values.viable((self, i), lambda: self._can_follow(self._declared_member(i)))
        )
        if firm and can:
            self._can = self.known_possible | bit
        elif firm:
            self._cannot |= bit
        return can

    def possible_among(self, bits: int) -> bool:
        """Whether one of the declared members ``bits`` can come next."""
        bits &= self.following & ~self._cannot
        if bits & self.known_possible:
            return True
        return any(self.possible(i) for i in indices_of(bits))

    def possible_of(self, bits: int) -> int | None:
        """Those of the declared members ``bits`` that can come next; None where that asks too many questions."""
        bits &= self.following & ~self._cannot
        known = bits & self.known_possible
        if known == bits:
            return known
        if (bits ^ known).bit_count() > _MAX_ASKED:
            return None
        for i in indices_of(bits ^ known):
            known |= self.possible(i) << i
        return known

    def declared(self, i: int) -> list[Successor]:
        """The alternatives for the declared member ``i``; none when it cannot come."""
        if not self.following >> i & 1:
            return []
        if self.known_possible >> i & 1 and self._is_plain():
            return [(self.spec.value(i), object_state(self.spec, self._closed_by(i), 0, None, self.rest, self.seen))]
        return self._alternatives(self._declared_member(i))

    def undeclared(self) -> list[tuple[int, Term]]:
        """The classes of undeclared names that can come next, as (class, its names without those seen)."""
        if self.room == 0 or self._declared_first():
            return []
        if self._surely_undeclared():
            return [(c, unseen(names, self.seen)) for c, names in enumerate(self.spec.undeclared)]
        return self.values.gather(self._undeclared, needed=False)

    def _undeclared(self) -> list[tuple[int, Term]]:
        found = [(c, unseen(names, self.seen)) for c, names in enumerate(self.spec.undeclared)]
        return [(c, term) for c, term in found if self.values.viable((self, term), lambda: self._possible_of(c, term))]  # noqa: B023 (asked at once)

    def _possible_of(self, c: int, term: Term) -> bool:
        """Whether a name of class ``c``, of which ``term`` has not been seen, can come next."""
        if self.values.empty(term):
            return False
        listed = self.values.words(term, self.need + self.spec.most_draws(self.rest))
        return self._can_follow(self._undeclared_member(c, None if listed is None else listed[0]))

    def goes_on(self) -> bool:
        """Whether a member can come next. One can, if the object may not end here."""
        if self.known_possible or (self._surely_undeclared() and self.spec.undeclared):
            return True
        ways = self.values.gather(lambda: islice(chain(self.candidates(), self.undeclared()), 1), not self.closable())
        return bool(ways)

    def _surely_undeclared(self) -> bool:
        """Whether it is plain to see that an undeclared name of each class can come next."""
        if not self._is_plain() or self._declared_first():
            return False
        return self.spec.undeclared_come

    def undeclared_next(self, c: int, name: str | None) -> list[Successor]:
        """The alternatives after an undeclared name of class ``c``; it is remembered as seen unless None."""
        if self._is_plain() and not self._declared_first():
            value = self.spec.undeclared[c].value
            if not self.values.viable(value, lambda: self.values.inhabited(value)):
                return []
            member = self._undeclared_member(c, name)
            return [(value, object_state(self.spec, member.closed, 0, None, self.rest, member.seen))]
        return self._alternatives(self._undeclared_member(c, name))

    # What a member leads to. ------------------------------------------------------------------------------------

    def _closed_by(self, i: int) -> int:
        """What is closed after the declared member ``i``."""
        return self.closed | (1 << i if self.values.any_order else (2 << i) - 1)

    def _declared_member(self, i: int) -> _Member:
        return _Member(i, None, self.spec.value(i), self._closed_by(i), self.seen)

    def _undeclared_member(self, c: int, name: str | None) -> _Member:
        closed = self.closed if self.values.any_order else self.spec.all_names
        seen = self.seen if name is None else self.seen | {name}
        return _Member(None, c, self.spec.undeclared[c].value, closed, seen)

    def _can_follow(self, member: _Member) -> bool:
        """Whether the object can go on with ``member`` to its end."""
        if self._asks_nothing(member):
            return self.values.inhabited(member.value)
        key = ("can follow", member)
        known = self._known.get(key)
        if known is None:
            rests = branches(self.values, self._after(member), member.value)
            known, firm = self.values.firmly(lambda: any(self._open(member, rest) for _, rest in rests))
            if firm:
                self._known[key] = known
        assert isinstance(known, bool)
        return known

    def _asks_nothing(self, member: _Member) -> bool:
        """Whether the object can go on to its end with ``member`` as well as without, as far as is plain to see."""
        spec = self.spec
        touched = member.closed & ~self.closed | (spec.others if member.i is None else 0)
        if self.room is not None or self.need:
            return False
        if not spec.depends_on(self.rest) & touched:
            return True
        return any(not spec.depends_on(support) & touched for support in self._supports())

    def _supports(self) -> list[Expr]:
        """Formulas that imply what is left and can be met: at most two, about different names if possible."""
        known = self._known.get("supports")
        if known is None:
            known, firm = self.values.firmly(self._find_supports)
            if firm:
                self._known["supports"] = known
        assert isinstance(known, list)
        return known

    def _find_supports(self) -> list[Expr]:
        first = self._support(0)
        if first is None:
            return []
        second = self._support(self.spec.depends_on(first))
        return [first] if second is None else [first, second]

    def _support(self, avoid: int) -> Expr | None:
        """What is left, with one branch taken of each choice in it; of names not in ``avoid`` where there are such."""
        spec, chosen = self.spec, []
        for part in self.rest.parts if type(self.rest) is And else (self.rest,):
            ways = sorted(choice(self.values, part) or [part], key=lambda way: bool(spec.depends_on(way) & avoid))
            taken = next((way for way in ways[:_MAX_TRIED] if self._completes(way)), None)
            if taken is None:
                return None
            chosen.append(taken)
        support = self.values.algebra.all(chosen)
        return support if self._completes(support) else None

    def _completes(self, rest: Expr) -> bool:
        names = self.spec.all_names & ~self.closed
        return completable(Open(self.spec, names, self.need, self.room, rest, self.seen))

    def _alternatives(self, member: _Member) -> list[Successor]:
        known = self._known.get(member)
        if known is None:
            known, firm = self.values.firmly(lambda: self.values.gather(lambda: self._successors(member)))
            if firm:
                self._known[member] = known
        assert isinstance(known, list)
        return known

    def _successors(self, member: _Member) -> Iterator[Successor]:
        for condition, rest in outcomes(self.values, self._after(member), member.value):
            if self.values.viable((self, member, rest), lambda: self._open(member, rest)):  # noqa: B023 (asked at once)
                need, room = max(self.need - 1, 0), None if self.room is None else self.room - 1
                yield condition, object_state(self.spec, member.closed, need, room, rest, member.seen)

    def _after(self, member: _Member) -> Expr:
        """What is left of the formula, with open questions about the member's value."""
        absent = member.closed & ~self.closed
        if member.i is not None:
            return self.spec.after_declared(self.rest, member.i, absent & ~(1 << member.i))
        assert member.c is not None
        return self.spec.after_undeclared(self.rest, self.spec.undeclared[member.c].keys, absent)

    def _open(self, member: _Member, rest: Expr) -> bool:
        need, room = max(self.need - 1, 0), None if self.room is None else self.room - 1
        return completable(Open(self.spec, self.spec.all_names & ~member.closed, need, room, rest, member.seen))

    def inhabited(self) -> bool:
        """Whether some object goes on from here to its end."""
        return self.spec.required_inhabited() and self._completes(self.rest)


class _Member(NamedTuple):
    """Declared member ``i`` or one of the undeclared names of class ``c``, and what is closed and seen after it."""

    i: int | None
    c: int | None
    value: Expr
    closed: int
    seen: frozenset[str]


def object_state(
    spec: ObjectSpec, closed: int, need: int, room: int | None, rest: Expr, seen: frozenset[str]
) -> ObjectState:
    """The one state of ``spec`` with these attributes."""
    key = (closed, need, room, id(rest), seen) if seen else (closed, need, room, id(rest))
    state = spec.states.get(key)
    if state is None:
        state = spec.states.setdefault(key, ObjectState(spec, closed, need, room, rest, seen))
        spec.values.num_object_states += 1
    return state


def object_states(values: Values, formula: Expr) -> list[ObjectState]:
    """The states before the first member: one for each case of ``formula``, which speaks about objects only."""
    key = ("objects", id(formula))
    found = values.interned.get(key)
    if found is None:
        specs = [ObjectSpec(values, parts) for parts in cases(values, formula)]
        found = [object_state(s, 0, s.low, s.high, s.rest, _NONE) for s in specs]
        values.interned[key] = found
    assert isinstance(found, list)
    return found

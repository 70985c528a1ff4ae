"""Short ways to the end of a document: at each point, the few continuations that can be part of a shortest one.

Together they are a graph without circles, small enough to be searched as a whole: its nodes are continuations, its
edges pieces of text. Which way is shortest in tokens is decided above, in :mod:`..constraint.budget`. What depends on
the text read so far is not in the graph: it is cut where a name or item ends that must not come again, see
:class:`.continuations.Continuation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .arrays import ArrayState
from .completions import unseen
from .continuations import (
    AfterItem,
    ArrayRest,
    Continuation,
    Declared,
    MemberName,
    Nothing,
    ObjectRest,
    Undeclared,
    Value,
)
from .documents import Documents
from .lexemes import Lexeme, Literal, Number
from .members import ObjectSpec, indices_of
from .names import Name
from .objects import ObjectState, object_state
from .sizes import FAR, Sizes, Step, all_alike, is_plain, long_run, parts, required_left, state_of
from .texts import spelled
from .unique import find_unique, seen_before

Way = tuple[bytes, Continuation]  # a piece of text, and what comes after it

_MAX_NAMES = 4  # names that are compared where the text has begun one
_MAX_TRIED = 64
_MAX_SPARE = 64  # items or members that are still to come


class Far(NamedTuple):
    """Pieces of text that must come, too many to be written out now, and what comes after them.

    ``pieces``: each with how many times it comes; ``first``: the first of them, and what comes after it.
    """

    pieces: list[tuple[bytes, int]]
    after: Continuation
    first: Way


class Spare(NamedTuple):
    """What comes after a name or item that is not known: as after another one, or with ``more`` in place of a piece of
    it that the name or item has taken. ``node`` is a continuation, or a text with the place in it and what comes after.
    """

    node: Continuation | tuple[bytes, int, Continuation]
    more: bytes


class Shortest:
    """The short ways of one schema's documents. See :class:`.Sizes` for ``measure`` and ``words``.

    ``complete`` writes a shortest text from a continuation to the end of the document.
    """

    def __init__(
        self,
        documents: Documents,
        measure: Callable[[bytes], int],
        words: Callable[[Lexeme], tuple[bytes, ...]],
        complete: Callable[[Continuation], bytes],
    ) -> None:
        self._documents, self._words, self._complete = documents, words, complete
        self._sizes = Sizes(documents, measure, words, lambda formula: self._value_text(formula, 0))
        self._ways: dict[Continuation, tuple[Way, ...]] = {}
        self._ends: dict[int, Continuation] = {0: documents.done}  # by depth
        self._texts: dict[tuple[int, int, int], bytes] = {}  # of members, by their objects, numbers and depths
        self._build: dict[type[Continuation], Callable[[Any], Iterable[Way]]] = {
            Value: self._value,
            ArrayRest: self._items,
            AfterItem: self._next_item,
            ObjectRest: self._members,
            MemberName: self._name,
            Declared: self._declared,
            Undeclared: self._undeclared,
        }

    def ways(self, continuation: Continuation) -> tuple[Way, ...]:
        """What may come next; nothing where that depends on the text read. Raises: SchemaBudgetError."""
        found = self._ways.get(continuation)
        if found is None:
            found = self._ways[continuation] = tuple(dict.fromkeys(self._find(continuation)))
        return found

    def _find(self, continuation: Continuation) -> Iterator[Way]:
        for part in parts(continuation):
            build = self._build.get(type(part))
            if build is not None:
                yield from build(part)
            else:
                for lexeme, after in part.open():
                    yield from self.ways_from(lexeme, after)

    def ways_from(self, lexeme: Lexeme, after: Continuation) -> Iterator[Way]:
        """How ``lexeme`` may go on to its end, the piece of text being empty where it is there."""
        if type(lexeme) is Literal:
            yield lexeme.text, after
        elif type(lexeme) is Name:
            yield from self._declared_names(lexeme, after)
        elif type(lexeme) is Number:
            for word in self._words(lexeme):
                yield word, after
        else:
            for word in self._words(lexeme):
                yield word + b'"', after

    # Values. ----------------------------------------------------------------------------------------------------

    def _value_text(self, formula: object, depth: int) -> bytes:
        return self._complete(self._documents.value(formula, self._end(depth), depth))  # type: ignore[arg-type]

    def _end(self, depth: int) -> Continuation:
        """The end of a text that is a value ``depth`` levels down."""
        if depth not in self._ends:
            self._ends[depth] = Nothing(self._documents)
        return self._ends[depth]

    def is_end(self, continuation: Continuation) -> bool:
        """Whether nothing comes any more."""
        return continuation in self._ends.values()

    def _value(self, here: Value) -> Iterator[Way]:
        formula, after, depth = here.formula, here.after, here.depth
        if after.captures is not None:
            text = self._value_text(formula, depth)
            yield text, after.captures(text)
            return
        nested: list[tuple[int, Literal, Continuation]] = []
        found = False
        for lexeme, inside in here.open():
            if type(lexeme) is not Literal or lexeme.text not in (b"[", b"{"):
                found = True
                yield from self.ways_from(lexeme, inside)
                continue
            for part in parts(inside):
                if state_of(part).closable():
                    found = True
                    yield lexeme.text, part
                else:
                    nested.append((1 + self._sizes.likely(state_of(part)), lexeme, part))
        if nested:
            size, lexeme, part = min(nested, key=lambda entry: entry[0])
            if not found or size <= self._sizes.value(formula):
                yield lexeme.text, part

    # Arrays. ----------------------------------------------------------------------------------------------------

    def _items(self, here: ArrayRest) -> Iterator[Way]:
        documents, state = self._documents, here.state
        after, depth, first = here.after, here.depth, here.is_first
        if state.closable():
            yield documents.closing(b"]", depth, first).text, after
            return
        step = self._sizes.step(state)
        value = self._item(state, step, after, depth)
        separator = documents.separator(depth, first)
        if separator:
            yield separator, value
        else:
            yield from self.ways(value)

    def _item(self, state, step: Step, after: Continuation, depth: int) -> Continuation:  # type: ignore[no-untyped-def]
        for value, following in state.next_items():
            if value is step.value and (following is step.after or following.remembers):
                return self._documents.value(value, self._documents.after_item(following, after, depth), depth)
        raise AssertionError(state)

    def _next_item(self, here: AfterItem) -> Iterator[Way]:
        """After an item whose text matters: the array may end whatever it is, or it is not known here."""
        if here.state.closable():
            yield from self.ways(self._documents.items(here.state, here.after, here.depth))

    # Objects. ---------------------------------------------------------------------------------------------------

    def _members(self, here: ObjectRest) -> Iterator[Way]:
        documents, depth = self._documents, here.depth
        if here.state.closable():
            yield documents.closing(b"}", depth, here.is_first).text, here.after
        else:
            name, following = self._member(here.state, here.after, depth)
            yield documents.separator(depth, here.is_first) + b'"' + name, following

    def _name(self, here: MemberName) -> Iterator[Way]:
        if here.state.closable():  # a member has begun that need not have come
            yield from self._any_member(here.state, here.after, here.depth)
        else:
            yield self._member(here.state, here.after, here.depth)

    def _member(self, state: ObjectState, after: Continuation, depth: int) -> Way:
        step, documents = self._sizes.step(state), self._documents
        if step.declared is not None:
            name = state.spec.names[step.declared]
            return spelled(name) + b'"', documents.declared_member(state, step.declared, after, depth)
        assert step.group is not None and step.name is not None
        return spelled(step.name) + b'"', documents.undeclared_member(state, step.group, step.name, after, depth)

    def _any_member(self, state: ObjectState, after: Continuation, depth: int) -> Iterator[Way]:
        documents = self._documents
        for i in self._best(state, indices_of(state.following)):
            yield spelled(state.spec.names[i]) + b'"', documents.declared_member(state, i, after, depth)
        for c, term in state.undeclared():
            name = self._sizes.new_name(term)
            yield spelled(name) + b'"', documents.undeclared_member(state, c, name, after, depth)

    def _best(self, state: ObjectState, indices: Iterable[int]) -> list[int]:
        """Those of the declared members ``indices`` that look shortest."""
        possible: list[int] = []
        for i in indices:
            if len(possible) == _MAX_TRIED:
                break
            if state.possible(i):
                possible.append(i)
        return sorted(possible, key=lambda i: self._sizes.member_size(state, i))[:_MAX_NAMES]

    def _declared_names(self, lexeme: Name, after: Continuation) -> Iterator[Way]:
        member = next(parts(after))  # if there are several, their objects have the same names
        assert type(member) is MemberName, member
        state = member.state
        indices = lexeme.node.indices
        chosen = self._best(state, indices)
        if not state.closable():
            step = self._sizes.step(state)
            if step.declared is not None and step.declared in indices and step.declared not in chosen:
                chosen.append(step.declared)
        for i in chosen:
            rest = spelled(state.spec.names[i])[lexeme.node.depth :]
            yield rest + b'"', after.member(i)

    def _declared(self, here: Declared) -> Iterator[Way]:
        return self._member_values(here.state.declared(here.index), here.after, here.depth)

    def _undeclared(self, here: Undeclared) -> Iterable[Way]:
        found = here.state.undeclared_next(here.c, here.name)
        if here.name is None and any(self._draws_names(following) for _, following in found):
            return ()
        return self._member_values(found, here.after, here.depth)

    def _draws_names(self, state: ObjectState) -> bool:
        """Whether the shortest end of an object has undeclared names in it, which could be one that was read."""
        while not state.closable():
            step = self._sizes.step(state)
            if step.declared is None:
                return True
            assert isinstance(step.after, ObjectState)
            state = step.after
        return False

    def _member_values(self, found: list, after: Continuation, depth: int) -> Iterator[Way]:
        documents = self._documents
        sized = [(self._sizes.likely(v) + self._sizes.likely(s), v, s) for v, s in found]
        least = min([size for size, _, _ in sized], default=0)
        for size, value, state in sized:
            if size == least:
                yield documents.colon, documents.value(value, documents.members(state, after, depth), depth)

    # What the text decides. --------------------------------------------------------------------------------------

    def spare(self, continuation: Continuation) -> Spare | None:
        """What comes where :meth:`ways` tells nothing; None where no bound is plain to see."""
        if type(continuation) is AfterItem:
            return self._spare_items(continuation.state, continuation.after, continuation.depth)
        if type(continuation) is Undeclared:
            return self._spare_members(continuation)
        return None

    def _spare_items(self, state: ArrayState, after: Continuation, depth: int) -> Spare | None:
        a, here, step = self._documents.values.algebra, state, None
        if not all_alike(state):
            return None
        for _ in range(_MAX_SPARE):
            if here.closable():
                break
            step = self._sizes.step(here)
            here = step.after  # type: ignore[assignment]
        if step is None or not here.closable():
            return None
        last = find_unique(here.formula)
        if last is None:
            return None
        value = a.all([step.value, a.negate(seen_before(a, last))])
        if not self._documents.values.inhabited(value):
            return None
        items = self._documents.items(state, after, depth)
        return Spare(items, self._documents.separator(depth, False) + self._value_text(value, depth))

    def _spare_members(self, member: Undeclared) -> Spare | None:
        state, after, depth = member.state, member.after, member.depth
        found = state.undeclared_next(member.c, member.name)
        if len(found) != 1:
            return None
        ((value, following),) = found
        here = following
        for _ in range(_MAX_SPARE):
            if here.closable():
                break
            if here.spec.depends_on(here.rest):
                return None
            here = self._sizes.step(here).after  # type: ignore[assignment]
        term = unseen(state.spec.undeclared[member.c], here.seen)
        if not here.closable() or self._documents.values.empty(term):
            return None
        documents = self._documents
        another = b'"%b"' % spelled(self._sizes.new_name(term)) + documents.colon + self._value_text(value, depth)
        more = documents.value(value, documents.members(following, after, depth), depth)
        return Spare((documents.colon, 0, more), documents.separator(depth, False) + another)

    # What is too long to be written out. ------------------------------------------------------------------------

    def far(self, continuation: Continuation) -> Far | None:
        """What comes where more than :data:`FAR` items or required members must; None elsewhere."""
        if type(continuation) is ArrayRest and not continuation.is_first:
            return self._many_items(continuation.state, continuation.after, continuation.depth)
        if type(continuation) is ObjectRest and not continuation.is_first:
            return self._many_members(continuation.state, continuation.after, continuation.depth)
        return None

    def _many_items(self, state: ArrayState, after: Continuation, depth: int) -> Far | None:
        run = long_run(state)
        if run is None:
            return None
        piece = self._documents.separator(depth, False) + self._value_text(run.value, depth)
        ((_, following),) = state.next_items()
        rest = self._documents.items(run.after, after, depth)
        return Far([(piece, run.number)], rest, (piece, self._documents.items(following, after, depth)))

    def _many_members(self, state: ObjectState, after: Continuation, depth: int) -> Far | None:
        must = required_left(state)
        if must.bit_count() <= FAR or not is_plain(state):
            return None
        documents = self._documents
        indices = list(indices_of(must))[: -FAR // 2]
        pieces = [(self._member_text(state, i, depth), 1) for i in indices]
        return Far(
            pieces,
            documents.members(self._after_members(state, indices), after, depth),
            (pieces[0][0], documents.members(self._after_members(state, indices[:1]), after, depth)),
        )

    def _after_members(self, state: ObjectState, indices: list[int]) -> ObjectState:
        closed, number = state.closed, len(indices)
        for i in indices:
            closed |= 1 << i if self._documents.values.any_order else (2 << i) - 1
        room = None if state.room is None else state.room - number
        return object_state(state.spec, closed, max(state.need - number, 0), room, state.rest, state.seen)

    def _member_text(self, state: ObjectState, index: int, depth: int) -> bytes:
        spec = state.spec
        key = (id(spec), index, depth)
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = self._new_member_text(spec, index, depth)
        return found

    def _new_member_text(self, spec: ObjectSpec, index: int, depth: int) -> bytes:
        documents = self._documents
        name = b'"%b"' % spelled(spec.names[index])
        value = self._value_text(spec.value(index), depth)
        return documents.separator(depth, False) + name + documents.colon + value

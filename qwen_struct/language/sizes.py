"""How large the shortest ways to finish values, arrays and objects are, by estimate, and which way that is.

Sizes add up piece by piece, so that they do not depend on what stands around a value. They rank alternatives: which
branch of a choice, which member next. A search over states finds the way with the least size; nesting is limited first
and the limit raised until a way is found, so that recursive schemas come to an end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from heapq import heappop, heappush
from itertools import islice
from typing import Any, NamedTuple

from ..errors import SchemaBudgetError
from ..schema.algebra import And, Expr, Items, NumItems, Unique
from .arrays import ArrayState, array_state
from .continuations import ArrayRest, Choice, Continuation, Gap, ObjectRest
from .documents import Documents
from .lexemes import Lexeme, Literal, Number, literal, text
from .members import indices_of
from .objects import ObjectState
from .terms import Term
from .texts import spelled
from .unique import find_unique
from .witnesses import canonical, read

NEVER = 1 << 40  # the size of what has no end within the depth that was tried
FAR = 64  # more items or required members to come than that are counted together, not one by one

_DEPTHS = (8, 64, 512, 4_096)
_MAX_STATES = 4_000  # states of one array or object that a search expands
_PATIENCE = 1_000  # after so many, it hurries to an end
_MAX_DIFFERENT = 256  # items that must differ from each other
_MAX_OPTIONAL = 64  # optional members that are compared to reach a number of members

_OPENING = (literal(b"["), literal(b"{"))

State = ArrayState | ObjectState


class Step(NamedTuple):
    """The next item or member: what its value must satisfy, and the state after it.

    ``declared``: the number of a declared member; ``group`` and ``name``: one of the undeclared names of that class.
    """

    value: Expr
    after: State
    declared: int | None = None
    group: int | None = None
    name: str | None = None


class Run(NamedTuple):
    """``number`` items, all ``value``, with ``after`` behind them."""

    value: Expr
    number: int
    after: ArrayState


class Sizes:
    """The sizes of one schema's values. What is found stays: a size never changes.

    ``measure`` says how large a piece of text is; ``words`` gives short ends of a lexeme, the best first; ``write`` a
    whole value of a formula.
    """

    def __init__(
        self,
        documents: Documents,
        measure: Callable[[bytes], int],
        words: Callable[[Lexeme], tuple[bytes, ...]],
        write: Callable[[Expr], bytes],
    ) -> None:
        self._documents, self._values = documents, documents.values
        self._measure, self._words, self._write = measure, words, write
        self._sizes: dict[Hashable, int] = {}
        self._failed: dict[Hashable, int] = {}  # the depth that was not enough
        self._steps: dict[State, Step] = {}
        self._names: dict[str, int] = {}

    def value(self, formula: Expr) -> int:
        """The size of a shortest value of ``formula``. Raises: SchemaBudgetError."""
        return self._deepen(formula, self._value)

    def state(self, state: State) -> int:
        """The size of the shortest end of an array or object. Raises: SchemaBudgetError."""
        return self._deepen(state, self._state)

    def likely(self, what: Expr | State) -> int:
        """The size of a value or state, :data:`NEVER` where no end of it was found."""
        try:
            return self.value(what) if isinstance(what, Expr) else self.state(what)
        except SchemaBudgetError:
            return NEVER

    def step(self, state: State) -> Step:
        """The next item or member on a shortest way from ``state``, which cannot end yet. Raises: SchemaBudgetError."""
        found = self._steps.get(state)
        if found is None and isinstance(state, ObjectState) and is_plain(state):
            found = self._steps[state] = self._required(state)
        if found is None:
            self.state(state)
            found = self._steps.get(state) or self._cheapest(self._edges(state, _DEPTHS[-1]))
            self._steps[state] = found
        return found

    def member_size(self, state: ObjectState, index: int, depth: int = _DEPTHS[0]) -> int:
        """What declared member ``index`` adds where nothing more is asked of it than its value."""
        return self.name_size(state.spec.names[index]) + self._value(state.spec.value(index), depth)

    def name_size(self, name: str) -> int:
        """What a member's name adds, with what stands around it."""
        found = self._names.get(name)
        if found is None:
            found = self._names[name] = 2 + self._measure(spelled(name))
        return found

    # Values. ----------------------------------------------------------------------------------------------------

    def _deepen(self, what: Any, ask: Callable[[Any, int], int]) -> int:
        for depth in _DEPTHS:
            size = ask(what, depth)
            if size < NEVER:
                return size
        raise SchemaBudgetError("no short document was found; the schema's values nest too deeply")

    def _value(self, formula: Expr, depth: int) -> int:
        known = self._known(formula, depth)
        if known is not None:
            return known
        size, nested = NEVER, list[State]()
        for lexeme, after in self._documents.value(formula, self._documents.done, 0).open():
            if lexeme in _OPENING:
                nested += [state_of(part) for part in parts(after)]
            else:
                size = min(size, self._scalar(lexeme, after))
        if size > 2 and any(state.closable() for state in nested):
            size = 2
        if size > 3:  # fewer pieces than that have no array or object that holds something
            size = min([size, *(1 + self._state(state, depth - 1) for state in nested)])
        return self._note(formula, size, depth)

    def _scalar(self, lexeme: Lexeme, after: Continuation) -> int:
        if type(lexeme) is Number:
            return min([self._measure(word) for word in self._words(lexeme)])
        assert type(lexeme) is Literal, lexeme
        if lexeme.text == b'"':
            ((inside, _),) = after.open()
            return min([self._measure(b'"%b"' % word) for word in self._words(inside)])
        return self._measure(lexeme.text)

    def _known(self, what: Hashable, depth: int) -> int | None:
        known = self._sizes.get(what)
        return NEVER if known is None and self._failed.get(what, -1) >= depth else known

    def _note(self, what: Hashable, size: int, depth: int) -> int:
        if size < NEVER:
            return self._sizes.setdefault(what, size)
        self._failed[what] = max(depth, self._failed.get(what, -1))
        return NEVER

    # Arrays and objects. ----------------------------------------------------------------------------------------

    def _state(self, state: State, depth: int) -> int:
        known = self._known(state, depth)
        if known is not None:
            return known
        if state.closable():
            return self._note(state, 1, depth)
        if depth <= 0:
            return NEVER
        if isinstance(state, ObjectState) and is_plain(state):
            sizes = [self.member_size(state, i, depth) for i in indices_of(required_left(state))]
            return self._note(state, min(1 + sum(sizes), NEVER), depth)
        if isinstance(state, ArrayState) and _num_different(state) > _MAX_DIFFERENT:
            raise SchemaBudgetError(f"more than {_MAX_DIFFERENT} items that must differ; lower minItems")
        run = long_run(state) if isinstance(state, ArrayState) else None
        if run is not None:
            item, rest = self._value(run.value, depth), self._state(run.after, depth)
            return self._note(state, min((item + 1) * run.number + rest, NEVER), depth)
        return self._search(state, depth)

    def _search(self, start: State, depth: int) -> int:
        """Best first, by what was written and, where that is known, what is still to come."""
        spent: dict[State, int] = {start: 0}
        came_from: dict[State, tuple[State, Step, int]] = {}
        queue: list[tuple[int, int, State]] = [(0, 0, start)]
        settled: set[State] = set()
        pushed = 0
        while queue:
            state = heappop(queue)[2]
            if state in settled:
                continue
            settled.add(state)
            rest = self._rest(state, depth)
            if rest is not None:
                self._note_way(state, rest, came_from)
                return self._sizes[start]
            if len(settled) > _MAX_STATES:
                raise SchemaBudgetError("no short document was found within the fuel; simplify the schema")
            for step, size in self._edges(state, depth):
                total = spent[state] + size
                if size < NEVER and total < spent.get(step.after, NEVER):
                    spent[step.after], came_from[step.after] = total, (state, step, size)
                    pushed -= 1
                    hurry = pushed if len(settled) > _PATIENCE else 0
                    priority = -1 if hurry else total + (self._rest(step.after, depth) or 1)
                    heappush(queue, (priority, pushed, step.after))
        return self._note(start, NEVER, depth)

    def _rest(self, state: State, depth: int) -> int | None:
        """The size from ``state`` on, where that takes no search."""
        known = self._sizes.get(state)
        if known is None and (
            state.closable()
            or (isinstance(state, ObjectState) and is_plain(state))
            or (isinstance(state, ArrayState) and long_run(state) is not None)
        ):
            known = self._state(state, depth)
        return None if known is None or known >= NEVER else known

    def _note_way(self, state: State, rest: int, came_from: dict[State, tuple[State, Step, int]]) -> None:
        self._sizes.setdefault(state, rest)
        while state in came_from:
            before, step, size = came_from[state]
            rest += size
            if before not in self._sizes:
                self._sizes[before], self._steps[before] = rest, step
            state = before

    def _edges(self, state: State, depth: int) -> Iterator[tuple[Step, int]]:
        """The steps that can be part of a shortest way, with their sizes."""
        if isinstance(state, ArrayState):
            yield from self._items(state, depth)
            return
        asked = state.spec.depends_on(state.rest)
        steps = self._members(state, asked, depth)
        yield from steps if asked else [min(steps, key=lambda pair: pair[1])]

    def _items(self, state: ArrayState, depth: int) -> Iterator[tuple[Step, int]]:
        for value, after in state.next_items():
            size = self._value(value, depth)
            if size < NEVER:
                if after.remembers:
                    after = after.with_seen(canonical(read(self._write(value))))
                yield Step(value, after), size + 1

    def _members(self, state: ObjectState, asked: int, depth: int) -> Iterator[tuple[Step, int]]:
        must = required_left(state)
        missing = state.need - must.bit_count()
        if must and self._values.any_order:
            chosen: Iterable[int] = indices_of(must & -must)
        else:
            useful = state.following & (asked | (must & -must))
            others = state.following & ~useful if missing > 0 else 0
            chosen = [*indices_of(useful), *islice(indices_of(others), _MAX_OPTIONAL)]
        for i in chosen:
            for value, after in state.declared(i):
                yield Step(value, after, i), self._value(value, depth) + self.name_size(state.spec.names[i])
        if not must and (missing > 0 or asked & state.spec.others):
            for c, term in state.undeclared():
                name = self.new_name(term)
                for value, after in state.undeclared_next(c, name):
                    yield Step(value, after, None, c, name), self._value(value, depth) + self.name_size(name)

    def new_name(self, term: Term) -> str:
        """A short name out of ``term``."""
        return json.loads(b'"%b"' % self._words(text(term))[0])

    def _required(self, state: ObjectState) -> Step:
        must = required_left(state)
        (index,) = indices_of(must & -must)
        return self._cheapest((Step(v, after, index), self.value(v)) for v, after in state.declared(index))

    @staticmethod
    def _cheapest(steps: Iterable[tuple[Step, int]]) -> Step:
        return min(steps, key=lambda pair: pair[1])[0]


def required_left(state: ObjectState) -> int:
    """The required members that are still to come, as bits."""
    return state.spec.required_mask & ~state.closed


def is_plain(state: ObjectState) -> bool:
    """Whether the object needs its required members and nothing else."""
    must = required_left(state)
    return bool(must) and not state.spec.depends_on(state.rest) and state.need <= must.bit_count()


def all_alike(state: ArrayState) -> bool:
    """Whether all items to come are asked the same, beside that they differ."""
    formula = state.formula
    atoms = formula.parts if type(formula) is And else (formula,)
    return all(type(p) in (NumItems, Unique) or (type(p) is Items and not p.start) for p in atoms)


def _num_different(state: ArrayState) -> int:
    """How many items must come that differ from each other."""
    formula = state.formula
    atoms = formula.parts if type(formula) is And else (formula,)
    return max([p.low for p in atoms if type(p) is NumItems], default=0) if find_unique(formula) else 0


def long_run(state: ArrayState) -> Run | None:
    """The items that must come, where they are many and all alike; a few are left for after them."""
    known = state.formula.memo.get(long_run, state)
    if known is state:
        known = state.formula.memo[long_run] = _long_run(state)
    return known


def _long_run(state: ArrayState) -> Run | None:
    formula, a = state.formula, state.values.algebra
    atoms = formula.parts if type(formula) is And else (formula,)
    if any(type(p) not in (Items, NumItems) or (type(p) is Items and p.start) for p in atoms):
        return None
    low = max([p.low for p in atoms if type(p) is NumItems], default=0)
    if low <= FAR:
        return None
    number = low - FAR // 2
    counts = [
        a.atom(NumItems, max(p.low - number, 0), None if p.high is None else p.high - number)
        for p in atoms
        if type(p) is NumItems
    ]
    items = [p for p in atoms if type(p) is Items]
    return Run(a.all([p.value for p in items]), number, array_state(state.values, a.all([*items, *counts])))


def parts(continuation: Continuation) -> Iterator[Continuation]:
    """The continuations that ``continuation`` is a choice of, without the blanks before them."""
    if isinstance(continuation, Choice):
        for part in continuation.parts:
            yield from parts(part)
    elif type(continuation) is Gap:
        yield from parts(continuation.after)
    else:
        yield continuation


def state_of(continuation: Continuation) -> State:
    """The state of the array or object that ``continuation`` is inside of."""
    assert type(continuation) is ArrayRest or type(continuation) is ObjectRest, continuation
    return continuation.state

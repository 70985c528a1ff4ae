"""Questions about a whole language: is it empty or infinite, which words has it, what is a shortest or a random one.

Most answers stand on the term (see :class:`.terms.Term`); the rest walk its automaton and remember what they learn
about every state on the way. A walk has a work limit, the fuel: running out is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from random import Random
from typing import Final

from .charset import CharSet
from .terms import EMPTY, And, Concat, Moves, Or, Repeat, Term, Words, intersect, is_length, transitions

DEFAULT_FUEL: Final = 50_000
_STEP_BY_STEP: Final = 64  # above this, lower bounds on the length are met by stepping all states at once


class FuelExhausted(Exception):
    """Deciding a question about a language took more work than its limit."""


class Work:
    """Counts the states that searches have expanded, so that callers can tell what an answer took."""

    states = 0


def is_empty(term: Term, fuel: int = DEFAULT_FUEL) -> bool:
    """Whether there is no word. ``fuel`` limits the states that are expanded.

    Raises: FuelExhausted.
    """
    if term.inhabited:
        return False
    if term._empty is None:
        if term is EMPTY:
            term._empty = True
        else:
            _settle(term, fuel)
    assert term._empty is not None
    return term._empty


def _settle(term: Term, fuel: int) -> None:
    if type(term) is Concat:
        term._empty = is_empty(term.head, fuel) or is_empty(term.tail, fuel)
    elif type(term) is Or:
        term._empty = all(is_empty(item, fuel) for item in sorted(term.items, key=lambda item: not item.inhabited))
    elif type(term) is Repeat:
        term._empty = is_empty(term.body, fuel)
    else:
        bound = _large_bound(term)
        if bound is not None:
            term._empty = not _has_length(*bound, fuel)
        else:
            _search(term, fuel)


def _search(start: Term, fuel: int) -> None:
    """Best-first search for a word: the state whose shortest word could be shortest goes first."""
    came_from: dict[Term, Term | None] = {start: None}
    queue: list[tuple[int, int, int, Term]] = [(start.min_len, 0, 0, start)]
    pushed = 0
    while queue:
        state = heappop(queue)[3]
        if fuel <= 0:
            raise FuelExhausted
        fuel -= 1
        Work.states += 1
        for _, after in transitions(state):
            if after in came_from or after._empty:
                continue
            came_from[after] = state
            if _empty_without_bounds(after, fuel):
                after._empty = True
                continue
            if after.inhabited or after._empty is False:
                _mark_inhabited(state, came_from)
                return
            pushed -= 1
            heappush(queue, (after.min_len, _effort(after), pushed, after))
    for state in came_from:
        state._empty = True


def _effort(term: Term) -> int:
    """How far the parts of ``term`` are from their ends, taken together; breaks ties towards words for all of them."""
    return sum([item.min_len for item in term.items]) if type(term) is And else term.min_len


def _empty_without_bounds(term: Term, fuel: int) -> bool:
    """Whether no word of any length would do. Without counters the states are few, so this prunes whole regions."""
    if type(term) is not And:
        return False
    others = [item for item in term.items if item.max_len is None and not is_length(item)]
    if len(others) == len(term.items):
        return False
    try:
        return is_empty(intersect(*others), fuel // 4)
    except FuelExhausted:
        return False


def _mark_inhabited(state: Term | None, came_from: dict[Term, Term | None]) -> None:
    while state is not None:
        state._empty = False
        state = came_from[state]


def _large_bound(term: Term) -> tuple[Term, int, int | None] | None:
    """``term`` as (language, low, high) if it asks for words too long to look for one by one."""
    if type(term) is not And:
        return None
    for item in term.items:
        if is_length(item) and item.low > _STEP_BY_STEP:
            return intersect(*[other for other in term.items if other is not item]), item.low, item.high
    return None


def _has_length(term: Term, low: int, high: int | None, fuel: int) -> bool:
    """Whether some word is ``low`` to ``high`` long, found by stepping the set of all states that words may lead to.

    The sets repeat sooner or later: then whole rounds are skipped below ``low``, and one round above it decides.
    """
    states = frozenset((term,))
    seen: dict[frozenset[Term], int] = {}
    above: set[frozenset[Term]] = set()
    reached = 0
    while states and (high is None or reached <= high):
        if reached >= low:
            if any(state.nullable for state in states):
                return True
            if states in above:
                return False
            above.add(states)
        elif states in seen:
            period = reached - seen[states]
            reached += (low - reached) // period * period
            seen = {}
            continue
        else:
            seen[states] = reached
        fuel -= len(states)
        if fuel <= 0:
            raise FuelExhausted
        states = frozenset([after for state in states for _, after in transitions(state)])
        reached += 1
    return False


def live_transitions(term: Term, fuel: int = DEFAULT_FUEL) -> Moves:
    """:func:`~.terms.transitions` without those after which no word can be completed.

    Raises: FuelExhausted.
    """
    moves = term._live
    if moves is None:
        moves = transitions(term)
        if not all(after.inhabited for _, after in moves):
            moves = tuple([move for move in moves if not is_empty(move[1], fuel)])
        term._live = moves
    return moves


def open_transitions(term: Term) -> Moves:
    """:func:`live_transitions` for a reader in the middle of a word, which must go on.

    What cannot be decided within the fuel is left out, unless nothing else would be left.
    """
    fuel = DEFAULT_FUEL
    while True:
        try:
            return live_transitions(term, fuel)
        except FuelExhausted:
            moves = [move for move in transitions(term) if _is_live(move[1], fuel)]
            if moves or term.nullable:
                return tuple(moves)
            fuel *= 4


def _is_live(term: Term, fuel: int) -> bool:
    try:
        return not is_empty(term, fuel)
    except FuelExhausted:
        return False


def shortest(term: Term, fuel: int = DEFAULT_FUEL) -> str:
    """A shortest word, of plain characters where there is a choice.

    Raises: ValueError when there is no word; FuelExhausted.
    """
    came_from: dict[Term, tuple[Term, CharSet] | None] = {term: None}
    queue: list[tuple[int, int, int, Term]] = [(term.min_len, 0, 0, term)]
    settled: set[Term] = set()
    pushed = 0
    while queue:
        _, minus_length, _, state = heappop(queue)
        if state in settled:
            continue
        settled.add(state)
        if state.nullable:
            return _spell(state, came_from)
        fuel -= 1
        if fuel <= 0:
            raise FuelExhausted
        for characters, after in transitions(state):
            if after in settled or after._empty:
                continue
            came_from.setdefault(after, (state, characters))
            pushed += 1
            heappush(queue, (1 - minus_length + after.min_len, minus_length - 1, pushed, after))
    raise ValueError("an empty language has no shortest word")


def _spell(state: Term, came_from: dict[Term, tuple[Term, CharSet] | None]) -> str:
    spelled: list[str] = []
    while (step := came_from[state]) is not None:
        state, characters = step
        spelled.append(chr(characters.representative()))
    return "".join(reversed(spelled))


def min_length(term: Term, fuel: int = DEFAULT_FUEL) -> int:
    """The length of the shortest words.

    Raises: ValueError when there is no word; FuelExhausted.
    """
    return term.min_len if term.plain or term.nullable else len(shortest(term, fuel))


def is_infinite(term: Term, fuel: int = DEFAULT_FUEL) -> bool:
    """Whether there are infinitely many words.

    Raises: FuelExhausted.
    """
    if term.max_len is not None:
        return False
    if term.plain or term.unbounded:
        return True
    done: set[Term] = set()
    path: dict[Term, Iterator[tuple[CharSet, Term]]] = {term: iter(live_transitions(term, fuel))}
    while path:  # depth first: a state that can be completed and comes back to itself means no end of words
        state = next(reversed(path))
        for _, after in path[state]:
            if after in path or (after.max_len is None and (after.plain or after.unbounded)):
                return True
            if after not in done and after.max_len is None:
                fuel -= 1
                if fuel <= 0:
                    raise FuelExhausted
                path[after] = iter(live_transitions(after, fuel))
                break
        else:
            done.add(state)
            del path[state]
    return False


def words(term: Term, limit: int, fuel: int = DEFAULT_FUEL) -> list[str] | None:
    """All words in order of their code points, or None when there are more than ``limit``.

    Raises: FuelExhausted.
    """
    if type(term) is Words:
        return term.words() if len(term) <= limit else None
    if is_infinite(term, fuel):
        return None
    found: list[str] = []
    stack: list[tuple[str, Term]] = [] if is_empty(term, fuel) else [("", term)]
    while stack:
        prefix, state = stack.pop()
        fuel -= 1
        if fuel <= 0:
            raise FuelExhausted
        if state.nullable:
            found.append(prefix)
        for characters, after in live_transitions(state, fuel):
            if len(characters) + len(found) > limit:
                return None
            stack.extend((prefix + chr(point), after) for point in characters)
        if len(stack) + len(found) > limit:  # each entry of the stack leads to a word of its own
            return None
    return sorted(found)


def sample(term: Term, rng: Random, stop: float = 0.3, ascii_share: float = 0.9) -> str:
    """A random word: at each accepting state it ends with probability ``stop``; no particular distribution.

    Raises: ValueError when there is no word; FuelExhausted.
    """
    if is_empty(term):
        raise ValueError("an empty language has no word")
    spelled: list[str] = []
    while True:
        moves = live_transitions(term)
        if term.nullable and (not moves or rng.random() < stop):
            return "".join(spelled)
        if len(spelled) > 40 + term.min_len:  # hasten to an end
            return "".join(spelled) + shortest(term)
        characters, term = rng.choice(moves)
        spelled.append(chr(_pick(characters, rng, ascii_share)))


def _pick(characters: CharSet, rng: Random, ascii_share: float) -> int:
    ranges = characters.ranges
    if ranges[0][0] < 0x80 and rng.random() < ascii_share:
        ranges = tuple((low, min(high, 0x7F)) for low, high in ranges if low < 0x80)
    low, high = rng.choice(ranges)
    return rng.randint(low, high)

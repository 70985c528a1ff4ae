"""Languages with too many states to look at them all, and what is known of them without looking.

Some have a state for each text that they have read: a label in Punycode, for one. What tokens may come there is still
cheap to tell where any letters may come, up to some number. Others add up what their characters weigh: they are looked
at without the limit, once for all limits.
"""

from __future__ import annotations

from typing import NamedTuple

from .charset import ALL_CHARS, CharSet
from .terms import And, Concat, Leaf, Or, Term, is_length, transitions


class FreeRun(NamedTuple):
    """Every text of one to ``longest`` of the ``characters`` begins words.

    After n characters of it, there are words with any number of further ones from ``rest`` to ``most - n``. Only
    ``others`` may come instead of the ``characters``, at the start or after such a text.
    """

    characters: CharSet
    longest: int
    rest: int
    most: int
    others: CharSet

    def within(self, low: int, high: int | None) -> FreeRun | None:
        """The run where words must have ``low`` to ``high`` characters."""
        most = self.most if high is None else min(self.most, high)
        longest = min(self.longest, most - self.rest)
        return None if low > most or longest < 1 else self._replace(longest=longest, most=most)

    def beside(self, *more: CharSet) -> FreeRun:
        """The same run where ``more`` may come beside it."""
        others = CharSet.from_ranges(r for some in (self.others, *more) for r in some.ranges)
        return self._replace(others=others - self.characters)


class Weighed(NamedTuple):
    """A language whose characters weigh something, beside ``free``, which is the same without the limit.

    Characters of ASCII weigh 1, others ``wide``, and the first of these ``first_wide`` more. A word may come when the
    weight of its characters, up to the first of ``breaks`` (a pattern of bytes), and of what must come then
    (:meth:`RunLeaf.to_come`) is at most ``left``.
    """

    free: Term
    left: int
    wide: int
    first_wide: int
    breaks: bytes


class RunLeaf(Leaf):
    """A hand-written automaton of many states."""

    __slots__ = ()

    def free_run(self) -> FreeRun | None:
        """Its free run, if there is one."""
        raise NotImplementedError

    def weighed(self) -> Weighed | None:
        """Its limit on weights, if it has one."""
        return None

    def to_come(self) -> int | None:
        """In the language without the limit: the least weight of what must come before the next break or the end.

        None after the first break, where nothing is weighed.
        """
        return None


def weighed(term: Term) -> Weighed | None:
    """The limit on weights of ``term``, if it has one."""
    return term.weighed() if isinstance(term, RunLeaf) else None


def to_come(*terms: Term) -> int | None:
    """:meth:`RunLeaf.to_come`, the least of several languages."""
    least: int | None = None
    for term in terms:
        found = to_come(*term.items) if type(term) is Or else term.to_come() if isinstance(term, RunLeaf) else None
        if found is None:
            return None
        least = found if least is None else min(least, found)
    return least


def counts_along(term: Term) -> bool:
    """Whether the states of ``term`` count, so that they are best kept apart from others that count something else."""
    return isinstance(term.head if type(term) is Concat else term, RunLeaf)


def free_run(term: Term) -> FreeRun | None:
    """A free run of ``term``, if one is known."""
    if isinstance(term, RunLeaf):
        return term.free_run()
    if type(term) is Concat:
        run = free_run(term.head) if term.tail.nullable else None
        return None if run is None else run.beside(*[characters for characters, _ in transitions(term.tail)])
    if type(term) is Or:
        runs = [free_run(item) for item in term.items]
        known = [run for run in runs if run is not None]
        if not known:
            return None
        others = [some for run in known for some in (run.characters, run.others)]
        return max(known, key=lambda run: run.longest).beside(*others, *([ALL_CHARS] if None in runs else []))
    if type(term) is And and len(term.items) == 2:
        for bound, other in (term.items, term.items[::-1]):
            if is_length(bound):
                run = free_run(other)
                return None if run is None else run.within(bound.low, bound.high)
    return None

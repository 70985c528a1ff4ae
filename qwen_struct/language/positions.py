"""Positions in a document: sets of threads, stepped one byte at a time.

Positions are interned per :class:`.Documents`; each remembers its successors. Only where the text just read matters
(a name or an item that must not come twice) does the successor depend on more than the position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .documents import Continuation, Documents, Thread
from .lexemes import END, FREE, QUOTE, Literal, literal, plain_text


class Position:
    """Where a document may be after some bytes. ``info`` and ``forced`` are scratch space: masks, forced text.

    ``token`` and ``following``, ``others`` and ``named`` are kept by the matcher: the first token that led on and the
    position after it (most have no other), those after other tokens, and those after tokens that end a name, None where
    they are refused, by the token and what was read of the name before it.
    """

    __slots__ = (
        "_next", "_several", "_single", "accepting", "following", "forced", "info", "named", "others", "token", "walker"
    )  # fmt: skip

    def __init__(self, walker: Walker, threads: Sequence[Thread]) -> None:
        self.walker = walker
        self._single = threads[0] if len(threads) == 1 else None  # most have one; a tuple for each would be many tuples
        self._several = tuple(threads) if len(threads) > 1 else ()
        self.accepting = any(lexeme is END for lexeme, _ in threads)  # the document may end here
        self.info: object = None
        self.forced: Any = None
        self.token = -1
        self.following: Position | None = None
        self.others: dict[int, Position] | None = None  # made when it is needed, as are named and _next
        self.named: dict[tuple[int, bytes], Position | None] | None = None
        self._next: dict[int, Position | None] | None = None

    @property
    def threads(self) -> tuple[Thread, ...]:
        """The threads; there is at least one."""
        return self._several if self._single is None else (self._single,)

    def enter(self, token: int, following: Position) -> None:
        """Notes the position after ``token``. Called under one lock; those who look need none."""
        if self.following is None:
            self.following = following
            self.token = token  # last, for those who look at it first
        elif token != self.token:
            if self.others is None:
                self.others = {}
            self.others[token] = following

    def steps(self) -> list[tuple[int, Position]]:
        """The tokens that led on, and the positions after them."""
        first = [] if self.following is None else [(self.token, self.following)]
        return first if self.others is None else [*first, *self.others.items()]

    def name_ends(self) -> dict[tuple[int, bytes], Position | None]:
        """``named``, made if need be."""
        if self.named is None:
            self.named = {}
        return self.named

    def step(self, byte: int, read: Callable[[], bytes | bytearray]) -> tuple[Position | None, bool]:
        """The position after ``byte``, None if no document goes on with it; and whether ``read`` was asked.

        ``read`` gives the text up to ``byte`` and with it, wanted where a name or value ends that must not come again.
        """
        if self._next is not None and byte in self._next:
            return self._next[byte], False
        found: list[Thread] = []
        asked = False
        for thread in self.threads:
            asked |= step_thread(thread, byte, read, found)
        position = self.walker.position(found) if found else None
        if not asked:
            if self._next is None:
                self._next = {}
            self._next[byte] = position
        return position, asked

    def advance(self, text: bytes, read: Callable[[int], bytes | bytearray]) -> tuple[Position | None, bool]:
        """The same for the bytes of ``text``; ``read(n)`` gives the text up to the nth of them and with it.

        Inside a lexeme, no positions are made on the way.
        """
        if self._single is not None and self._single[0] is FREE and plain_text(text):
            return self, False
        position, asked, at = self, False, 0
        while at < len(text):
            threads: Sequence[Thread] = position.threads
            if len(threads) == 1 or all(lexeme.in_string for lexeme, _ in threads):
                end = _end_of_run(text, at, threads)
                moved = [(lexeme.run(text, at, end), after) for lexeme, after in threads]
                threads, at = [(lexeme, after) for lexeme, after in moved if lexeme is not None], end
                if end == len(text) or not threads:
                    return (self.walker.position(threads) if threads else None), asked
            found: list[Thread] = []
            for thread in threads:
                asked |= step_thread(thread, text[at], lambda at=at: read(at), found)  # type: ignore[misc]
            if not found:
                return None, asked
            position, at = self.walker.position(found), at + 1
        return position, asked


def _end_of_run(text: bytes, at: int, threads: Sequence[Thread]) -> int:
    """How far ``text`` surely stays inside the lexemes of ``threads``, one or several strings."""
    lexeme = threads[0][0]
    if lexeme.in_string:
        end = text.find(b'"', at)
        return len(text) if end < 0 else end
    return min(at + len(lexeme.text) - 1, len(text)) if type(lexeme) is Literal else at


def step_thread(thread: Thread, byte: int, read: Callable[[], bytes | bytearray], found: list[Thread]) -> bool:
    """Adds to ``found`` what ``thread`` becomes with ``byte``; whether ``read`` was asked."""
    lexeme, after = thread
    ended: Continuation | None = None
    if type(lexeme) is Literal:
        if lexeme.text[0] == byte:
            rest = lexeme.text[1:]
            if rest:
                found.append((literal(rest), after))
            else:
                ended = after
    elif byte == QUOTE and lexeme.quote:
        ended = lexeme.closed(after)
    else:
        moved = lexeme.move(byte)
        if moved is not None:
            found.append((moved, after))
            if moved.nullable and after.captures is not None:
                ended = after
    if ended is None:
        return False
    asked = ended.captures is not None
    found += (ended.captures(read()) if ended.captures is not None else ended).open()
    return asked


class Walker:
    """The positions of one schema's documents."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self._positions: dict[Thread | frozenset[Thread], Position] = {}
        self.start = self.position(documents.start)
        self.budget: Any = None  # scratch space, as the positions have it: shortest completions

    def position(self, threads: Iterable[Thread]) -> Position:
        """The one position for ``threads`` and, where a number may end, for what comes after it."""
        reached = self.reach(threads)
        key = reached[0] if len(reached) == 1 else frozenset(reached)
        found = self._positions.get(key)
        if found is None:
            found = self._positions.setdefault(key, Position(self, reached))
        return found

    def reach(self, threads: Iterable[Thread]) -> list[Thread]:
        """``threads`` and, where a number may end, those of what comes after it."""
        reached = list(threads)
        ended = [after for lexeme, after in reached if lexeme.nullable and lexeme is not END and after.captures is None]
        reached += [thread for after in ended for thread in after.open()]
        return self.documents.joined(reached) if len(reached) > 1 else reached

    def follow(self, text: bytes) -> Position | None:
        """The position after ``text``, or None when no document starts with it. For tests and explanations."""
        position: Position | None = self.start
        for i, byte in enumerate(text):
            if position is None:
                return None
            position, _ = position.step(byte, lambda i=i: text[: i + 1])  # type: ignore[misc]
        return position

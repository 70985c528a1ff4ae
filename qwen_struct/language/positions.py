"""Positions in a document: sets of threads, stepped one byte at a time.

Positions are interned per :class:`.Documents`; each remembers its successors. Only where the text just read matters
(a name or an item that must not come twice) does the successor depend on more than the position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from .documents import Continuation, Documents, Thread
from .lexemes import END, QUOTE, Literal, literal


class Position:
    """Where a document may be after some bytes. ``info`` is scratch space for the mask builder."""

    __slots__ = ("_next", "accepting", "info", "successors", "threads", "walker")

    def __init__(self, walker: Walker, threads: tuple[Thread, ...]) -> None:
        self.walker, self.threads = walker, threads
        self.accepting = any(lexeme is END for lexeme, _ in threads)  # the document may end here
        self.info: object = None
        self.successors: dict[int, Position] = {}  # by token id, kept by the matcher
        self._next: dict[int, Position | None] = {}

    def step(self, byte: int, read: Callable[[], bytes | bytearray]) -> tuple[Position | None, bool]:
        """The position after ``byte``, None if no document goes on with it; and whether ``read`` was asked.

        ``read`` gives the text up to ``byte`` and with it, wanted where a name or value ends that must not come again.
        """
        try:
            return self._next[byte], False
        except KeyError:
            pass
        found: list[Thread] = []
        asked = False
        for lexeme, after in self.threads:
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
            if ended is not None:
                if ended.captures is not None:
                    ended, asked = ended.captures(read()), True
                found += ended.open()
        position = self.walker.position(found) if found else None
        if not asked:
            self._next[byte] = position
        return position, asked


class Walker:
    """The positions of one schema's documents."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self._positions: dict[frozenset[Thread], Position] = {}
        self.start = self.position(documents.start)

    def position(self, threads: Iterable[Thread]) -> Position:
        """The one position for ``threads`` and, where a number may end, for what comes after it."""
        reached = list(threads)
        ended = [after for lexeme, after in reached if lexeme.nullable and lexeme is not END and after.captures is None]
        reached += [thread for after in ended for thread in after.open()]
        if len(reached) > 1:
            reached = self.documents.joined(reached)
        key = frozenset(reached)
        found = self._positions.get(key)
        if found is None:
            found = self._positions.setdefault(key, Position(self, tuple(reached)))
        return found

    def follow(self, text: bytes) -> Position | None:
        """The position after ``text``, or None when no document starts with it. For tests and explanations."""
        position: Position | None = self.start
        for i, byte in enumerate(text):
            if position is None:
                return None
            position, _ = position.step(byte, lambda i=i: text[: i + 1])  # type: ignore[misc]
        return position

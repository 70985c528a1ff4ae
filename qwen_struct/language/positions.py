"""Positions in a document: sets of threads, stepped one byte at a time.

Positions are interned per :class:`.Documents`; each remembers its successors. Only where the text just read matters
(a name or an item that must not come twice) does the successor depend on more than the position.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .continuations import Continuation, Thread, Threads
from .documents import Documents
from .lexemes import END, FREE, QUOTE, Literal, Number, literal, plain_text

#: What was read of a name: its tokens, the first of which has its quote, or its text from the quote on.
NameRead = tuple[int, ...] | bytes


class Position(Threads):
    """Where a document may be after some bytes. ``info`` and ``forced`` are scratch space: masks, forced text.

    ``is_free``: inside a string of which nothing is asked, so that plain characters change nothing.

    ``token`` and ``following``, ``others`` and ``named`` are kept by the matcher: the first token that led on and the
    position after it (most have no other), those after other tokens, and those after tokens that end a name, None where
    they are refused, by the token and the name before it, see :data:`NameRead`.
    """

    __slots__ = (
        "_by_byte", "accepting", "following", "forced", "info", "is_free", "named", "others", "token", "walker",
    )  # fmt: skip

    def __init__(self, walker: Walker, threads: Sequence[Thread]) -> None:
        self.walker = walker
        self._lexeme, self._all = None, None
        self.keep(threads)
        self.accepting = END in [lexeme for lexeme, _ in threads]  # the document may end here
        self.is_free = len(threads) == 1 and threads[0][0] is FREE
        self.info: object = None
        self.forced: Any = None
        self.token = -1
        self.following: Position | None = None
        self.others: dict[int, Position] | None = None  # made when it is needed, as are named and _by_byte
        self.named: dict[tuple[int, NameRead], Position | None] | None = None
        self._by_byte: dict[int, Position | None] | None = None

    @property
    def threads(self) -> tuple[Thread, ...]:
        """The threads; there is at least one."""
        return self.kept or ()

    def enter(self, token: int, following: Position) -> None:
        """Notes the position after ``token``. Called under one lock, as is the next; those who look need none."""
        if self.following is None:
            self.following = following
            self.token = token  # last, for those who look at it first
        elif token != self.token:
            if self.others is None:
                self.others = {}
            self.others[token] = following

    def enter_named(self, token: int, name: NameRead, following: Position | None) -> None:
        """The same where it depends on the name before ``token``."""
        if self.named is None:
            self.named = {}
        self.named[token, name] = following

    def steps(self) -> Iterator[tuple[int, NameRead | None, Position]]:
        """The tokens that led on, the name before each where it depends on that, and the position after it."""
        if self.following is not None:
            yield self.token, None, self.following
        for token, following in (self.others or {}).items():
            yield token, None, following
        for (token, name), after_name in (self.named or {}).items():
            if after_name is not None:
                yield token, name, after_name

    def step(self, byte: int, read: Callable[[], bytes | bytearray]) -> tuple[Position | None, bool]:
        """The position after ``byte``, None if no document goes on with it; and whether ``read`` was asked.

        ``read`` gives the text up to ``byte`` and with it, wanted where a name or value ends that must not come again.
        """
        if self._by_byte is not None and byte in self._by_byte:
            return self._by_byte[byte], False
        found: list[Thread] = []
        asked = False
        for thread in self.threads:
            asked |= step_thread(thread, byte, read, found)
        position = self.walker.position(found) if found else None
        if not asked:
            if self._by_byte is None:
                self._by_byte = {}
            self._by_byte[byte] = position
        return position, asked

    def advance(self, text: bytes, read: Callable[[int], bytes | bytearray]) -> tuple[Position | None, bool]:
        """The same for the bytes of ``text``; ``read(n)`` gives the text up to the nth of them and with it.

        No positions are made on the way.
        """
        if self.is_free and plain_text(text):
            return self, False
        threads: Sequence[Thread] = self.threads
        asked, at, size = False, 0, len(text)
        while at < size:
            found: list[Thread] = []
            if len(threads) > 1:
                threads = [t for t in threads if type(t[0]) is not Literal or t[0].text[0] == text[at]]
                if not threads:
                    return None, asked
            if len(threads) == 1 or False not in [lexeme.in_string for lexeme, _ in threads]:
                at, asked = _run(threads, text, at, read, found, asked)
            else:
                for thread in threads:
                    asked |= step_thread(thread, text[at], lambda at=at: read(at), found)  # type: ignore[misc]
                at += 1
            if not found:
                return None, asked
            alone = len(found) == 1 and type(found[0][0]) is not Number  # as most are: nothing to add
            threads = found if alone else self.walker.reach(found)
        return self.walker.reached(threads), asked


def _run(
    threads: Sequence[Thread],
    text: bytes,
    at: int,
    read: Callable[[int], bytes | bytearray],
    found: list[Thread],
    asked: bool,
) -> tuple[int, bool]:
    """Reads ``text[at:]`` inside the one lexeme, or the strings, of ``threads``, and what ends them.

    Adds to ``found`` what the threads become. Gives how far that goes, and whether ``read`` was asked, or ``asked``.
    """
    lexeme, after = threads[0]
    if type(lexeme) is Literal:
        rest, left = lexeme.text, len(text) - at
        if left < len(rest):
            if rest.startswith(text[at:]):
                found.append((literal(rest[left:]), after))
        elif text.startswith(rest, at):
            end = at + len(rest)
            if after.captures is None:
                found += after.open()
            else:
                asked = True
                found += after.captures(read(end - 1)).open()
            return end, asked
        return len(text), asked
    end = at
    if lexeme.in_string:
        end = text.find(b'"', at)
        if end < 0:
            end = len(text)
    for lexeme, after in threads:
        inside = lexeme.run(text, at, end)
        if inside is None:
            continue
        if end == len(text):
            found.append((inside, after))
        else:
            asked |= step_thread((inside, after), text[end], lambda: read(end), found)
    return end + 1, asked


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
    captures = ended.captures
    found += (ended if captures is None else captures(read())).open()
    return captures is not None


class Walker:
    """The positions of one schema's documents."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents
        self._positions: dict[tuple[int, ...], Position] = {}  # by the ids of their threads' parts
        self.start = self.position(documents.start)
        self.budget: Any = None  # scratch space, as the positions have it: shortest completions

    def position(self, threads: Iterable[Thread]) -> Position:
        """The one position for ``threads`` and, where a number may end, for what comes after it."""
        return self.reached(self.reach(list(threads)))

    def reached(self, threads: Sequence[Thread]) -> Position:
        """The same for threads that :meth:`reach` has given."""
        if len(threads) == 1:
            lexeme, after = threads[0]
            key: tuple[int, ...] = id(lexeme), id(after)
        else:
            key = tuple(sorted([id(lexeme) << 64 | id(after) for lexeme, after in threads]))
        found = self._positions.get(key)
        if found is None:
            found = self._positions.setdefault(key, Position(self, threads))
        return found

    def reach(self, threads: list[Thread]) -> list[Thread]:
        """``threads`` and, where a number may end, those of what comes after it."""
        ended = [t for t in threads if type(t[0]) is Number and t[0].nullable and t[0] is not END]
        if ended:
            threads = threads + [t for _, after in ended if after.captures is None for t in after.open()]
        return self.documents.joined(threads) if len(threads) > 1 else threads

    def follow(self, text: bytes) -> Position | None:
        """The position after ``text``, or None when no document starts with it. For tests and explanations."""
        position: Position | None = self.start
        for i, byte in enumerate(text):
            if position is None:
                return None
            position, _ = position.step(byte, lambda i=i: text[: i + 1])  # type: ignore[misc]
        return position

"""Text about which the grammar leaves no choice: what every document goes on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import RLock
from typing import NamedTuple

from ..language.continuations import Continuation, MemberName, Thread
from ..language.lexemes import END, FREE, Lexeme, Literal
from ..language.names import Name, NameNode, OtherName
from ..language.positions import Position, step_thread
from ..language.sizes import parts
from ..language.texts import spelled
from .saved import settled

MAX_FORCED = 4096  # bytes that are looked ahead; more follow when these have been read

#: The text read so far.
Read = Callable[[], bytes | bytearray]


class Forced(NamedTuple):
    """``text`` comes next, whatever the document. ``ends``: and with it the document is over."""

    text: bytes
    ends: bool


def forced(position: Position, read: Read) -> Forced:
    """What every document goes on with from ``position``; remembered there unless it depends on the text read."""
    real = settled(position)
    threads: Sequence[Thread] = real.threads
    text = bytearray()

    def up_to_here() -> bytes | bytearray:
        return read() + text

    asked = False
    while not _may_end(threads) and len(text) < MAX_FORCED:
        chunk = _only(threads)
        if not chunk:
            break
        text += chunk
        found: list[Thread] = []
        for lexeme, after in threads:
            inside = lexeme.run(chunk, 0, len(chunk) - 1) if len(chunk) > 1 else lexeme
            assert inside is not None
            asked |= step_thread((inside, after), chunk[-1], up_to_here, found)
        threads = real.walker.reach(found)
    ended = _over(threads)
    result = Forced(bytes(text), ended)
    if not asked:
        position.forced = real.forced = result
    return result


def _may_end(threads: Sequence[Thread]) -> bool:
    return any(lexeme is END for lexeme, _ in threads)


def _over(threads: Sequence[Thread]) -> bool:
    """Whether the document can only end; a number may stand there that could have gone on elsewhere."""
    return _may_end(threads) and not any(lexeme is not END and _some_bytes(lexeme) for lexeme, _ in threads)


def _only(threads: Sequence[Thread]) -> bytes:
    """The bytes that each of ``threads`` surely reads next, at least one; empty where there is a choice.

    Several bytes stay inside their lexeme up to the last.
    """
    if len(threads) == 1:
        lexeme = threads[0][0]
        if type(lexeme) is Literal:
            return lexeme.text
        if type(lexeme) is Name:
            return _only_name(lexeme)
    found = b""
    for lexeme, _ in threads:
        for byte in _some_bytes(lexeme):
            if found and byte != found[0]:
                return b""
            found = bytes((byte,))
    return found


def _some_bytes(lexeme: Lexeme) -> bytes:
    """The bytes that may come next inside a lexeme or end it, but no more than two."""
    if type(lexeme) is Literal:
        return lexeme.text[:1]
    if lexeme is FREE:
        return b'" '
    if type(lexeme) is OtherName:
        return b" !"
    found = b'"' if lexeme.quote else b""
    if type(lexeme) is Name:
        found += bytes([byte for byte, child in lexeme.node.children if lexeme.reachable(child)])
    elif lexeme is not END:
        for some, _ in lexeme.groups():
            found += some
            if len(found) > 1:
                break
    return found[:2]


def _only_name(lexeme: Name) -> bytes:
    """What every name goes on with, the closing quote too where only one is left."""
    node: NameNode = lexeme.node
    text = bytearray()
    while True:
        only = node.only
        if only is not None:
            return bytes(text) + only[0] + b'"'
        children = [(byte, child) for byte, child in node.children if lexeme.reachable(child)]
        if node.index is not None and lexeme.possible(node.index):
            return bytes(text) if children else bytes(text) + b'"'
        if len(children) != 1:
            return bytes(text)
        text.append(children[0][0])
        node = children[0][1]


def _names(lexeme: Name, after: Continuation) -> Iterator[tuple[str, bytes]]:
    assert type(after) is MemberName, after
    for index in lexeme.node.indices:
        if lexeme.possible(index):
            name = after.state.spec.names[index]
            yield name, spelled(name)[lexeme.node.depth :] + b'"'


class Ahead:
    """Reads on from where a matcher stands, byte by byte, and leaves the matcher there."""

    def __init__(self, position: Position, read: bytes, lock: RLock) -> None:
        self._position, self._lock = position, lock
        self._read = read
        self.text = b""  # what was read from there on

    def read(self, text: bytes) -> bool:
        """Goes on with ``text``. False, and nothing changes, where no document does."""
        before = self._read + self.text
        with self._lock:
            position, _ = self._position.advance(text, lambda at: before + text[: at + 1])
        if position is None:
            return False
        self._position, self.text = position, self.text + text
        return True

    def forced(self) -> Forced:
        """What every document goes on with."""
        known = self._position.forced
        if known is None:
            with self._lock:
                known = forced(self._position, lambda: self._read + self.text)
        return known

    def names(self) -> Iterator[tuple[str, bytes]]:
        """The declared names that may come here, in the schema's order, each with what is left of it and its quote."""
        for lexeme, after in settled(self._position).threads:
            if type(lexeme) is Name:
                yield from _names(lexeme, next(parts(after)))

    def copy(self) -> Ahead:
        """An independent one at the same point."""
        other = Ahead(self._position, self._read, self._lock)
        other.text = self.text
        return other


__all__ = ["Ahead", "Forced", "forced"]

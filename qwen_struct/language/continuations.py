"""What comes when a lexeme has ended: linked frames, one for each open array or object and each step inside it.

Continuations are made by :class:`.documents.Documents` only, which gives the same object for the same place, so that
whoever walks may remember what it learnt about them. Each opens into the threads that stand there; a thread is a lexeme
being read and the continuation after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from .lexemes import END, Lexeme, literal, number, text
from .texts import name_before, value_before
from .witnesses import canonical, read

if TYPE_CHECKING:
    from ..schema.algebra import Expr
    from .arrays import ArrayState
    from .documents import Documents
    from .objects import ObjectState
    from .terms import Term

Thread = tuple[Lexeme, "Continuation"]
#: The continuation for the text read so far, which ends with a name or value that must not come again.
Capture = Callable[[bytes | bytearray], "Continuation"]

_MAX_REMEMBERED = 256  # items of an array whose continuations are remembered by their texts


def in_turn(pairs: Iterable[tuple]) -> tuple:
    """The parts of ``pairs`` one after another: one object to be kept instead of one more for each."""
    return tuple([part for pair in pairs for part in pair])


def in_pairs(parts: tuple) -> tuple[tuple, ...]:
    """The pairs of which :func:`in_turn` has made ``parts``."""
    return tuple(zip(parts[::2], parts[1::2], strict=True))


class Threads:
    """Who keeps some threads: mostly one or two, by their parts, so that there are no tuples of them to be kept."""

    __slots__ = ("_all", "_lexeme", "_next", "_other", "_other_next")
    _lexeme: Lexeme | None  # None, as is the next, before anything is kept
    _all: tuple | None  # where there are not one or two
    _other: Lexeme | None

    def keep(self, threads: Sequence[Thread]) -> None:
        """Sets what is kept; ``_lexeme`` last, which others look at first."""
        if len(threads) == 1:
            lexeme, self._next = threads[0]
            self._other = None
            self._lexeme = lexeme
        elif len(threads) == 2:
            (lexeme, self._next), (self._other, self._other_next) = threads
            self._lexeme = lexeme
        else:
            self._all = in_turn(threads)

    @property
    def kept(self) -> tuple[Thread, ...] | None:
        """The threads; None before they were set."""
        lexeme = self._lexeme
        if lexeme is None:
            parts = self._all
            return None if parts is None else in_pairs(parts)
        other = self._other
        if other is None:
            return ((lexeme, self._next),)
        return (lexeme, self._next), (other, self._other_next)


class Continuation(Threads):
    """What comes after a lexeme. ``open`` gives the threads there.

    ``captures`` is set where what comes depends on the name or item just read; ``open`` then gives what may come after
    one of them at least. ``plenty`` tells names (None) from items: whether a next item is left whatever was read.
    ``first`` is set where all threads begin with that text, so that whoever looks no further need not open it.
    ``outlook`` is scratch space: what a token can tell of it.
    """

    __slots__ = ("documents", "outlook")

    captures: Capture | None = None
    plenty: Callable[[], bool] | None = None
    first: bytes | None = None

    def __init__(self, documents: Documents) -> None:
        self._lexeme, self._all = None, None
        self.documents = documents
        self.outlook: int | None = None

    def open(self) -> tuple[Thread, ...]:
        """The threads at this point."""
        kept = self.kept
        if kept is None:
            kept = tuple(self._open())
            self.keep(kept)
        return kept

    def _open(self) -> Sequence[Thread]:
        """The threads, worked out."""
        raise NotImplementedError

    def member(self, index: int) -> Continuation:
        """After a :class:`.names.Name`: what comes after the quote that closes that of declared member ``index``."""
        raise NotImplementedError


class End(Continuation):
    """The document is over."""

    __slots__ = ()

    def _open(self) -> Sequence[Thread]:
        return ((END, self),)


class Nothing(Continuation):
    """Nothing is said of what comes; for texts that are a part of a document."""

    __slots__ = ()

    def _open(self) -> Sequence[Thread]:
        return ()


class Choice(Continuation):
    """Any of ``parts``."""

    __slots__ = ("parts",)

    def __init__(self, documents: Documents, parts: tuple[Continuation, ...]) -> None:
        super().__init__(documents)
        self.parts = parts

    def _open(self) -> Sequence[Thread]:
        return self.documents.joined([thread for part in self.parts for thread in part.open()])

    def member(self, index: int) -> Continuation:
        return self.documents.merge([part.member(index) for part in self.parts])


class CapturingChoice(Choice):
    """The same where some of them depend on the name or item just read."""

    __slots__ = ("captures", "plenty")

    def __init__(self, documents: Documents, parts: tuple[Continuation, ...]) -> None:
        super().__init__(documents, parts)
        counts = [part.plenty for part in parts if part.plenty is not None]
        self.captures: Capture | None = self._after_reading
        self.plenty: Callable[[], bool] | None = (lambda: all(plenty() for plenty in counts)) if counts else None

    def _after_reading(self, text: bytes | bytearray) -> Continuation:
        after = [part if part.captures is None else part.captures(text) for part in self.parts]
        return self.documents.merge(after)


class Fixed(Continuation):
    """A fixed text."""

    __slots__ = ("after", "text")

    def __init__(self, documents: Documents, text: bytes, after: Continuation) -> None:
        super().__init__(documents)
        self.text, self.after = text, after

    def _open(self) -> Sequence[Thread]:
        return ((literal(self.text), self.after),)


class Gap(Continuation):
    """Blanks that may come; ``depth`` 0: no line break."""

    __slots__ = ("after", "depth")

    def __init__(self, documents: Documents, after: Continuation, depth: int) -> None:
        super().__init__(documents)
        self.after, self.depth = after, depth

    def _open(self) -> Sequence[Thread]:
        return [(number(self.documents.blanks(self.depth)), self.after), *self.after.open()]


class Value(Continuation):
    """A value of ``formula``."""

    __slots__ = ("after", "depth", "formula")

    def __init__(self, documents: Documents, formula: Expr, after: Continuation, depth: int) -> None:
        super().__init__(documents)
        self.formula, self.after, self.depth = formula, after, depth

    def _open(self) -> Sequence[Thread]:
        documents, after, depth = self.documents, self.after, self.depth
        begin = documents.beginnings(self.formula)
        return documents.joined([(lexeme, documents.inside(what, after, depth)) for lexeme, what in begin])


class String(Continuation):
    """The inside of a string of ``term``."""

    __slots__ = ("after", "term")

    def __init__(self, documents: Documents, term: Term, after: Continuation) -> None:
        super().__init__(documents)
        self.term, self.after = term, after

    def _open(self) -> Sequence[Thread]:
        return ((text(self.term), self.after),)


class ArrayRest(Continuation):
    """An array's next item or its end; ``first``: no item came yet."""

    __slots__ = ("after", "depth", "is_first", "state")

    def __init__(
        self, documents: Documents, state: ArrayState, after: Continuation, depth: int, is_first: bool
    ) -> None:
        super().__init__(documents)
        self.state, self.after, self.depth, self.is_first = state, after, depth, is_first

    def _open(self) -> Sequence[Thread]:
        documents, state, after, depth = self.documents, self.state, self.after, self.depth
        threads: list[Thread] = []
        if state.closable():
            threads.append((documents.closing(b"]", depth, self.is_first), after))
        separator = documents.separator(depth, self.is_first)
        following = [documents.value(v, documents.after_item(s, after, depth), depth) for v, s in state.next_items()]
        if following:
            item = documents.merge(following)
            if separator:
                threads.append((literal(separator), documents.gap(item, depth)))
            else:
                threads += item.open()
        return documents.joined(threads)


class AfterItem(Continuation):
    """After an item from which the next ones must differ."""

    __slots__ = ("_remembered", "after", "depth", "state")

    def __init__(self, documents: Documents, state: ArrayState, after: Continuation, depth: int) -> None:
        super().__init__(documents)
        self.state, self.after, self.depth = state, after, depth
        self._remembered: dict[bytes, Continuation] = {}

    def _open(self) -> Sequence[Thread]:
        return self.documents.items(self.state, self.after, self.depth).open()

    def captures(self, text: bytes | bytearray) -> Continuation:
        value = bytes(value_before(text))
        remembered = self._remembered
        found = remembered.get(value)
        if found is None:
            if len(remembered) == _MAX_REMEMBERED:
                remembered.clear()
            state = self.state.with_seen(canonical(read(value)))
            found = remembered[value] = self.documents.items(state, self.after, self.depth)
        return found

    def plenty(self) -> bool:
        return self.state.plenty()


class ObjectRest(Continuation):
    """An object's next member or its end; ``first``: no member came yet."""

    __slots__ = ("after", "depth", "is_first", "state")

    def __init__(
        self, documents: Documents, state: ObjectState, after: Continuation, depth: int, is_first: bool
    ) -> None:
        super().__init__(documents)
        self.state, self.after, self.depth, self.is_first = state, after, depth, is_first

    def _open(self) -> Sequence[Thread]:
        documents, state, depth = self.documents, self.state, self.depth
        threads: list[Thread] = []
        if state.closable():
            threads.append((documents.closing(b"}", depth, self.is_first), self.after))
        if state.goes_on():
            name = documents.member_name(state, self.after, depth)
            separator = documents.separator(depth, self.is_first)
            if separator and documents.is_flexible:
                threads.append((literal(separator), documents.gap(documents.fixed(b'"', name), depth)))
            else:
                threads.append((literal(separator + b'"'), name))
        return threads


class MemberName(Continuation):
    """Inside the name of an object's next member. It is what follows a :class:`.names.Name` as well."""

    __slots__ = ("after", "depth", "state")

    def __init__(self, documents: Documents, state: ObjectState, after: Continuation, depth: int) -> None:
        super().__init__(documents)
        self.state, self.after, self.depth = state, after, depth

    def _open(self) -> Sequence[Thread]:
        documents, state = self.documents, self.state
        threads: list[Thread] = []
        declared = documents.names(state)
        if declared is not None:
            threads.append((declared, self))
        for c, term in state.undeclared():
            after = documents.undeclared_member(state, c, None, self.after, self.depth)
            threads.append((documents.other_names(state, term), after))
        return threads

    def member(self, index: int) -> Continuation:
        return self.documents.declared_member(self.state, index, self.after, self.depth)


class Declared(Continuation):
    """After the quote that closes the name of declared member ``index``."""

    __slots__ = ("after", "depth", "index", "state")

    def __init__(self, documents: Documents, state: ObjectState, index: int, after: Continuation, depth: int) -> None:
        super().__init__(documents)
        self.state, self.index, self.after, self.depth = state, index, after, depth

    @property
    def first(self) -> bytes | None:  # type: ignore[override]
        return self.documents.after_name

    def _open(self) -> Sequence[Thread]:
        return self.documents.member(self.state.declared(self.index), self.after, self.depth)


class Undeclared(Continuation):
    """The same after a name of class ``c`` of those that are not declared; ``name`` None: it is not known yet."""

    __slots__ = ("after", "c", "depth", "name", "state")

    def __init__(
        self, documents: Documents, state: ObjectState, c: int, name: str | None, after: Continuation, depth: int
    ) -> None:
        super().__init__(documents)
        self.state, self.c, self.name, self.after, self.depth = state, c, name, after, depth

    @property
    def first(self) -> bytes | None:  # type: ignore[override]
        return self.documents.after_name

    @property
    def captures(self) -> Capture | None:  # type: ignore[override]
        return self._named if self.name is None else None

    def _named(self, text: bytes | bytearray) -> Continuation:
        return self.documents.undeclared_member(self.state, self.c, name_before(text), self.after, self.depth)

    def _open(self) -> Sequence[Thread]:
        return self.documents.member(self.state.undeclared_next(self.c, self.name), self.after, self.depth)

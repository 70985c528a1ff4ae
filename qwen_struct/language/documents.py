"""The language of a schema: all canonical JSON texts of its values, walked byte by byte.

A position in a document is a set of threads. A thread is a lexeme being read and a continuation: what comes when the
lexeme has ended. Continuations are linked frames, one for each open array or object, interned like everything else, so
that equal positions are one object and whoever walks may remember what it learnt about them. There is more than one
thread only where a choice in the schema is still open. A state exists only if some document completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from enum import Enum
from functools import cache, partial

from ..schema.algebra import ARRAY, FALSE_, NULL, NUMBER, OBJECT, STRING, TRUE_, Expr
from .arrays import ArrayState, array_states
from .charset import CharSet
from .lexemes import END, QUOTE, Lexeme, Literal, literal, number, text
from .members import mask_of
from .objects import ObjectState, object_states
from .terms import EPSILON, Term, chars, concat, repeat, union
from .terms import literal as fixed
from .texts import name_before, spelled, value_before
from .values import Values
from .witnesses import canonical, read

_QUOTE, _BRACKET, _BRACE = literal(b'"'), literal(b"["), literal(b"{")
_WORDS = ((NULL, literal(b"null")), (FALSE_, literal(b"false")), (TRUE_, literal(b"true")))
_MAX_REMEMBERED = 256  # items of an array whose continuations are remembered by their texts


class Whitespace(Enum):
    """Where blanks stand: nowhere, as ``json.dumps`` writes by default, or as with ``indent=2``.

    FLEXIBLE leaves it to the model within bounds: at each place where JSON allows blanks one space or, but for the
    place before a colon, one line break and up to four blanks for each array and object that is open there.
    """

    COMPACT = "compact"
    SPACED = "spaced"
    INDENTED = "indented"
    FLEXIBLE = "flexible"


class Continuation:
    """What comes after a lexeme. ``open`` gives the threads there; built by :class:`Documents` only.

    ``captures`` is set where what comes depends on the name or item just read; ``open`` then gives what may come after
    one of them at least. ``plenty`` tells names (None) from items: whether a next item is left whatever was read.
    ``first`` is set where all threads begin with that text, so that whoever looks no further need not open it.
    """

    __slots__ = ("_documents", "_threads", "_way", "captures", "first", "plenty")

    def __init__(
        self,
        documents: Documents,
        way: tuple,
        captures: Capture | None = None,
        plenty: Callable[[], bool] | None = None,
        first: bytes | None = None,
    ) -> None:
        self._documents, self._way = documents, way  # kind and arguments, by which it is found as well
        self._threads: tuple[Thread, ...] | None = None
        self.captures, self.plenty, self.first = captures, plenty, first

    def open(self) -> tuple[Thread, ...]:
        """The threads at this point."""
        threads = self._threads
        if threads is None:
            threads = self._threads = tuple(self.kind(self._documents, *self.arguments))
        return threads

    @property
    def kind(self) -> Callable[..., Iterable[Thread]]:
        """The method of :class:`Documents` that opens it."""
        return self._way[0]

    @property
    def arguments(self) -> tuple:
        """What the method is given."""
        return self._way[1:]


#: The continuation for the text read so far, which ends with a name or value that must not come again.
Capture = Callable[[bytes | bytearray], Continuation]
Thread = tuple[Lexeme, "Continuation"]
#: The lexeme that a value begins with, and what is inside of it where it is more than that.
Beginning = tuple[Lexeme, Term | ArrayState | ObjectState | None]


class Name(Lexeme):
    """Inside the name of a declared member; ``node`` is where in the trie of names."""

    __slots__ = ("after", "depth", "documents", "node", "state")
    in_string = True

    def __init__(
        self, documents: Documents, state: ObjectState, node: NameNode, after: Continuation, depth: int
    ) -> None:
        super().__init__(quote=node.ends_in(state))
        self.documents, self.state, self.node, self.after, self.depth = documents, state, node, after, depth

    def _build(self) -> dict[int, Lexeme]:
        return {
            byte: self.documents.name(self.state, child, self.after, self.depth)
            for byte, child in self.node.children.items()
            if child.reachable(self.state)
        }

    def run(self, text: bytes, at: int, end: int) -> Lexeme | None:
        node = self.node.after(text[at:end])
        if node is None or not node.reachable(self.state):
            return None
        return self if node is self.node else self.documents.name(self.state, node, self.after, self.depth)

    def closed(self, after: Continuation) -> Continuation:
        assert self.node.index is not None
        return self.documents.declared_member(self.state, self.node.index, self.after, self.depth)


class NameNode:
    """A node of the trie of an object's declared names, over the bytes of their JSON spelling.

    It stands for the names ``low`` to ``high`` of all, sorted by their spelling. Its children are made when they are
    asked for: of most names only the first bytes are ever looked at. Where a single name is left, nodes are made for
    the places alone that somebody stands at. ``depth`` is how many bytes lead here, ``index`` that of the name that
    ends here.
    """

    __slots__ = ("_bits", "_children", "_high", "_low", "_names", "_places", "depth", "index")

    def __init__(
        self,
        names: list[tuple[bytes, int]],
        low: int,
        high: int,
        depth: int,
        places: dict[int, NameNode] | None = None,
    ) -> None:
        self._names, self._low, self._high, self.depth = names, low, high, depth
        self._bits: int | None = None
        self._children: dict[int, NameNode] | None = None
        self._places = places  # the nodes of a single name by their depths, which they share
        self.index = names[low][1] if low < high and len(names[low][0]) == depth else None

    @property
    def indices(self) -> list[int]:
        """The names at and below this node, ascending."""
        return sorted([index for _, index in self._names[self._low : self._high]])

    @property
    def bits(self) -> int:
        """``indices`` as a bit mask."""
        if self._bits is None:
            self._bits = mask_of(self.indices)
        return self._bits

    @property
    def only(self) -> tuple[bytes, int] | None:
        """Where a single name is left: what is to come of it, and its index."""
        if self._low + 1 != self._high:
            return None
        name, index = self._names[self._low]
        return name[self.depth :], index

    @property
    def children(self) -> dict[int, NameNode]:
        """The nodes after one more byte."""
        only = self.only
        if only is not None:
            rest, _ = only
            return {rest[0]: self._place(self.depth + 1)} if rest else {}
        children = self._children
        if children is None:
            children = {}
            names, depth, at = self._names, self.depth, self._low + (self.index is not None)
            while at < self._high:
                byte, first = names[at][0][depth], at
                while at < self._high and names[at][0][depth] == byte:
                    at += 1
                children[byte] = NameNode(names, first, at, depth + 1)
            self._children = children
        return children

    def _place(self, depth: int) -> NameNode:
        """The node of this single name at ``depth``."""
        places = self._places
        if places is None:
            places = self._places = {self.depth: self}
        found = places.get(depth)
        if found is None:
            found = places.setdefault(depth, NameNode(self._names, self._low, self._high, depth, places))
        return found

    def after(self, text: bytes) -> NameNode | None:
        """The node after ``text``; None where no name goes on with it."""
        node = self
        for at, byte in enumerate(text):
            only = node.only
            if only is not None:
                goes_on = only[0].startswith(text[at:])
                return node._place(node.depth + len(text) - at) if goes_on else None
            following = node.children.get(byte)
            if following is None:
                return None
            node = following
        return node

    def reachable(self, state: ObjectState) -> bool:
        """Whether a name at or below this node can come next."""
        return state.possible_among(self.bits)

    def ends_in(self, state: ObjectState) -> bool:
        """Whether a name that can come next ends at this node."""
        return self.index is not None and state.possible(self.index)


class Documents:
    """The automaton of one schema. ``start`` is the set of threads before the document's first byte."""

    def __init__(self, values: Values, root: Expr, whitespace: Whitespace = Whitespace.SPACED) -> None:
        self.values = values
        self.style = whitespace
        self._interned: dict[Hashable, Continuation] = {}
        self._names: dict[int, NameNode] = {}
        self._name_states: dict[Hashable, Name] = {}
        self._beginnings: dict[Expr, list[Beginning]] = {}
        spaced = whitespace in (Whitespace.SPACED, Whitespace.INDENTED)
        self._colon = b": " if spaced else b":"
        self._after_name = None if whitespace is Whitespace.FLEXIBLE else self._colon
        self._comma = b"," if whitespace is not Whitespace.SPACED else b", "
        self.done = Continuation(self, (Documents._open_end,))
        values.strict = False  # the root has a value, so that from here on what takes too long can be left out
        self.start = self._value(root, self.done, 0).open()

    # Continuations, each under the key that makes it one object. ------------------------------------------------

    def _cont(
        self,
        open_: Callable[..., Iterable[Thread]],
        *arguments: object,
        key: Hashable = None,
        captures: Capture | None = None,
        plenty: Callable[[], bool] | None = None,
        first: bytes | None = None,
    ) -> Continuation:
        """The continuation whose threads are ``open_(self, *arguments)``, one for these or for ``key``."""
        way = (open_, *arguments)
        key = key or way
        found = self._interned.get(key)
        if found is None:
            found = self._interned.setdefault(key, Continuation(self, way, captures, plenty, first))
        return found

    def _open_end(self) -> Iterable[Thread]:
        return [(END, self.done)]

    def _open_nothing(self) -> Iterable[Thread]:
        return ()

    def merge(self, continuations: Iterable[Continuation]) -> Continuation:
        """Any of ``continuations``."""
        parts = dict.fromkeys(continuations)
        if len(parts) == 1:
            return next(iter(parts))
        key = ("any", frozenset(parts))
        capturing = [c for c in parts if c.captures is not None]
        if not capturing:
            return self._cont(Documents._open_any, tuple(parts), key=key)
        plain = [c for c in parts if c.captures is None]
        counts = [c.plenty for c in capturing if c.plenty is not None]
        return self._cont(
            Documents._open_any,
            tuple(parts),
            key=key,
            captures=lambda text: self.merge([*plain, *(c.captures(text) for c in capturing if c.captures)]),
            plenty=(lambda: all(plenty() for plenty in counts)) if counts else None,
        )

    def _open_any(self, parts: Iterable[Continuation]) -> Iterable[Thread]:
        return self.joined(thread for part in parts for thread in part.open())

    def joined(self, threads: Iterable[Thread]) -> list[Thread]:
        """``threads`` with those at the same lexeme made one."""
        threads = list(threads)
        if len({lexeme for lexeme, _ in threads}) == len(threads):
            return threads
        by_lexeme: dict[Lexeme, list[Continuation]] = {}
        for lexeme, continuation in threads:
            by_lexeme.setdefault(lexeme, []).append(continuation)
        return [(lexeme, cs[0] if len(cs) == 1 else self.merge(cs)) for lexeme, cs in by_lexeme.items()]

    def _value(self, formula: Expr, after: Continuation, depth: int) -> Continuation:
        return self._cont(Documents._open_value, formula, after, depth)

    def _open_value(self, formula: Expr, after: Continuation, depth: int) -> Iterable[Thread]:
        known = self._beginnings.get(formula)
        if known is None:
            known = self._find_beginnings(formula)
        return self.joined([(lexeme, self._inside(what, after, depth)) for lexeme, what in known])

    def _find_beginnings(self, formula: Expr) -> list[Beginning]:
        found, firm = self.values.firmly(lambda: self.values.gather(lambda: self._begin(formula)))
        if firm:
            self._beginnings[formula] = found
        return found

    def _begin(self, formula: Expr) -> Iterable[Beginning]:
        """How values of ``formula`` can begin, and what is then read."""
        values = self.values
        types = values.types(formula)
        for kind, word in _WORDS:
            if types & kind and values.has_value(formula, kind):
                yield word, None
        if types & STRING and self._may_be(formula, STRING):
            yield _QUOTE, values.string_term(values.restrict(formula, STRING))
        if types & NUMBER and self._may_be(formula, NUMBER):
            yield number(values.number_term(values.restrict(formula, NUMBER))), None
        if types & ARRAY:
            for array in values.viable_states(array_states(values, values.restrict(formula, ARRAY))):
                yield _BRACKET, array
        if types & OBJECT:
            for object_ in values.viable_states(object_states(values, values.restrict(formula, OBJECT))):
                yield _BRACE, object_

    def _inside(self, what: Term | ArrayState | ObjectState | None, after: Continuation, depth: int) -> Continuation:
        if what is None:
            return after
        if isinstance(what, Term):
            return self._cont(Documents._open_text, what, after)
        if isinstance(what, ArrayState):
            return self._items(what, after, depth + 1, first=True)
        return self._members(what, after, depth + 1, first=True)

    def _open_text(self, term: Term, after: Continuation) -> Iterable[Thread]:
        return [(text(term), after)]

    def _may_be(self, formula: Expr, kind: int) -> bool:
        return self.values.viable((formula, kind), lambda: self.values.has_value(formula, kind))

    def _gap(self, after: Continuation, depth: int) -> Continuation:
        """``after``, and blanks before it where the style leaves them open; ``depth`` 0: no line break."""
        if self.style is not Whitespace.FLEXIBLE:
            return after
        return self._cont(Documents._open_gap, after, depth)

    def _open_gap(self, after: Continuation, depth: int) -> Iterable[Thread]:
        return [(number(_blanks(depth)), after), *after.open()]

    def _separator(self, depth: int, first: bool) -> bytes:
        comma = b"" if first else self._comma
        return comma + b"\n" + b"  " * depth if self.style is Whitespace.INDENTED else comma

    def _closing(self, bracket: bytes, depth: int, first: bool) -> Literal:
        if self.style is Whitespace.INDENTED and not first:
            return literal(b"\n" + b"  " * (depth - 1) + bracket)
        return literal(bracket)

    # Arrays. ----------------------------------------------------------------------------------------------------

    def _items(self, state: ArrayState, after: Continuation, depth: int, first: bool = False) -> Continuation:
        return self._gap(self._cont(Documents._open_items, state, after, depth, first), depth)

    def _open_items(self, state: ArrayState, after: Continuation, depth: int, first: bool) -> Iterable[Thread]:
        return self.joined(self._item_threads(state, after, depth, first))

    def _item_threads(self, state: ArrayState, after: Continuation, depth: int, first: bool) -> Iterable[Thread]:
        if state.closable():
            yield self._closing(b"]", depth, first), after
        separator = self._separator(depth, first)
        following = [self._value(v, self._after_item(s, after, depth), depth) for v, s in state.next_items()]
        if following:
            item = self.merge(following)
            if separator:
                yield literal(separator), self._gap(item, depth)
            else:
                yield from item.open()

    def _after_item(self, state: ArrayState, after: Continuation, depth: int) -> Continuation:
        if not state.remembers:
            return self._items(state, after, depth)

        remembered: dict[bytes, Continuation] = {}

        def known(text: bytes | bytearray) -> Continuation:
            value = bytes(value_before(text))
            found = remembered.get(value)
            if found is None:
                if len(remembered) == _MAX_REMEMBERED:
                    remembered.clear()
                found = remembered[value] = self._items(state.with_seen(canonical(read(value))), after, depth)
            return found

        return self._cont(Documents._open_next, state, after, depth, captures=known, plenty=state.plenty)

    def _open_next(self, state: ArrayState, after: Continuation, depth: int) -> Iterable[Thread]:
        return self._items(state, after, depth).open()

    # Objects. ---------------------------------------------------------------------------------------------------

    def _members(self, state: ObjectState, after: Continuation, depth: int, first: bool = False) -> Continuation:
        return self._gap(self._cont(Documents._open_members, state, after, depth, first), depth)

    def _open_members(self, state: ObjectState, after: Continuation, depth: int, first: bool) -> Iterable[Thread]:
        return self.joined(self._member_threads(state, after, depth, first))

    def _member_threads(self, state: ObjectState, after: Continuation, depth: int, first: bool) -> Iterable[Thread]:
        if state.closable():
            yield self._closing(b"}", depth, first), after
        if state.goes_on():
            name = self._cont(Documents._open_name, state, after, depth)
            separator = self._separator(depth, first)
            if separator and self.style is Whitespace.FLEXIBLE:
                opening = self._cont(Documents._open_literal, b'"', name)
                yield literal(separator), self._gap(opening, depth)
            else:
                yield literal(separator + b'"'), name

    def _open_name(self, state: ObjectState, after: Continuation, depth: int) -> Iterable[Thread]:
        root = self._names.get(id(state.spec))
        if root is None:
            root = self._names[id(state.spec)] = _name_trie(state.spec.names)
        if root.reachable(state):
            yield self.name(state, root, after, depth), self.done  # a name knows by itself what comes after it
        for c, term in state.undeclared():
            yield text(term), self._undeclared_member(state, c, None, after, depth)

    def name(self, state: ObjectState, node: NameNode, after: Continuation, depth: int) -> Name:
        """The state inside a declared name."""
        key = (state, node, after)
        found = self._name_states.get(key)
        if found is None:
            found = self._name_states.setdefault(key, Name(self, state, node, after, depth))
        return found

    def declared_member(self, state: ObjectState, index: int, after: Continuation, depth: int) -> Continuation:
        """After the quote that closes the name of declared member ``index``."""
        return self._cont(Documents._open_declared, state, index, after, depth, first=self._after_name)

    def _open_declared(self, state: ObjectState, index: int, after: Continuation, depth: int) -> Iterable[Thread]:
        return self._open_member(state.declared(index), after, depth)

    def _undeclared_member(
        self, state: ObjectState, c: int, name: str | None, after: Continuation, depth: int
    ) -> Continuation:
        arguments = state, c, name, after, depth
        captures = None if name is not None else partial(self._after_undeclared, state, c, after, depth)
        return self._cont(Documents._open_undeclared, *arguments, captures=captures, first=self._after_name)

    def _after_undeclared(
        self, state: ObjectState, c: int, after: Continuation, depth: int, text: bytes | bytearray
    ) -> Continuation:
        return self._undeclared_member(state, c, name_before(text), after, depth)

    def _open_undeclared(
        self, state: ObjectState, c: int, name: str | None, after: Continuation, depth: int
    ) -> Iterable[Thread]:
        return self._open_member(state.undeclared_next(c, name), after, depth)

    def _open_member(self, alternatives: list, after: Continuation, depth: int) -> Iterable[Thread]:
        value = self.merge([self._value(v, self._members(s, after, depth), depth) for v, s in alternatives])
        if self.style is not Whitespace.FLEXIBLE:
            return [(literal(self._colon), value)]
        colon = self._cont(Documents._open_literal, self._colon, self._gap(value, depth))
        return self._gap(colon, 0).open()

    def _open_literal(self, text: bytes, after: Continuation) -> Iterable[Thread]:
        return [(literal(text), after)]


@cache
def _blanks(depth: int) -> Term:
    blanks = chars(CharSet.of(" \t"))
    line = concat(fixed("\n"), repeat(blanks, 0, 4 * depth)) if depth else EPSILON
    return union(EPSILON, fixed(" "), line)


def _name_trie(names: tuple[str, ...]) -> NameNode:
    return NameNode(sorted([(spelled(name), index) for index, name in enumerate(names)]), 0, len(names), 0)


__all__ = ["QUOTE", "Capture", "Continuation", "Documents", "Name", "Thread", "Whitespace"]

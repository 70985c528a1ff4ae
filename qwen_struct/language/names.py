"""The names of an object's declared members: a trie of their spellings, and the lexemes inside one of them and beside
them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container
from functools import cached_property
from typing import TYPE_CHECKING

from .lexemes import FREE, QUOTE, Lexeme, Text, plain_text, text
from .members import beside, mask_of
from .texts import spelled

if TYPE_CHECKING:
    from .continuations import Continuation
    from .objects import ObjectState
    from .terms import Term


class Name(Lexeme):
    """Inside the name of a declared member, at ``node`` of the trie of names.

    ``bits`` are the names at and below the node that can come; the state is the same for all objects that agree in
    these. Where it would take too long to ask for each of many names, ``bits`` is None, and ``state`` is asked.
    """

    __slots__ = ("bits", "node", "state")
    in_string = True

    def __init__(self, node: NameNode, bits: int | None, state: ObjectState | None) -> None:
        self.node, self.bits, self.state = node, bits, state
        super().__init__(quote=node.index is not None and self.possible(node.index))

    def possible(self, index: int) -> bool:
        """Whether the declared member ``index``, one of the node's, can come."""
        if self.bits is not None:
            return bool(self.bits >> index & 1)
        assert self.state is not None
        return self.state.possible(index)

    def reachable(self, node: NameNode) -> bool:
        """Whether a name at or below ``node``, which is below this one, can come."""
        if self.bits is not None:
            return self.bits & node.bits != 0
        assert self.state is not None
        return self.state.possible_among(node.bits)

    def below(self, node: NameNode) -> Name | None:
        """The state at ``node``, which is below this one; None where no name can come."""
        if self.bits is None:
            assert self.state is not None
            return name_at(node, self.state)
        bits = self.bits & node.bits
        return node.name(bits, None) if bits else None

    def _build(self) -> dict[int, Lexeme]:
        found = [(byte, self.below(child)) for byte, child in self.node.children]
        return {byte: state for byte, state in found if state is not None}

    def run(self, text: bytes, at: int, end: int) -> Lexeme | None:
        node = self.node.after(text[at:end])
        if node is None or node is self.node:
            return None if node is None else self
        return self.below(node)

    def closed(self, after: Continuation) -> Continuation:
        assert self.node.index is not None
        return after.member(self.node.index)


def name_at(node: NameNode, state: ObjectState) -> Name | None:
    """The state at ``node`` for an object in ``state``; None where no name can come."""
    bits = state.possible_of(node.bits)
    if bits is None:
        return node.name(None, state) if state.possible_among(node.bits) else None
    return node.name(bits, None) if bits else None


class OtherName(Text):
    """Inside a name that is none of the declared ones, though it begins as those at and below ``node`` do.

    It stands between two characters, like any :class:`.lexemes.Text`. What it is as one is worked out when somebody
    wants to know more than which names are left: no term comes into being for each beginning of a name.
    """

    __slots__ = ("_same", "node")

    def __init__(self, node: NameNode) -> None:
        Lexeme.__init__(self, quote=node.index is None)
        self.node = node
        self._same: Text | None = None

    @property
    def same(self) -> Text:
        """The state of the same language that is not bound to the names."""
        same = self._same
        if same is None:
            found = self.node.beside
            assert type(found) is Text
            same = self._same = found
        return same

    @property
    def term(self) -> Term:  # type: ignore[override]
        return self.same.term

    def move(self, byte: int) -> Lexeme | None:
        return None if byte == QUOTE else self.run(bytes((byte,)), 0, 1)

    def run(self, text: bytes, at: int, end: int) -> Lexeme | None:
        node = self.node.after(text[at:end])
        return FREE.run(text, at, end) if node is None else node.other(plain_text(text[at:end]))

    def groups(self) -> list[tuple[bytes, Lexeme]]:
        return self.same.groups()


class NameNode:
    """A node of the trie of an object's declared names, over the bytes of their JSON spelling.

    It stands for the names ``low`` to ``high`` of the sorted ones in ``trie``, which begin with the same ``depth``
    bytes. Nodes are made where somebody stands; most names are read in few tokens. ``index`` is that of the name that
    ends here.
    """

    __slots__ = ("_bits", "_high", "_low", "_name", "_next", "_other", "_others", "depth", "index", "trie")

    def __init__(self, trie: NameTrie, low: int, high: int, depth: int) -> None:
        self.trie, self._low, self._high, self.depth = trie, low, high, depth
        self._bits: int | None = None
        self._next: bytes | None = None
        self.index = trie.indices[low] if low < high and len(trie.spellings[low]) == depth else None
        self._name: Name | None = None  # the state made last; there are others where objects differ
        self._others: dict[int | ObjectState, Name] | None = None
        self._other: Lexeme | None = None

    def __len__(self) -> int:
        """How many names there are at and below this node."""
        return self._high - self._low

    @property
    def indices(self) -> list[int]:
        """The names at and below this node, ascending."""
        return sorted(self.trie.indices[self._low : self._high])

    @property
    def bits(self) -> int:
        """``indices`` as a bit mask."""
        bits = self._bits
        if bits is None:
            low, high = self._low, self._high
            bits = self._bits = 1 << self.trie.indices[low] if low + 1 == high else mask_of(self.indices)
        return bits

    @property
    def begun(self) -> bytes:
        """What is read of the names here."""
        return self.trie.spellings[self._low][: self.depth] if self.depth else b""

    @property
    def beside(self) -> Lexeme:
        """The same state as :meth:`other` has, in the language of all other names."""
        found = text(self.trie.others).run(self.begun, 0, self.depth)
        assert found is not None
        return found

    @property
    def only(self) -> tuple[bytes, int] | None:
        """Where a single name is left: what is to come of it, and its index."""
        if self._low + 1 != self._high:
            return None
        return self.trie.spellings[self._low][self.depth :], self.trie.indices[self._low]

    @property
    def names(self) -> list[tuple[bytes, int]]:
        """What is to come of each name at and below this node, with its index."""
        depth, trie = self.depth, self.trie
        return [(trie.spellings[at][depth:], trie.indices[at]) for at in range(self._low, self._high)]

    @property
    def next_bytes(self) -> bytes:
        """The bytes that names go on with."""
        found = self._next
        if found is None:
            depth, at = self.depth, self._low + (self.index is not None)
            found = self._next = bytes({name[depth] for name in self.trie.spellings[at : self._high]})
        return found

    @property
    def children(self) -> list[tuple[int, NameNode]]:
        """The nodes after one more byte, each with the byte."""
        nodes = [(byte, self.after(bytes((byte,)))) for byte in sorted(self.next_bytes)]
        return [(byte, node) for byte, node in nodes if node is not None]

    def begins(self, bytes_: Container[int]) -> bool:
        """Whether what is to come of some name, with its quote, begins with one of ``bytes_``."""
        if self.index is not None and QUOTE in bytes_:
            return True
        for byte in self.next_bytes:
            if byte in bytes_:
                return True
        return False

    def after(self, text: bytes) -> NameNode | None:
        """The node after ``text``; None where no name goes on with it."""
        names, high = self.trie.spellings, self._high
        start = self.begun + text
        low = bisect_left(names, start, self._low, high)
        if low == high or not names[low].startswith(start):
            return None
        end, depth = low + 1, len(start)
        if end < high and names[end].startswith(start):
            end = bisect_right(names, start, end, high, key=lambda name: name[:depth])
        return self.trie.node(low, end, depth)

    def name(self, bits: int | None, state: ObjectState | None) -> Name:
        """The one state here with these ``bits`` or, where they are None, for ``state``."""
        name = self._name
        if name is not None and name.bits == bits and name.state is state:
            return name
        if name is None:
            self._name = name = Name(self, bits, state)
            return name
        if self._others is None:
            self._others = {}
        key = bits if state is None else state
        assert key is not None
        found = self._others.get(key)
        if found is None:
            found = self._others.setdefault(key, Name(self, bits, state))
        return found

    def ends(self, text: bytes) -> bool:
        """Whether ``text`` is what is to come of one of the names."""
        names, start = self.trie.spellings, self.begun + text
        at = bisect_left(names, start, self._low, self._high)
        return at < self._high and names[at] == start

    def other(self, between: bool = False) -> Lexeme:
        """The state here inside a name that is not declared; ``between``: it is known to be between two characters."""
        other = self._other
        if other is None:
            between = between or FREE.run(self.begun, 0, self.depth) is FREE
            other = self._other = OtherName(self) if between else self.beside
        return other


class NameTrie:
    """The names of an object's declared members: their ``spellings``, sorted, and their ``indices`` in that order."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        spellings = sorted([(spelled(name), index) for index, name in enumerate(names)])
        self.spellings = tuple([spelling for spelling, _ in spellings])
        self.indices = tuple([index for _, index in spellings])
        self._nodes: dict[tuple[int, int], NameNode] = {}
        self.root = self.node(0, len(names), 0)

    @cached_property
    def others(self) -> Term:
        """All names but these."""
        return beside(self._names)

    def node(self, low: int, high: int, depth: int) -> NameNode:
        """The one node at ``depth`` for the names ``low`` to ``high``."""
        found = self._nodes.get((low, depth))
        if found is None:
            found = self._nodes.setdefault((low, depth), NameNode(self, low, high, depth))
        return found

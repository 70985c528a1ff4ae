"""Tries of tokens: the whole vocabulary in flat arrays, and small ones for what may follow inside a token."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

_NOTHING: tuple[int, ...] = ()


class TrieNode:
    """A place inside tokens: those that end here, and the nodes one byte further. ``index`` is in the flat arrays."""

    __slots__ = ("_children", "index", "tokens", "trie")

    def __init__(self, trie: TokenTrie | None, index: int, tokens: tuple[int, ...]) -> None:
        self.trie, self.index, self.tokens = trie, index, tokens
        self._children: dict[int, TrieNode] | None = None

    @property
    def children(self) -> dict[int, TrieNode]:
        children = self._children
        if children is None:
            assert self.trie is not None
            children = self._children = self.trie.children_of(self.index)
        return children

    @property
    def goes_on(self) -> bool:
        """Whether there are longer tokens."""
        return bool(self._children) if self.trie is None else self.trie.size(self.index) > 1

    def path(self, text: bytes) -> Iterator[TrieNode]:
        """The nodes after each byte of ``text``, as far as there are any."""
        node = self
        for byte in text:
            following = node.children.get(byte)
            if following is None:
                return
            yield following
            node = following

    def along(self, text: bytes) -> tuple[list[int], TrieNode | None]:
        """The tokens that end on the way of ``text``, and the node after it; None where there is none."""
        if self.trie is not None:
            tokens, end = self.trie.along(self.index, text)
            return tokens, None if end < 0 else self.trie.node(end)
        path = list(self.path(text))
        tokens = [token for passed in path for token in passed.tokens]
        return tokens, None if len(path) < len(text) else path[-1] if path else self

    def tokens_along(self, text: bytes) -> list[int]:
        """These tokens alone."""
        return self.along(text)[0] if self.trie is None else self.trie.along(self.index, text)[0]


class TokenTrie:
    """The trie of all tokens in preorder arrays, shape (num_nodes,): byte, depth, skip (the node after the subtree),
    token.

    Tokens with equal bytes share a node; the first stands in ``token``, the rest in ``twins``.
    """

    def __init__(self, tokens: Sequence[bytes | None]) -> None:
        self.num_ids = len(tokens)
        order = sorted((token, i) for i, token in enumerate(tokens) if token is not None)
        self.twins: dict[int, tuple[int, ...]] = {}  # first token id -> all of them
        distinct: list[bytes] = []
        first: list[int] = []
        for token, i in order:
            if distinct and distinct[-1] == token:
                self.twins[first[-1]] = (*self.twins.get(first[-1], (first[-1],)), i)
            else:
                distinct.append(token)
                first.append(i)
        self._first = np.array([f for f, same in self.twins.items() for _ in same[1:]], np.int32)
        self._later = np.array([t for same in self.twins.values() for t in same[1:]], np.int32)
        self.max_length = max(map(len, distinct), default=0)  # bytes of the longest token
        self._fill(distinct, np.array(first, np.int32))
        self._nodes: dict[int, TrieNode] = {}
        self._children: dict[int, dict[int, int]] = {}  # of nodes that are passed, in numbers alone
        self.root = self.node(0)

    def _fill(self, distinct: list[bytes], first: np.ndarray) -> None:
        from .kernels import build_trie

        data = np.frombuffer(b"".join(distinct) or b"\0", np.uint8)
        offsets = np.zeros(len(distinct) + 1, np.int64)
        np.cumsum([len(token) for token in distinct], out=offsets[1:])
        room = int(offsets[-1]) + 1
        self.byte, self.depth = np.zeros(room, np.uint8), np.zeros(room, np.int32)
        self.skip, self.token = np.zeros(room, np.int32), np.zeros(room, np.int32)
        size = build_trie(data, offsets, self.byte, self.depth, self.skip, self.token)
        self.byte, self.depth = self.byte[:size].copy(), self.depth[:size].copy()
        self.skip, self.token = self.skip[:size].copy(), self.token[:size].copy()
        ends = self.token >= 0
        self.token[ends] = first[self.token[ends]]

    def node(self, index: int) -> TrieNode:
        """The node at ``index`` of the arrays."""
        found = self._nodes.get(index)
        if found is None:
            found = self._nodes.setdefault(index, TrieNode(self, index, self._tokens(index)))
        return found

    def _tokens(self, index: int) -> tuple[int, ...]:
        token = int(self.token[index])
        return _NOTHING if token < 0 else self.twins.get(token, (token,))

    def along(self, index: int, text: bytes) -> tuple[list[int], int]:
        """The same as :meth:`TrieNode.along` from the node at ``index``, in numbers; -1 where there is no node."""
        tokens: list[int] = []
        for byte in text:
            children = self._children.get(index)
            if children is None:
                children = self._children[index] = self._indices_below(index)
            index = children.get(byte, -1)
            if index < 0:
                return tokens, -1
            tokens += self._tokens(index)
        return tokens, index

    def with_twins(self, tokens: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``tokens``, the first of their kinds, and ``values`` for them, both with an entry more for each twin."""
        if not len(self._first):
            return tokens, values
        places = np.full(self.num_ids, -1, np.int32)
        places[tokens] = np.arange(len(tokens), dtype=np.int32)
        places = places[self._first]
        there = places >= 0
        return np.concatenate((tokens, self._later[there])), np.concatenate((values, values[places[there]]))

    def size(self, index: int) -> int:
        """The number of nodes below ``index``, itself included."""
        return int(self.skip[index]) - index

    def children_of(self, index: int) -> dict[int, TrieNode]:
        """The children of the node at ``index`` by their bytes."""
        return {byte: self.node(child) for byte, child in self._indices_below(index).items()}

    def _indices_below(self, index: int) -> dict[int, int]:
        children, child, end = {}, index + 1, int(self.skip[index])
        while child < end:
            children[int(self.byte[child])] = child
            child = int(self.skip[child])
        return children


def merged(nodes: Iterable[TrieNode]) -> TrieNode:
    """One node for several places that are gone on from in the same way: their tokens and children together."""
    parts = list(nodes)
    if len(parts) == 1:
        return parts[0]
    node = TrieNode(None, -1, tuple(t for part in parts for t in part.tokens))
    by_byte: dict[int, list[TrieNode]] = {}
    for part in parts:
        for byte, child in part.children.items():
            by_byte.setdefault(byte, []).append(child)
    node._children = {byte: merged(children) for byte, children in by_byte.items()}
    return node

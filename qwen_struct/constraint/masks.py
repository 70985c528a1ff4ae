"""Which tokens may come at a position.

A token either stays inside the lexeme being read, or closes it and goes on into what follows. The first part depends on
the lexeme alone and is remembered for all schemas (:class:`Content`); the second is a short walk, since few tokens
reach beyond a lexeme's end. The mask of a position is their union. Large parts of the vocabulary are walked by a
compiled kernel, the rest in Python.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..language.documents import Continuation, Name, Thread
from ..language.lexemes import END, QUOTE, Lexeme, Literal, Number, Text
from ..language.positions import Position
from ..language.terms import ANY, ANY_CHAR, Repeat
from .bitmask import Bitmask, allowed_tokens, row_of
from .trie import TrieNode, merged

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

_KERNEL_FROM = 96  # nodes: a smaller subtrie is walked in Python
_MAX_TABLE = 2_048  # states: a larger automaton is walked in Python


class Content(NamedTuple):
    """What a lexeme allows from a trie node on: the tokens that end inside it or with its end, and where it ends.

    ``row`` is a mask row, or None where ``tokens`` lists all of them. ``exits`` merges the nodes at which the lexeme
    ended.
    """

    row: Bitmask | None
    tokens: tuple[int, ...]
    exits: TrieNode | None


class Mask(NamedTuple):
    """A position's mask. ``unsettled`` are tokens in ``row`` that depend on the names read so far as well."""

    row: Bitmask
    unsettled: tuple[int, ...]


class _Found:
    """What a walk collects.

    ``after_name``: the walk has closed a name whose text the position does not know; past a comma, another name may
    follow, which must not repeat it. ``after_item``: the same of an item that must differ from those to come: 1 up to
    the end of the separator after it, 2 from there on, or at once where few items are left to choose from.
    """

    __slots__ = ("after_item", "after_name", "rows", "seen", "tokens", "unsettled")

    def __init__(self) -> None:
        self.after_item = 0
        self.rows: dict[int, Bitmask] = {}
        self.tokens: set[int] = set()
        self.unsettled: set[int] = set()
        self.seen: set[tuple[Lexeme, Continuation, TrieNode]] = set()
        self.after_name = False


class MaskBuilder:
    """Masks for one vocabulary."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._contents: dict[tuple[Lexeme, TrieNode], Content] = {}
        self._merged: dict[tuple[int, ...], TrieNode] = {}
        self._rows: dict[tuple, Bitmask] = {}
        self._free: _FreeText | None = None

    def mask(self, position: Position) -> Mask:
        """The mask of ``position``; remembered on it."""
        if position.info is None:
            with self._vocabulary.lock:
                position.info = self._build(position)
        assert isinstance(position.info, Mask)
        return position.info

    def _build(self, position: Position) -> Mask:
        found = _Found()
        self._collect(position.threads, self._vocabulary.trie.root, found)
        if position.accepting:
            found.tokens.update(self._vocabulary.eos_token_ids)
        key = (tuple(sorted(found.rows)), frozenset(found.tokens))
        row = self._rows.get(key)
        if row is None:
            row = row_of(found.tokens, self._vocabulary.n_vocab)
            for other in found.rows.values():
                row |= other
            row.flags.writeable = False
            self._rows[key] = row
        return Mask(row, tuple(sorted(found.unsettled)))

    # The walk. --------------------------------------------------------------------------------------------------

    def _collect(self, threads: Iterable[Thread], node: TrieNode, found: _Found) -> None:
        """Adds the tokens below ``node`` that one of ``threads`` reads."""
        for lexeme, after in threads:
            key = (lexeme, after, node)
            if lexeme is END or key in found.seen:
                continue
            found.seen.add(key)
            if type(lexeme) is Literal:
                self._literal(lexeme.text, after, node, found)
            elif type(lexeme) is Name:
                self._name(lexeme, after, node, found)
            else:
                self._lexeme(lexeme, after, node, found)

    def _literal(self, text: bytes, after: Continuation, node: TrieNode, found: _Found) -> None:
        for byte in text:
            child = node.children.get(byte)
            if child is None:
                return
            self._add(child.tokens, found)
            node = child
        if node.children:
            self._follow(after, node, found)

    def _name(self, lexeme: Lexeme, after: Continuation, node: TrieNode, found: _Found) -> None:
        for byte, child in node.children.items():
            if byte == QUOTE and lexeme.quote:
                self._add(child.tokens, found)
                if child.children:
                    self._collect(lexeme.closed(after).open(), child, found)
            else:
                moved = lexeme.moves.get(byte)
                if moved is not None:
                    self._add(child.tokens, found)
                    self._name(moved, after, child, found)

    def _lexeme(self, lexeme: Lexeme, after: Continuation, node: TrieNode, found: _Found) -> None:
        content = self.content(lexeme, node)
        if content.row is not None:
            if found.after_name or found.after_item:
                self._add(allowed_tokens(content.row), found)
            else:
                found.rows[id(content.row)] = content.row
        self._add(content.tokens, found)
        if content.exits is not None and content.exits.children:
            self._follow(after, content.exits, found)

    def _follow(self, after: Continuation, node: TrieNode, found: _Found) -> None:
        """Goes on where a lexeme has ended."""
        before = found.after_name, found.after_item
        if found.after_item:
            found.after_item = 2
        elif after.captures is not None:
            if after.plenty is None:
                found.after_name = True
            else:
                found.after_item = 1 if after.plenty() else 2
        self._collect(after.open(), node, found)
        found.after_name, found.after_item = before

    def _add(self, tokens: Iterable[int], found: _Found) -> None:
        found.tokens.update(tokens)
        if found.after_item == 2:
            found.unsettled.update(tokens)
        elif found.after_name:
            texts = self._vocabulary.tokens
            found.unsettled.update(t for t in tokens if b"," in (texts[t] or b""))

    # Lexemes. ---------------------------------------------------------------------------------------------------

    def content(self, lexeme: Lexeme, node: TrieNode) -> Content:
        """What ``lexeme`` allows from ``node`` on; remembered for all schemas."""
        key = (lexeme, node)
        content = self._contents.get(key)
        if content is None:
            content = self._contents[key] = self._content(lexeme, node)
        return content

    def _content(self, lexeme: Lexeme, node: TrieNode) -> Content:
        trie = self._vocabulary.trie
        if node.trie is not None and trie.size(node.index) >= _KERNEL_FROM:
            if node is trie.root and type(lexeme) is Text and type(lexeme.term) is Repeat:
                if lexeme.term.body is ANY_CHAR and lexeme.term is not ANY:
                    return self._bounded_text(lexeme.term)
            table = _table(lexeme, trie.max_length)
            if table is not None:
                return self._walk_compiled(*table, node)
        return self._walk_python(lexeme, node)

    def _walk_python(self, lexeme: Lexeme, node: TrieNode) -> Content:
        tokens: list[int] = []
        exits: list[TrieNode] = []
        stack = [(lexeme, node)]
        while stack:
            state, here = stack.pop()
            for byte, child in here.children.items():
                moved = state.moves.get(byte)
                if moved is not None:
                    tokens += child.tokens
                    stack.append((moved, child))
                    if moved.nullable and child.children:
                        exits.append(child)
                elif byte == QUOTE and state.quote:
                    tokens += child.tokens
                    exits.append(child)
        row = row_of(tokens, self._vocabulary.n_vocab) if len(tokens) > 64 else None
        return Content(row, () if row is not None else tuple(tokens), merged(exits) if exits else None)

    def _walk_compiled(self, table: np.ndarray, ends: np.ndarray, node: TrieNode) -> Content:
        row, exits = self._run(table, ends, node)
        for exit_ in exits:
            for token in exit_.tokens:
                row[token >> 5] |= np.uint32(1 << (token & 31))
        self._add_twins(row)
        return Content(row.view(np.int32), (), self._merge(exits))

    def _run(self, table: np.ndarray, ends: np.ndarray, node: TrieNode) -> tuple[np.ndarray, list[TrieNode]]:
        from .kernels import walk

        trie = self._vocabulary.trie
        row = np.zeros(self._vocabulary.num_words, np.uint32)
        exits = np.zeros(1024, np.int32)
        while True:
            number = walk(trie.byte, trie.depth, trie.skip, trie.token, node.index, table, row, ends, exits)
            if number <= exits.size:
                return row, [trie.node(int(i)) for i in exits[:number]]
            exits = np.zeros(number, np.int32)

    def _add_twins(self, row: np.ndarray) -> None:
        for first, twins in self._vocabulary.trie.twins.items():
            if row[first >> 5] >> np.uint32(first & 31) & np.uint32(1):
                for token in twins:
                    row[token >> 5] |= np.uint32(1 << (token & 31))

    def _merge(self, exits: list[TrieNode]) -> TrieNode | None:
        if not exits:
            return None
        key = tuple(e.index for e in exits)
        node = self._merged.get(key)
        if node is None:
            node = self._merged[key] = merged(exits)
        return node

    def _bounded_text(self, term: Repeat) -> Content:
        """Free text of ``low`` to ``high`` characters, from the masks of free text by number of characters."""
        if self._free is None:
            self._free = _FreeText(self)
        return self._free.bounded(term.low, term.high)

    def free_text(self) -> tuple[np.ndarray, list[TrieNode]]:
        """All tokens that may stand inside a free string, as a row, and the nodes at which they close it."""
        from ..language.lexemes import text

        table = _table(text(ANY), self._vocabulary.trie.max_length)
        assert table is not None
        row, exits = self._run(*table, self._vocabulary.trie.root)
        self._add_twins(row)
        return row, exits


class _FreeText:
    """Free text by the number of characters that a token adds to it."""

    def __init__(self, builder: MaskBuilder) -> None:
        self._builder = builder
        vocabulary = builder._vocabulary
        self._tokens = vocabulary.tokens
        row, self._exits = builder.free_text()
        self._exit_lengths = [self._prefix_length(exit_) for exit_ in self._exits]
        bits = np.unpackbits(row.view(np.uint8), bitorder="little")[: vocabulary.n_vocab]
        ids = np.flatnonzero(bits)
        lengths = np.array([_num_characters(self._tokens[int(i)] or b"") for i in ids], np.int32)
        self._longest = int(max([lengths.max(initial=0), *self._exit_lengths], default=0))
        order = np.argsort(lengths, kind="stable")
        self._ids, self._lengths = ids[order], lengths[order]
        self._known: dict[tuple[int, int | None], Content] = {}

    def _prefix_length(self, exit_: TrieNode) -> int:
        """How many characters come before the closing quote on the way to ``exit_``."""
        trie = self._builder._vocabulary.trie
        index = exit_.index
        while trie.token[index] < 0:  # any token below shows the path
            index += 1
        path = (self._tokens[int(trie.token[index])] or b"")[: int(trie.depth[exit_.index]) - 1]
        return _num_characters(path)

    def bounded(self, low: int, high: int | None) -> Content:
        """The content of a string that needs ``low`` to ``high`` more characters."""
        key = (min(low, self._longest + 1), None if high is None or high > self._longest else high)
        content = self._known.get(key)
        if content is None:
            content = self._known[key] = self._build(*key)
        return content

    def _build(self, low: int, high: int | None) -> Content:
        vocabulary = self._builder._vocabulary
        at = len(self._ids) if high is None else int(np.searchsorted(self._lengths, high, side="right"))
        exits = [
            e for e, n in zip(self._exits, self._exit_lengths, strict=True) if n >= low and (high is None or n <= high)
        ]
        ids = [*self._ids[:at].tolist(), *(t for e in exits for t in e.tokens)]
        return Content(row_of(ids, vocabulary.n_vocab), (), self._builder._merge(exits))


def _num_characters(text: bytes) -> int:
    """The characters begun in a piece of the inside of a JSON string; an escape is one."""
    count, i = 0, 0
    while i < len(text):
        byte = text[i]
        if byte == 0x5C:
            i += 5 if text[i + 1 : i + 2] == b"u" else 1
            count += 1
        elif byte & 0xC0 != 0x80:
            count += 1
        i += 1
    return count


def _table(start: Lexeme, max_depth: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The automaton from ``start`` as deep as a token reaches: (states, 256) int32, and which states may end a number.

    None when it has too many states for a table to pay.
    """
    from .kernels import CLOSED, DEAD

    index: dict[Lexeme, int] = {start: 0}
    frontier, order = [start], [start]
    for _ in range(max_depth):
        following = []
        for state in frontier:
            for moved in state.moves.values():
                if moved not in index:
                    index[moved] = len(index)
                    following.append(moved)
        order += following
        if len(index) > _MAX_TABLE:
            return None
        frontier = following
        if not frontier:
            break
    table = np.full((len(order), 256), DEAD, np.int32)
    for i, state in enumerate(order):
        if state in frontier:
            continue  # one byte deeper than any token
        moves = state.moves
        table[i, list(moves)] = [index[m] for m in moves.values()]
        if state.quote:
            table[i, QUOTE] = CLOSED
    ends = np.array([type(state) is Number and state.nullable for state in order])
    return table, ends

"""Which tokens may come at a position.

A token either stays inside the lexeme being read, or closes it and goes on into what follows. The first part depends on
the lexeme alone and is remembered for all schemas (:mod:`.contents`); the second is a short walk, since few tokens
reach beyond a lexeme's end. The mask of a position is their union.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ..language.documents import Continuation, Name, Thread
from ..language.lexemes import END, QUOTE, Lexeme, Literal, Text
from ..language.positions import Position, Walker
from .bitmask import Bitmask, add_tokens, allowed_tokens, row_of
from .contents import Content, Contents
from .trie import TrieNode

if TYPE_CHECKING:
    from .pool import MaskPool
    from .vocabulary import Vocabulary


_CONTENT = 800  # bytes that a content takes on average, without its row


class Mask:
    """A position's mask: row ``number`` of ``pool``, also as bytes.

    ``unsettled`` are tokens in it that depend on the names and items read so far as well. ``named`` is kept by the
    matcher: the positions after tokens that end a name, None for those refused, by the token and what was read of the
    name before it.
    """

    __slots__ = ("bytes", "named", "number", "pool", "row", "unsettled")

    def __init__(self, pool: MaskPool, number: int, unsettled: tuple[int, ...]) -> None:
        self.pool, self.number, self.unsettled = pool, number, unsettled
        self.named: dict[tuple[int, bytes], Position | None] = {}
        self.row = pool[number]
        self.bytes = pool.bytes_of(number)


class _Tail(NamedTuple):
    """What may follow the closing quote of a string: which of the tokens of :class:`.contents.Endings`, as bool arrays
    (num_tokens,) over them. ``unsettled`` is None where there are none.
    """

    allowed: np.ndarray
    unsettled: np.ndarray | None
    masks: dict[int, tuple[Content, Mask]]  # of positions that only differ in their strings' contents, by their ids


class _Found:
    """What a walk collects. ``texts`` are those of its tokens; ``closing`` has more tokens, as arrays.

    ``after_name``: the walk has closed a name whose text the position does not know; past a comma, another name may
    follow, which must not repeat it. ``after_item``: the same of an item that must differ from those to come: 1 up to
    the end of the separator after it, 2 from there on, or at once where few items are left to choose from.
    """

    __slots__ = ("after_item", "after_name", "closing", "rows", "seen", "texts", "tokens", "unsettled")

    def __init__(self, texts: Sequence[bytes | None]) -> None:
        self.texts = texts
        self.closing: list[np.ndarray] = []
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
        self._contents = Contents(vocabulary)
        self._rows: dict[tuple, int] = {}  # numbers in the vocabulary's pool
        self._tails: WeakKeyDictionary[Walker, dict[Continuation, _Tail]] = WeakKeyDictionary()

    @property
    def contents(self) -> Mapping[tuple[Lexeme, TrieNode], Content]:
        """What lexemes allow, as far as it is remembered; those used last come last."""
        return self._contents.known

    @property
    def num_bytes(self) -> int:
        """The memory that contents and the table of lexemes take, by estimate for what is not an array."""
        rows = sum(_CONTENT if c.row is None else _CONTENT + c.row.nbytes for c in self.contents.values())
        return rows + self._contents.table_bytes

    def forget(self, room: int) -> int:
        """Drops all that is remembered but the contents used last, up to ``room`` bytes of rows; returns how many."""
        self._rows.clear()
        self._tails.clear()
        return self._contents.forget(room)

    def mask(self, position: Position) -> Mask:
        """The mask of ``position``; remembered on it."""
        if position.info is None:
            with self._vocabulary.lock:
                position.info = self._mask(position)
        assert isinstance(position.info, Mask)
        return position.info

    def _mask(self, position: Position) -> Mask:
        if len(position.threads) > 1 or type(position.threads[0][0]) is not Text:
            return self._build(position)
        lexeme, after = position.threads[0]
        content = self._contents.content(lexeme, self._vocabulary.trie.root)
        masks = self._tail(after, position.walker).masks
        if id(content) not in masks:
            masks[id(content)] = content, self._build(position)
        return masks[id(content)][1]

    def _build(self, position: Position) -> Mask:
        found = _Found(self._vocabulary.tokens)
        for lexeme, after in position.threads:
            if type(lexeme) is Text:
                self._string(lexeme, after, position.walker, found)
            else:
                self._collect(((lexeme, after),), self._vocabulary.trie.root, found)
        if position.accepting:
            found.tokens.update(self._vocabulary.eos_token_ids)
        closing = np.concatenate(found.closing) if found.closing else np.zeros(0, np.int32)
        key = (tuple(sorted(found.rows)), closing.tobytes(), frozenset(found.tokens))
        pool = self._vocabulary.mask_pool
        number = self._rows.get(key)
        if number is None:
            row = row_of(closing, self._vocabulary.n_vocab)
            add_tokens(row, found.tokens)
            for other in found.rows.values():
                row |= other
            number = self._rows[key] = pool.add(row)
        return Mask(pool, number, tuple(sorted(found.unsettled)))

    def _string(self, lexeme: Text, after: Continuation, walker: Walker, found: _Found) -> None:
        """Adds the tokens that go on inside a string, or close it and go on after it."""
        content = self._contents.content(lexeme, self._vocabulary.trie.root)
        if content.row is not None:
            found.rows[id(content.row)] = content.row
        found.tokens.update(content.tokens)
        assert content.closed is not None
        tail, tokens = self._tail(after, walker), self._contents.free.endings.tokens
        found.closing.append(tokens[content.closed & tail.allowed])
        if tail.unsettled is not None:
            found.unsettled.update(tokens[content.closed & tail.unsettled].tolist())

    def _tail(self, after: Continuation, walker: Walker) -> _Tail:
        known = self._tails.setdefault(walker, {})
        tail = known.get(after)
        if tail is None:
            endings = self._contents.free.endings
            found = _Found(endings.texts)
            self._add(endings.after.tokens, found)
            self._follow(after, endings.after, found)
            allowed = _chosen(found.tokens, len(endings.texts))[endings.suffixes]
            unsettled = _chosen(found.unsettled, len(endings.texts))[endings.suffixes] if found.unsettled else None
            tail = known[after] = _Tail(allowed, unsettled, {})
        return tail

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
                self._name(lexeme, node, found)
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

    def _name(self, lexeme: Name, node: TrieNode, found: _Found) -> None:
        """Reads names off their trie, so that no state comes into being for each of their characters."""
        state = lexeme.state
        stack = [(lexeme.node, node)]
        while stack:
            names, here = stack.pop()
            children = here.children
            if names.index is not None and QUOTE in children and state.possible(names.index):
                child = children[QUOTE]
                self._add(child.tokens, found)
                if child.children:
                    member = lexeme.documents.declared_member(state, names.index, lexeme.after, lexeme.depth)
                    self._collect(member.open(), child, found)
            for byte, longer in names.children.items():
                following = children.get(byte)
                if following is not None and longer.reachable(state):
                    self._add(following.tokens, found)
                    stack.append((longer, following))

    def _lexeme(self, lexeme: Lexeme, after: Continuation, node: TrieNode, found: _Found) -> None:
        content = self._contents.content(lexeme, node)
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
            found.unsettled.update(t for t in tokens if b"," in (found.texts[t] or b""))


def _chosen(numbers: Iterable[int], size: int) -> np.ndarray:
    """A mask over 0..size with ``numbers`` set."""
    chosen = np.zeros(size, bool)
    chosen[list(numbers)] = True
    return chosen

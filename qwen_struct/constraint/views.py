"""What can be seen of a document's continuation from inside a token.

A view is the set of tokens that go on from a node of a trie as some threads allow. Views are put together from a few
kinds of parts: a literal's path through the trie, what a lexeme allows at a node, the inside of a string and the texts
after its closing quote. Equal parts are one object, however many positions have them, so that masks are found by the
parts of their views and the tokens themselves are collected once for each different mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from ..language.continuations import Continuation, MemberName, Thread
from ..language.lexemes import END, QUOTE, Literal, Text
from ..language.names import Name, OtherName
from .bitmask import Bitmask, allowed_tokens
from .trie import TrieNode

if TYPE_CHECKING:
    from .content import Content
    from .contents import Contents
    from .outlooks import Outlooks

Tokens = Sequence[int] | np.ndarray
Sight = tuple[Any, ...]  # numbers, and tuples of such

# What was read on the way to a node, as flags: a name that the position does not know (past a comma, another name may
# follow, which must not repeat it); an item that must differ from those to come, up to the end of the separator after
# it; the same beyond that.
PLAIN, AFTER_NAME, AFTER_ITEM, AMONG_ITEMS = 0, 1, 2, 4

_FEW_NAMES = 32  # that are read one by one
_OF_VIEW, _OF_LEXEME = -1, -2  # what a number in a sight is of, beside contents, which outlooks follow


class View:
    """A set of tokens: those in ``row``, those in ``tokens``, and those of ``parts``. ``unsettled`` are tokens among
    them that depend on the names and items read so far as well.
    """

    __slots__ = ("number", "parts", "row", "tokens", "unsettled")
    _numbers = count()

    def __init__(
        self,
        tokens: Tokens = (),
        unsettled: Tokens = (),
        row: Bitmask | None = None,
        parts: tuple[View, ...] = (),
    ) -> None:
        self.number = next(self._numbers)  # never reused
        self.tokens, self.unsettled, self.row, self.parts = tokens, unsettled, row, parts

    def leaves(self) -> list[View]:
        """The views without parts of which it is made, each once."""
        found: dict[View, None] = {}
        stack = [self]
        while stack:
            view = stack.pop()
            if view.parts:
                stack += view.parts
            else:
                found[view] = None
        return list(found)


NOTHING = View()


class Tail:
    """The view of what follows the closing quote of a string, over the numbers of the texts after quotes: which of them
    may come, and which of those are unsettled, None where there are none; (num_texts,) bool.
    """

    __slots__ = ("allowed", "number", "unsettled")

    def __init__(self, view: View, at_once: Tokens, num_texts: int) -> None:
        self.number = view.number
        leaves = view.leaves()
        self.allowed = _chosen([at_once, *[leaf.tokens for leaf in leaves]], num_texts)
        unsettled = [leaf.unsettled for leaf in leaves if len(leaf.unsettled)]
        self.unsettled = _chosen(unsettled, num_texts) if unsettled else None


class Views:
    """The views in one trie, whose tokens have ``texts``. ``tails`` is None where no quote is followed by anything."""

    def __init__(
        self, contents: Contents, outlooks: Outlooks, texts: Sequence[bytes | None], tails: Tails | None
    ) -> None:
        self._contents, self._outlooks, self._texts, self._tails = contents, outlooks, texts, tails
        self._unions: dict[tuple[int, ...], View] = {}
        self._ways: dict[TrieNode, dict[bytes, tuple[tuple[int, ...], TrieNode | None]]] = {}  # of names
        self._paths: dict[tuple[bytes, TrieNode, int], tuple[View, TrieNode | None]] = {}
        self._inside: dict[tuple[int, int], View] = {}  # by the numbers of contents
        self._strings: dict[tuple[TrieNode, int], dict[tuple[int, int], View]] = {}  # by those of tails, too
        self._lists: dict[tuple[tuple[int, ...], int], View] = {}
        self._names: dict[tuple[TrieNode, int], dict[int, View | tuple]] = {}  # by the numbers of lexemes
        self._known: dict[tuple[TrieNode, int], dict[int, View]] = {}  # by outlooks

    @property
    def num_known(self) -> int:
        """How many views are remembered."""
        tables: tuple[dict, ...] = (self._unions, self._paths, self._inside, self._lists)
        by_node: tuple[dict, ...] = (self._known, self._names, self._strings, self._ways)
        number = sum(map(len, tables)) + sum([len(known) for nodes in by_node for known in nodes.values()])
        return number + (0 if self._tails is None else self._tails.num_known)

    def sight(self, threads: Sequence[Thread], node: TrieNode) -> Sight:
        """What :meth:`of` depends on, in numbers that are found sooner than the view: equal ones, equal views."""
        found: list[Any] = []
        names: list[Thread] = []
        names_from = node
        for lexeme, after in threads:
            kind = type(lexeme)
            if kind is Text or kind is OtherName:
                content = self._contents.content(lexeme, node)
                if content.whole and node is self._contents.root:
                    names_from = self._contents.closing
                found += (content.number, after.outlook or self._outlooks.of(after))
            elif kind is Name:
                names.append((lexeme, after))
            elif kind is Literal and type(after) is MemberName:  # many states of an object look the same
                _, end = self._path(lexeme.text, node, PLAIN)  # type: ignore[attr-defined]
                found += (lexeme.number, _OF_LEXEME, () if end is None else self.sight(after.open(), end))
            else:
                outlook = 0 if lexeme is END else after.outlook or self._outlooks.of(after)
                found += (lexeme.number, outlook, _OF_LEXEME)
        for lexeme, after in names:
            found += (self._name(lexeme, after, names_from, PLAIN).number, _OF_VIEW)  # type: ignore[arg-type]
        return tuple(found)

    def after(self, continuation: Continuation, node: TrieNode, flags: int = PLAIN) -> View:
        """The tokens below ``node`` that go on as ``continuation`` does, where a lexeme has just ended."""
        if not node.children:
            return NOTHING
        here = self._known.get((node, flags))
        if here is None:
            here = self._known[node, flags] = {}
        outlook = continuation.outlook or self._outlooks.of(continuation)
        view = here.get(outlook)
        if view is None:
            view = here[outlook] = self._after(continuation, node, flags)
        return view

    def _after(self, continuation: Continuation, node: TrieNode, flags: int) -> View:
        of_items = continuation.captures is not None and continuation.plenty is not None
        if flags & (AFTER_ITEM | AMONG_ITEMS):
            flags |= AMONG_ITEMS
        elif continuation.captures is not None and not of_items:
            flags |= AFTER_NAME
        elif of_items:
            return self._after_item(continuation, node, flags)
        if continuation.first is not None:
            path, end = self._path(continuation.first, node, flags)
            if end is None:
                return path
        return self.of(continuation.open(), node, flags)

    def _after_item(self, continuation: Continuation, node: TrieNode, flags: int) -> View:
        threads = continuation.open()
        closing = [thread for thread in threads if _closes_array(thread)]
        others = [thread for thread in threads if not _closes_array(thread)]
        assert continuation.plenty is not None
        read = AFTER_ITEM if continuation.plenty() else AMONG_ITEMS
        return self.union([self.of(closing, node, flags), self.of(others, node, flags | read)])

    def of(self, threads: Sequence[Thread], node: TrieNode, flags: int = PLAIN) -> View:
        """The tokens below ``node`` that one of ``threads`` reads."""
        if len(threads) == 1:
            return self._of(threads[0], node, flags)
        if node is self._contents.root and any(type(lexeme) is Name for lexeme, _ in threads):
            return self._beside_names(threads, node, flags)
        return self.union([self._of(thread, node, flags) for thread in threads])

    def _beside_names(self, threads: Sequence[Thread], node: TrieNode, flags: int) -> View:
        """The same before any token, where free text may include what goes on inside names."""
        names_from = self._names_from(threads, node)
        views = [self._of(thread, node, flags) for thread in threads if type(thread[0]) is not Name]
        views += [self._name(lexeme, after, names_from, flags) for lexeme, after in threads if type(lexeme) is Name]
        return self.union(views)

    def _names_from(self, threads: Sequence[Thread], node: TrieNode) -> TrieNode:
        """Where names are read from: of what free text includes, the tokens that close them are left."""
        if node is self._contents.root:
            for lexeme, _ in threads:
                if isinstance(lexeme, Text) and self._contents.content(lexeme, node).whole:
                    return self._contents.closing
        return node

    def union(self, views: Iterable[View]) -> View:
        """All tokens of ``views``."""
        parts = {view.number: view for view in views if view is not NOTHING}
        if len(parts) < 2:
            return next(iter(parts.values()), NOTHING)
        key = tuple(sorted(parts))
        found = self._unions.get(key)
        if found is None:
            found = self._unions[key] = View(parts=tuple(parts.values()))
        return found

    def _of(self, thread: Thread, node: TrieNode, flags: int) -> View:
        lexeme, after = thread
        if type(lexeme) is Literal:
            path, end = self._path(lexeme.text, node, flags)
            return path if end is None else self.union([path, self.after(after, end, flags)])
        if isinstance(lexeme, Text):
            return self._string(lexeme, after, node, flags)
        if lexeme is END:
            return NOTHING
        if type(lexeme) is Name:
            return self._name(lexeme, after, node, flags)
        content = self._contents.content(lexeme, node)
        inside = self._inside_of(content, flags)
        if content.exits is None or not content.exits.children:
            return inside
        return self.union([inside, self.after(after, content.exits, flags)])

    def _path(self, text: bytes, node: TrieNode, flags: int) -> tuple[View, TrieNode | None]:
        """The tokens on the way of ``text`` below ``node``, and where it ends if some go on from there."""
        key = (text, node, flags)
        found = self._paths.get(key)
        if found is None:
            found = self._paths[key] = self._read_path(text, node, flags)
        return found

    def _read_path(self, text: bytes, node: TrieNode, flags: int) -> tuple[View, TrieNode | None]:
        tokens, end = node.along(text)
        return self._leaf(tuple(tokens), flags), end if end is not None and end.goes_on else None

    def _leaf(self, tokens: Tokens, flags: int) -> View:
        return View(tokens, self._unsettled(tokens, flags)) if len(tokens) else NOTHING

    def _unsettled(self, tokens: Tokens, flags: int) -> Tokens:
        if flags & AMONG_ITEMS:
            return tokens
        return [t for t in tokens if b"," in (self._texts[t] or b"")] if flags & AFTER_NAME else ()

    def _inside_of(self, content: Content, flags: int) -> View:
        key = (content.number, flags)
        view = self._inside.get(key)
        if view is None:
            if content.row is None:
                view = self._leaf(content.tokens, flags)
            elif flags:
                view = self._leaf(allowed_tokens(content.row), flags)
            else:
                view = View(content.tokens, row=content.row)
            self._inside[key] = view
        return view

    # Strings. ---------------------------------------------------------------------------------------------------

    def _string(self, lexeme: Text, after: Continuation, node: TrieNode, flags: int) -> View:
        """The tokens that go on inside a string, or close it and go on after it."""
        content = self._contents.content(lexeme, node)
        assert content.closed is not None
        inside = self._inside_of(content, flags)
        if self._tails is None or not content.closed.size:
            return inside
        tail = self._tails.tail(after, flags)
        here = self._strings.get((node, flags))
        if here is None:
            here = self._strings[node, flags] = {}
        key = (content.number, tail.number)
        view = here.get(key)
        if view is None:
            strings = self._contents.free_at(node).endings
            tokens = strings.tokens[content.closed & tail.allowed[strings.suffixes]]
            unsettled = self._unsettled(tokens, flags)
            if tail.unsettled is not None and not flags & AMONG_ITEMS:
                more = strings.tokens[content.closed & tail.unsettled[strings.suffixes]]
                unsettled = more if not len(unsettled) else np.union1d(more, np.asarray(unsettled, np.int32))
            closing = View(tokens, unsettled) if len(tokens) else NOTHING
            view = here[key] = self.union([inside, closing])
        return view

    # Names. -----------------------------------------------------------------------------------------------------

    def _name(self, lexeme: Name, after: Continuation, node: TrieNode, flags: int) -> View:
        if not lexeme.node.begins(node.children):
            return NOTHING
        here = self._names.get((node, flags))
        if here is None:
            here = self._names[node, flags] = {}
        found = here.get(lexeme.number)
        if found is None:
            view, ends = self._read_names(lexeme, node, flags)  # most end nowhere, and there are many
            found = here[lexeme.number] = (view, *ends) if ends else view
        if isinstance(found, View):
            return found
        view, *ends = found
        closed = [self._after(after.member(ends[i]), ends[i + 1], flags) for i in range(0, len(ends), 2)]
        return self.union([view, *closed])

    def _read_names(self, lexeme: Name, node: TrieNode, flags: int) -> tuple[View, list]:
        """The tokens that stay inside names or close them; and which names end at which nodes with tokens below, as a
        list of an index, its node, another index, and so on.

        They are read along the spellings, so that no state comes into being for each of their characters.
        """
        tokens: set[int] = set()
        ends: list[int | TrieNode] = []
        stack = [(lexeme.node, node)]
        while stack:
            names, here = stack.pop()
            if len(names) > _FEW_NAMES:  # byte by byte: most of them go on where no token does
                quote = here.children.get(QUOTE)
                if names.index is not None and quote is not None and lexeme.possible(names.index):
                    tokens.update(quote.tokens)
                    if quote.children:
                        ends += (names.index, quote)
                for byte, longer in names.children:
                    child = here.children.get(byte)
                    if child is not None and lexeme.reachable(longer):
                        tokens.update(child.tokens)
                        stack.append((longer, child))
                continue
            for rest, index in names.names:
                if lexeme.possible(index):
                    passed, end = self._along(rest, here)
                    tokens.update(passed)
                    if end is not None:
                        ends += (index, end)
        key = tuple(sorted(tokens)), flags
        view = self._lists.get(key)
        if view is None:
            view = self._lists[key] = self._leaf(key[0], flags)
        return view, ends

    def _along(self, text: bytes, node: TrieNode) -> tuple[tuple[int, ...], TrieNode | None]:
        """The tokens on the way of ``text`` and a quote, and the node after it where it has tokens below."""
        here = self._ways.get(node)
        if here is None:
            here = self._ways[node] = {}
        found = here.get(text)
        if found is None:
            tokens, end = node.along(text + b'"')
            found = here[text] = tuple(tokens), end if end is not None and end.goes_on else None
        return found


class Tails:
    """What follows closing quotes: the views in the trie of the texts after quotes, the ``level``-th or later ones."""

    def __init__(self, contents: Contents, outlooks: Outlooks, level: int = 0) -> None:
        self._suffixes = contents.suffixes
        self._root = self._suffixes.roots[level]
        last = level + 1 == len(self._suffixes.roots)
        further = None if last else Tails(contents, outlooks, level + 1)
        self._views = Views(contents, outlooks, self._suffixes.texts, further)
        self._known: dict[int, Tail] = {}

    @property
    def num_known(self) -> int:
        return self._views.num_known

    def tail(self, after: Continuation, flags: int) -> Tail:
        """The texts that may come where a string has ended that ``after`` follows."""
        view = self._views.after(after, self._root, flags)
        tail = self._known.get(view.number)
        if tail is None:
            tail = self._known[view.number] = Tail(view, self._root.tokens, len(self._suffixes.texts))
        return tail


def _closes_array(thread: Thread) -> bool:
    """Whether it is the end of the array that comes, which does not depend on what its items were."""
    lexeme = thread[0]
    return type(lexeme) is Literal and lexeme.text.endswith(b"]")


def _chosen(parts: Iterable[Tokens], size: int) -> np.ndarray:
    """A mask over 0..size with the numbers in ``parts`` set."""
    chosen = np.zeros(size, bool)
    for numbers in parts:
        chosen[np.asarray(numbers, np.int32)] = True
    return chosen

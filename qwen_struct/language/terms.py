"""Regular languages of strings as terms that are derived one code point at a time (Brzozowski).

A :class:`Term` stands for a language over the alphabet of :mod:`.charset`. Terms are interned, so equal terms are the
same object, and each remembers its derivatives: a language is an automaton whose states come into being when they are
first visited. The constructors simplify as they build, which keeps the states few:

* repetition is a symbolic counter, never unrolled: ``repeat(a, 0, 1_000_000)`` is one node;
* a choice in front is distributed, ``(p|q)t = pt|qt``, so the state of a plain expression is a set of its positions
  (Antimirov), and equal counted tails fold into one interval;
* ``ANY`` (every string) absorbs: once a search has matched, the state is ``ANY`` itself.

Questions about whole languages (is it empty? which words?) are in :mod:`.decide`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, ClassVar, Final, TypeGuard

from .charset import ALL_CHARS, NO_CHARS, CharSet
from .interned import Interned

Moves = tuple[tuple[CharSet, "Term"], ...]

_CHAIN_LIMIT: Final = 4  # longer words stay slices of their list: deriving them costs no node per character
_FILTER_LIMIT: Final = 64  # so few words are tested one by one when they meet another language
_FACTOR_DEPTH: Final = 40  # how deep union() looks for common heads; deeper ones are merged when they are derived


class Term:
    """A language; equality is identity. The attributes are known without looking at the automaton.

    ``min_len`` and ``max_len`` (None: no bound) enclose the lengths of the words; they are attained where ``plain``.
    """

    __slots__ = (
        "id", "nullable", "inhabited", "plain", "contiguous", "min_len", "max_len", "unbounded", "cofinite", "ideal",
        "_next", "_moves", "_live", "_empty", "lexeme", "__weakref__",
    )  # fmt: skip
    id: int  # small, never reused
    nullable: bool  # holds the empty string
    inhabited: bool  # known to hold some word; False says nothing
    plain: bool  # inhabited, and min_len and max_len are attained
    contiguous: bool  # plain, and every length from min_len to max_len occurs
    min_len: int
    max_len: int | None
    unbounded: bool  # every string is a prefix of some word; False says nothing
    cofinite: bool  # holds every string longer than some length; False says nothing
    ideal: bool  # whatever follows a word, the whole is a word; False says nothing
    _next: dict[int, Term]
    _moves: Moves | None
    _live: Moves | None
    _empty: bool | None
    lexeme: Any  # scratch space of lexemes.py: the inside of a string of it

    def derive(self, code_point: int) -> Term:
        """What may follow ``code_point``; use :func:`derivative`, which remembers."""
        for characters, successor in transitions(self):
            if code_point in characters:
                return successor
        return EMPTY

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        """Disjoint sets with their successors; use :func:`transitions`, which remembers."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {_show(self, 6)}>"


class Epsilon(Term):
    """The empty string alone."""

    __slots__ = ()

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        return ()


class Chars(Term):
    """One character out of a set."""

    __slots__ = ("characters",)
    characters: CharSet

    def derive(self, code_point: int) -> Term:
        return EPSILON if code_point in self.characters else EMPTY

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        return ((self.characters, EPSILON),) if self.characters else ()


class Concat(Term):
    """``head`` then ``tail``; the head is neither a concatenation nor a choice."""

    __slots__ = ("head", "tail")
    head: Term
    tail: Term

    def derive(self, code_point: int) -> Term:
        found = [_then(derivative(head, code_point), tail) for head, tail in self._unwind()]
        return found[0] if len(found) == 1 else union(*found)

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        pairs = [(c, _then(after, tail)) for head, tail in self._unwind() for c, after in transitions(head)]
        return pairs if not self.head.nullable else _merge(pairs)

    def _unwind(self) -> list[tuple[Term, Term]]:
        """The (head, tail) pairs that the next character may belong to. A loop: chains can be long."""
        parts: list[tuple[Term, Term]] = []
        node: Term = self
        while type(node) is Concat:
            parts.append((node.head, node.tail))
            if not node.head.nullable:
                return parts
            node = node.tail
        parts.append((node, EPSILON))
        return parts


class Repeat(Term):
    """``body`` between ``low`` and ``high`` times (None: no limit)."""

    __slots__ = ("body", "low", "high")
    body: Term
    low: int
    high: int | None

    def derive(self, code_point: int) -> Term:
        after = derivative(self.body, code_point)
        return EMPTY if after is EMPTY else _then(after, self._rest())

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        rest = self._rest()
        return [(c, _then(after, rest)) for c, after in transitions(self.body)]

    def _rest(self) -> Term:
        return repeat(self.body, max(self.low - 1, 0), None if self.high is None else self.high - 1)


class Or(Term):
    """Any of ``items`` (at least two, by id)."""

    __slots__ = ("items",)
    items: tuple[Term, ...]

    def derive(self, code_point: int) -> Term:
        return union(*[derivative(item, code_point) for item in self.items])

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        return _merge([move for item in self.items for move in transitions(item)])


class And(Term):
    """All of ``items`` (at least two, by id)."""

    __slots__ = ("items",)
    items: tuple[Term, ...]

    def derive(self, code_point: int) -> Term:
        found = []
        for item in self.items:
            after = derivative(item, code_point)
            if after is EMPTY:
                return EMPTY
            found.append(after)
        return intersect(*found)

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        bounds = [item for item in self.items if is_length(item)]
        others = [item for item in self.items if item not in bounds]
        after = [derivative(item, 0x61) for item in bounds]  # whatever the character
        if len(others) == 1:
            return gather([(c, intersect(successor, *after)) for c, successor in transitions(others[0])])
        pairs = [move for item in others for move in transitions(item)]
        cells = _cells([c for c, _ in pairs])
        common = [(c, mask) for mask, c in cells.items() if mask.bit_count() == len(others)]
        return gather([(c, intersect(*_members(pairs, mask), *after)) for c, mask in common])


class Not(Term):
    """Every string that is not in ``inner``."""

    __slots__ = ("inner",)
    inner: Term

    def derive(self, code_point: int) -> Term:
        return complement(derivative(self.inner, code_point))

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        elsewhere, pairs = ALL_CHARS, []
        for characters, after in transitions(self.inner):
            elsewhere -= characters
            pairs.append((characters, complement(after)))
        return gather([*pairs, (elsewhere, ANY)])


class Words(Term):
    """The words ``low`` to ``high`` of a sorted list without their first ``depth`` characters, which they share."""

    __slots__ = ("source", "low", "high", "depth")
    source: WordList
    low: int
    high: int
    depth: int

    def __len__(self) -> int:
        return self.high - self.low

    def words(self) -> list[str]:
        return [word[self.depth :] for word in self.source.words[self.low : self.high]]

    def derive(self, code_point: int) -> Term:
        return self.after(chr(code_point))

    def after(self, text: str) -> Term:
        """What may follow all of ``text``, without the states between."""
        words, depth, low = self.source.words, self.depth, self.low
        start = words[low][:depth] + text
        at = bisect_left(words, start, low, self.high)
        if at == self.high or not words[at].startswith(start):
            return EMPTY
        number = len(start)
        end = bisect_right(words, start, at, self.high, key=lambda word: word[:number])
        return _words(self.source, at, end, number)

    def moves(self) -> Iterable[tuple[CharSet, Term]]:
        words, depth, at, pairs = self.source.words, self.depth, self.low + self.nullable, []
        while at < self.high:
            character = words[at][depth]
            end = bisect_right(words, character, at, self.high, key=lambda word: word[depth])
            pairs.append((CharSet.of(character), _words(self.source, at, end, depth + 1)))
            at = end
        return gather(pairs)


class WordList:
    """Sorted distinct words and the extremes of their lengths by block, so that a slice knows its own quickly."""

    __slots__ = ("words", "serial", "_lengths", "_blocks", "__weakref__")
    _BLOCK: ClassVar[int] = 256

    def __init__(self, words: tuple[str, ...], serial: int) -> None:
        self.words, self.serial = words, serial
        self._lengths = tuple(map(len, words))
        parts = (self._lengths[at : at + self._BLOCK] for at in range(0, len(words), self._BLOCK))
        self._blocks = tuple([(min(part), max(part)) for part in parts])

    def extremes(self, low: int, high: int) -> tuple[int, int]:
        """The least and the greatest length among words ``low`` to ``high``."""
        first, last = -(-low // self._BLOCK), high // self._BLOCK
        if first >= last:
            part = self._lengths[low:high]
        else:
            part = self._lengths[low : first * self._BLOCK] + self._lengths[last * self._BLOCK : high]
            for block in self._blocks[first:last]:
                part += block
        return min(part), max(part)


class Leaf(Term):
    """A state of a hand-written automaton; subclass it to bring languages of your own.

    ``Sub(*key)`` returns the one instance for that key (hashable, usually a tuple of ints and terms' ids), calling
    ``setup(*key)`` when it is new. ``setup`` stores what it needs and sets ``nullable``; it may set ``min_len`` and
    ``max_len`` (bounds), ``inhabited`` (some word exists), ``plain`` (and the bounds are attained), ``unbounded``.
    ``moves`` gives disjoint sets with their successors, which may be any terms.
    """

    __slots__ = ()

    def __new__(cls, *key: Any) -> Leaf:
        full = (cls, *key)
        found = _table.get(full)
        if found is None:
            node = _new(cls)
            node.setup(*key)
            node.inhabited = node.inhabited or node.nullable or node.plain
            found = _table.enter(full, node)
        assert isinstance(found, cls)
        return found

    def setup(self, *key: Any) -> None:
        raise NotImplementedError


def derivative(term: Term, code_point: int) -> Term:
    """The language of what may follow ``code_point``; remembered."""
    found = term._next.get(code_point)
    if found is None:
        found = EMPTY if 0xD800 <= code_point <= 0xDFFF else term.derive(code_point)
        term._next[code_point] = found
    return found


def transitions(term: Term) -> Moves:
    """Every first character: disjoint sets, one per successor, none of them ``EMPTY``; remembered.

    A successor can still be a language without words; :func:`.decide.live_transitions` leaves those out.
    """
    moves = term._moves
    if moves is None:
        moves = term._moves = tuple([move for move in term.moves() if move[1] is not EMPTY and move[0].ranges])
    return moves


def accepts(term: Term, text: str) -> bool:
    """Whether ``text`` is a word."""
    for character in text:
        term = derivative(term, ord(character))
        if term is EMPTY or term is ANY:
            break
    if term is ANY:
        return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)
    return term.nullable


def chars(characters: CharSet) -> Term:
    """One character out of ``characters``."""
    if not characters.ranges:
        return EMPTY
    return _chars(characters)


def _chars(characters: CharSet) -> Term:
    key = ("Chars", characters.serial)
    found = _table.get(key)
    if found is None:
        node = _new(Chars, min_len=1, max_len=1, plain=bool(characters), contiguous=bool(characters))
        node.characters = characters
        found = _table.enter(key, node)
    return found


def concat(*terms: Term) -> Term:
    """The words of the first followed by words of the second, and so on."""
    parts: list[Term] = []
    for term in terms:
        while type(term) is Concat:
            parts.append(term.head)
            term = term.tail
        parts.append(term)
    result: Term = EPSILON
    for part in reversed(parts):
        if part is EMPTY:
            return EMPTY
        if part is not EPSILON:
            result = _concat(part, result)
    return result


def _then(head: Term, tail: Term) -> Term:
    """:func:`concat` of two, with the frequent cases first."""
    if head is EPSILON:
        return tail
    if head is EMPTY:
        return EMPTY
    return concat(head, tail) if type(head) is Concat else _concat(head, tail)


def _concat(head: Term, tail: Term) -> Term:
    """``head`` is neither a concatenation nor trivial; ``tail`` may be anything."""
    if tail is EPSILON:
        return head
    if tail is EMPTY:
        return EMPTY
    if type(head) is Or:
        return union(*[_then(item, tail) for item in head.items])
    next_head, after = (tail.head, tail.tail) if type(tail) is Concat else (tail, EPSILON)
    if next_head is ANY:
        if head.nullable:
            return tail
        if type(head) is Repeat and head.low != head.high and head.body is not ANY_CHAR:
            return concat(repeat(head.body, head.low, head.low), tail)
    if is_length(head) and head.high is None and tail.nullable:
        return head
    if type(head) is Repeat or type(next_head) is Repeat:
        joined = _join_counters(head, next_head)
        if joined is not None:
            return _concat(joined, after)
    key = ("Concat", head.id, tail.id)
    found = _table.get(key)
    if found is None:
        found = _table.enter(key, _new_concat(head, tail))
    return found


def _new_concat(head: Term, tail: Term) -> Term:
    node = _new(
        Concat,
        nullable=head.nullable and tail.nullable,
        inhabited=head.inhabited and tail.inhabited,
        plain=head.plain and tail.plain,
        contiguous=head.contiguous and (tail.contiguous or _fills_gaps(head, tail)),
        min_len=head.min_len + tail.min_len,
        max_len=None if head.max_len is None or tail.max_len is None else head.max_len + tail.max_len,
        unbounded=(head.unbounded and tail.inhabited) or (head.nullable and tail.unbounded),
        ideal=tail.ideal,
    )
    node.head, node.tail = head, tail
    return node


def _fills_gaps(head: Term, tail: Term) -> bool:
    """Whether the lengths of ``head`` reach from no round of ``tail`` to the first; later gaps are no wider."""
    if type(tail) is not Repeat or tail.low or not tail.body.contiguous:
        return False
    return head.max_len is None or head.min_len + tail.body.min_len <= head.max_len + 1


def _join_counters(left: Term, right: Term) -> Term | None:
    """``b{i,j}b{k,l}`` as ``b{i+k,j+l}``, where a bare ``b`` counts as ``b{1,1}``."""
    body, low, high = (left.body, left.low, left.high) if type(left) is Repeat else (left, 1, 1)
    other, more, most = (right.body, right.low, right.high) if type(right) is Repeat else (right, 1, 1)
    if body is not other:
        if type(right) is Repeat and right.body is left:
            body, low, high = left, 1, 1
        elif type(left) is Repeat and left.body is right:
            other, more, most = right, 1, 1
        else:
            return None
    return repeat(body, low + more, None if high is None or most is None else high + most)


def repeat(body: Term, low: int, high: int | None) -> Term:
    """Between ``low`` and ``high`` (None: any number) words of ``body``, one after the other."""
    if high is not None and high < low:
        return EMPTY
    if body is EMPTY or body is EPSILON:
        return EPSILON if low == 0 or body is EPSILON else EMPTY
    if high == 0:
        return EPSILON
    if low == high == 1:
        return body
    if type(body) is Repeat and _nested_counts_are_dense(body, low, high):
        high = None if high is None or body.high is None else high * body.high
        return repeat(body.body, low * body.low, high)
    if body.nullable:
        low = 0
    key = ("Repeat", body.id, low, high)
    found = _table.get(key)
    if found is None:
        found = _table.enter(key, _new_repeat(body, low, high))
    return found


def _nested_counts_are_dense(inner: Repeat, low: int, high: int | None) -> bool:
    """Whether ``(b{k,l}){low,high}`` reaches all counts from low*k to high*l: gaps only narrow after ``low`` rounds."""
    if low == high or inner.high is None and low > 0:
        return True
    if low == 0:  # after no round the next is the first; later gaps are narrower than the one after it
        return inner.low <= 1
    assert inner.high is not None
    return low * inner.high + 1 >= (low + 1) * inner.low


def _new_repeat(body: Term, low: int, high: int | None) -> Term:
    everything = body is ANY_CHAR and high is None
    node = _new(
        Repeat,
        nullable=low == 0 or body.nullable,
        inhabited=low == 0 or body.inhabited,
        plain=body.plain,
        contiguous=body.contiguous and _lengths_are_dense(body, low, high),
        min_len=low * body.min_len,
        max_len=None if high is None or body.max_len is None else high * body.max_len,
        unbounded=(body.unbounded and body.inhabited) or everything,
        ideal=everything,
        cofinite=everything,
    )
    node.body, node.low, node.high = body, low, high
    return node


def _lengths_are_dense(body: Term, low: int, high: int | None) -> bool:
    if low == high or body.max_len is None and low > 0:
        return True
    if low == 0:
        return body.min_len <= 1
    assert body.max_len is not None
    return low * body.max_len + 1 >= (low + 1) * body.min_len


def length(low: int, high: int | None) -> Term:
    """Every string of ``low`` to ``high`` (None: any number of) code points."""
    return repeat(ANY_CHAR, low, high)


def is_length(term: Term) -> TypeGuard[Repeat]:
    """Whether ``term`` only limits the length."""
    return type(term) is Repeat and term.body is ANY_CHAR


def literal(text: str) -> Term:
    """The one word ``text``."""
    return literals((text,))


def literals(words: Iterable[str]) -> Term:
    """These words and no others; one node however many they are."""
    distinct = tuple(sorted({word for word in words if not has_surrogate(word)}))
    if not distinct:
        return EMPTY
    source = _lists.get(distinct)
    if source is None:
        source = _lists.enter(distinct, WordList(distinct, next(_ids)))
    return _words(source, 0, len(distinct), 0)


def _words(source: WordList, low: int, high: int, depth: int) -> Term:
    if low == high:
        return EMPTY
    if high - low == 1 and len(source.words[low]) - depth <= _CHAIN_LIMIT:
        result: Term = EPSILON
        for character in reversed(source.words[low][depth:]):
            result = _concat(_chars(CharSet.of(character)), result)
        return result
    key = ("Words", source.serial, low, high, depth)
    found = _table.get(key)
    if found is None:
        shortest, longest = source.extremes(low, high)
        node = _new(
            Words,
            nullable=len(source.words[low]) == depth,
            plain=True,
            min_len=shortest - depth,
            max_len=longest - depth,
        )
        node.source, node.low, node.high, node.depth = source, low, high, depth
        found = _table.enter(key, node)
    return found


def union(*terms: Term) -> Term:
    """The words of any of them."""
    return _union(terms, 0)


def _union(terms: Iterable[Term], depth: int) -> Term:
    items: dict[int, Term] = {}
    characters, excluded, nullable = NO_CHARS, [], False
    for term in terms:
        for item in term.items if type(term) is Or else (term,):
            if item is ANY:
                return ANY
            if type(item) is Chars:
                characters |= item.characters
            elif item is EPSILON:
                nullable = True
            elif type(item) is Not:
                excluded.append(item.inner)
            else:
                items[item.id] = item
    if characters.ranges:
        single = _chars(characters)
        items[single.id] = single
    if len(items) > 1 or (items and nullable):
        items = _drop_tails(items)
        items = _fold_counters(items, nullable)
        items = _fold_heads(items, depth)
    if ANY.id in items:
        return ANY
    if excluded:
        inner = intersect(*excluded)
        if inner.id in items or (type(inner) is And and any(item.id in items for item in inner.items)):
            return ANY
        rest = complement(inner)
        if type(rest) is not Not:
            return union(rest, *items.values(), EPSILON if nullable else EMPTY)
        items[rest.id] = rest
    if nullable and not any(item.nullable for item in items.values()):
        items[EPSILON.id] = EPSILON
    return _choice(items)


def _choice(items: dict[int, Term]) -> Term:
    if len(items) < 2:
        return next(iter(items.values()), EMPTY)
    order = sorted(items)
    key = ("Or", *order)
    found = _table.get(key)
    if found is None:
        found = _table.enter(key, _new_or(tuple([items[i] for i in order])))
    return found


def _new_or(items: tuple[Term, ...]) -> Term:
    longest = [item.max_len for item in items]
    plain = all(item.plain for item in items)
    node = _new(
        Or,
        nullable=any(item.nullable for item in items),
        inhabited=any(item.inhabited for item in items),
        plain=plain,
        contiguous=plain and _one_interval(items),
        min_len=min([item.min_len for item in items]),
        max_len=None if None in longest else max(longest),  # type: ignore[type-var]
        unbounded=any(item.unbounded for item in items),
        cofinite=any(item.cofinite for item in items),
        ideal=all(item.ideal for item in items),
    )
    node.items = items
    return node


def _one_interval(items: Sequence[Term]) -> bool:
    reach: int | None = -2
    for index, item in enumerate(sorted(items, key=lambda item: item.min_len)):
        if not item.contiguous:
            return False
        if reach is None:
            continue
        if index and item.min_len > reach + 1:
            return False
        reach = None if item.max_len is None else max(reach, item.max_len)
    return True


def _drop_tails(items: dict[int, Term]) -> dict[int, Term]:
    """Leave out ``t`` beside ``ht`` where h may be empty: then every word of t is one of ht."""
    tails: set[int] = set()
    for item in items.values():
        node = item
        while type(node) is Concat and node.head.nullable:
            node = node.tail
            if node.id in tails:
                break
            tails.add(node.id)
    if tails.isdisjoint(items):
        return items
    return {key: item for key, item in items.items() if key not in tails}


def _fold_counters(items: dict[int, Term], nullable: bool) -> dict[int, Term]:
    """Merge ``b{i,j}t | b{k,l}t`` where the intervals touch. Before ANY only the least count matters."""
    groups: dict[tuple[Term, Term], list[tuple[int, int | None, Term]]] = {}
    for item in items.values():
        head, tail = (item.head, item.tail) if type(item) is Concat else (item, EPSILON)
        if type(head) is Repeat:
            groups.setdefault((head.body, tail), []).append((head.low, head.high, item))
    for (body, tail), group in groups.items():
        if tail is EPSILON and body.id in items:
            group.append((1, 1, body))
        if tail is EPSILON and nullable and min([low for low, _, _ in group]) == 1:
            group.append((0, 0, EPSILON))
        if len(group) > 1:
            items = _fold_group(items, body, tail, sorted(group, key=lambda entry: entry[0]))
    return items


def _fold_group(
    items: dict[int, Term], body: Term, tail: Term, group: list[tuple[int, int | None, Term]]
) -> dict[int, Term]:
    open_end = tail is ANY or (type(tail) is Concat and tail.head is ANY)
    merged: list[tuple[int, int | None]] = []
    for low, high, _ in group:
        last = merged[-1][1] if merged else -2
        if last is None or open_end and merged or low <= last + 1:
            merged[-1] = (merged[-1][0], None if last is None or high is None else max(last, high))
        else:
            merged.append((low, high))
    if len(merged) == len(group):
        return items
    gone = {item.id for _, _, item in group}
    kept = {key: item for key, item in items.items() if key not in gone}
    for low, high in merged:
        joined = concat(repeat(body, low, low if open_end else high), tail)
        for item in joined.items if type(joined) is Or else (joined,):
            kept[item.id] = item
    return kept


def _fold_heads(items: dict[int, Term], depth: int) -> dict[int, Term]:
    """Merge ``ht | hu`` into ``h(t|u)``. Single characters are left alone: their tails merge when they are derived."""
    groups: dict[int, list[Concat]] = {}
    for item in items.values():
        if type(item) is Concat and type(item.head) is not Chars:
            groups.setdefault(item.head.id, []).append(item)
    if depth > _FACTOR_DEPTH or len(groups) == len(items) or all(len(group) == 1 for group in groups.values()):
        return items
    kept = dict(items)
    for group in groups.values():
        if len(group) > 1:
            for item in group:
                del kept[item.id]
            joined = concat(group[0].head, _union([item.tail for item in group], depth + 1))
            kept[joined.id] = joined
    return kept


def intersect(*terms: Term) -> Term:
    """The words that all of them have."""
    items: dict[int, Term] = {}
    characters: CharSet | None = None
    excluded, low, high = [], 0, None
    for term in terms:
        for item in term.items if type(term) is And else (term,):
            if item is EMPTY:
                return EMPTY
            if type(item) is Chars:
                characters = item.characters if characters is None else characters & item.characters
            elif is_length(item):
                low = max(low, item.low)
                high = item.high if high is None else high if item.high is None else min(high, item.high)
            elif type(item) is Not:
                excluded.append(item.inner)
            else:
                items[item.id] = item
    if excluded:
        inner = union(*excluded)
        if inner.id in items or (type(inner) is Or and any(item.id in items for item in inner.items)):
            return EMPTY
        rest = complement(inner)
        if type(rest) is not Not:
            single = ANY if characters is None else chars(characters)
            return intersect(rest, *items.values(), single, length(low, high))
        items[rest.id] = rest
    if characters is not None:
        return _intersect_chars(characters, items.values(), low, high)
    return _intersect_bounded(items, low, high)


def _intersect_chars(characters: CharSet, items: Iterable[Term], low: int, high: int | None) -> Term:
    if low > 1 or high == 0:
        return EMPTY
    for item in items:
        last = NO_CHARS
        for first, after in transitions(item):
            if after.nullable:
                last |= first
        characters &= last
    return chars(characters)


def _intersect_bounded(items: dict[int, Term], low: int, high: int | None) -> Term:
    """``items`` within the length bounds, which are dropped where the items keep them anyway."""
    least, most = low, high
    for item in items.values():
        least = max(least, item.min_len)
        most = item.max_len if most is None else most if item.max_len is None else min(most, item.max_len)
    if most is not None and least > most:
        return EMPTY
    if most == 0:
        return EPSILON if all(item.nullable for item in items.values()) else EMPTY
    if any(item.min_len >= low for item in items.values()):
        low = 0
    if high is not None and any(item.max_len is not None and item.max_len <= high for item in items.values()):
        high = None
    if low > 0 or high is not None:
        bound = length(low, high)
        items[bound.id] = bound
    if len(items) < 2:
        return next(iter(items.values()), ANY)
    for item in items.values():
        if type(item) is Words and len(item) <= _FILTER_LIMIT:
            others = [other for other in items.values() if other is not item]
            return literals(word for word in item.words() if all(accepts(other, word) for other in others))
    order = sorted(items)
    key = ("And", *order)
    found = _table.get(key)
    if found is None:
        found = _table.enter(key, _new_and(tuple([items[i] for i in order]), least, most))
    return found


def _new_and(items: tuple[Term, ...], least: int, most: int | None) -> Term:
    nullable = all(item.nullable for item in items)
    bounds = [item for item in items if is_length(item)]
    dense = len(items) == 2 and bool(bounds) and all(item.contiguous for item in items)
    wide = all(item.unbounded for item in items) and (
        len([item for item in items if not item.cofinite and not item.ideal]) <= 1
    )
    node = _new(
        And,
        nullable=nullable,
        inhabited=nullable or dense or wide or (len(items) == 2 and len(bounds) == 1 and _fits(items, bounds[0])),
        plain=dense and items[0].plain and items[1].plain,
        contiguous=dense,
        min_len=least,
        max_len=most,
        unbounded=wide,
        cofinite=all(item.cofinite for item in items),
        ideal=all(item.ideal for item in items),
    )
    node.items = items
    return node


def _fits(items: tuple[Term, ...], bound: Repeat) -> bool:
    """Whether all words of the other item, or of what it begins with and may end after, are within the bound."""
    other = items[0] if items[1] is bound else items[1]
    if type(other) is Concat and other.tail.nullable:
        other = other.head
    most = other.max_len
    if not other.inhabited or most is None or bound.low > other.min_len:
        return False
    return bound.high is None or most <= bound.high


def complement(term: Term) -> Term:
    """Every string that is not a word of ``term``."""
    if type(term) is Not:
        return term.inner
    if term is EMPTY:
        return ANY
    if term is EPSILON:
        return length(1, None)
    if is_length(term):
        above = EMPTY if term.high is None else length(term.high + 1, None)
        return union(EMPTY if term.low == 0 else length(0, term.low - 1), above)
    key = ("Not", term.id)
    found = _table.get(key)
    if found is None:
        finite = term.max_len is not None
        node = _new(
            Not,
            nullable=not term.nullable,
            inhabited=finite or not term.nullable,
            min_len=1 if term.nullable else 0,
            unbounded=finite,
            cofinite=finite,
        )
        node.inner = term
        found = _table.enter(key, node)
    return found


def _merge(pairs: list[tuple[CharSet, Term]]) -> Iterable[tuple[CharSet, Term]]:
    """Overlapping moves made disjoint: where several apply, their successors are united."""
    if len(pairs) < 2:
        return pairs
    if len(pairs) == 2:
        (a, p), (b, q) = pairs
        both = a & b
        if p is q:
            return ((a | b, p),)
        if not both.ranges:
            return pairs
        return gather(((a - b, p), (b - a, q), (both, union(p, q))))
    cells = _cells([c for c, _ in pairs])
    return gather((c, union(*_members(pairs, mask))) for mask, c in cells.items())


def _cells(sets: Sequence[CharSet]) -> dict[int, CharSet]:
    """The regions of a Venn diagram: bit i of a key is set where the region lies in ``sets[i]``."""
    events = []
    for index, characters in enumerate(sets):
        bit = 1 << index
        for low, high in characters.ranges:
            events.append((low, bit))
            events.append((high + 1, bit))
    events.sort()
    ranges: dict[int, list[tuple[int, int]]] = {}
    inside, start = 0, 0
    for at, bit in events:
        if at > start:
            if inside:
                ranges.setdefault(inside, []).append((start, at - 1))
            start = at
        inside ^= bit
    return {mask: CharSet.from_sorted(parts) for mask, parts in ranges.items()}


def partition(sets: Sequence[CharSet]) -> list[CharSet]:
    """Disjoint sets, none of which any of ``sets`` cuts, that together cover them."""
    return list(_cells(sets).values())


def _members(pairs: Sequence[tuple[CharSet, Term]], mask: int) -> list[Term]:
    found = []
    while mask:
        lowest = mask & -mask
        found.append(pairs[lowest.bit_length() - 1][1])
        mask ^= lowest
    return found


def gather(pairs: Iterable[tuple[CharSet, Term]]) -> list[tuple[CharSet, Term]]:
    """Disjoint moves with those to the same successor united, and none that leads to EMPTY."""
    found: dict[int, tuple[CharSet, Term]] = {}
    for characters, successor in pairs:
        if successor is EMPTY or not characters.ranges:
            continue
        before = found.get(successor.id)
        found[successor.id] = (characters if before is None else before[0] | characters, successor)
    return list(found.values())


def has_surrogate(text: str) -> bool:
    """Whether ``text`` has half a surrogate pair, so that no UTF-8 text spells it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


# Keys name a class rather than hold it: tuples of strings and numbers are nothing that the garbage collector follows.
_table: Interned[tuple[Any, ...], Term] = Interned()
_lists: Interned[tuple[str, ...], WordList] = Interned()
_ids = count()


def _new(
    kind: Any,
    *,
    nullable: bool = False,
    inhabited: bool = False,
    plain: bool = False,
    contiguous: bool = False,
    min_len: int = 0,
    max_len: int | None = None,
    unbounded: bool = False,
    cofinite: bool = False,
    ideal: bool = False,
) -> Any:
    """A new term with these attributes; thousands are made for a schema."""
    node = object.__new__(kind)
    node.id = next(_ids)
    node.nullable, node.inhabited, node.plain = nullable, inhabited or nullable or plain, plain
    node.contiguous, node.min_len, node.max_len = contiguous, min_len, max_len
    node.unbounded, node.cofinite, node.ideal = unbounded, cofinite, ideal
    node._next, node._moves, node._live, node._empty, node.lexeme = {}, None, None, None, None
    return node


def _show(term: Term, depth: int) -> str:
    if depth == 0:
        return "..."
    if type(term) is Chars:
        return repr(term.characters).removeprefix("CharSet")
    if type(term) is Concat:
        return f"{_show(term.head, depth - 1)}{_show(term.tail, depth - 1)}"
    if type(term) is Repeat:
        most = "" if term.high is None else term.high
        return f"({_show(term.body, depth - 1)}){{{term.low},{most}}}"
    if isinstance(term, (Or, And)):
        sign = "|" if type(term) is Or else "&"
        return f"({sign.join(_show(item, depth - 1) for item in term.items[:6])})"
    if type(term) is Not:
        return f"~{_show(term.inner, depth - 1)}"
    if type(term) is Words:
        return f"<{len(term)} words>"
    return type(term).__name__


EMPTY: Final[Term] = _chars(NO_CHARS)
EPSILON: Final[Term] = _table.enter(("Epsilon",), _new(Epsilon, nullable=True, plain=True, contiguous=True, max_len=0))
ANY_CHAR: Final[Term] = _chars(ALL_CHARS)
ANY: Final[Term] = repeat(ANY_CHAR, 0, None)

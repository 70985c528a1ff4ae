"""The language of a schema: all canonical JSON texts of its values, walked byte by byte.

A position in a document is a set of threads. A thread is a lexeme being read and a continuation: what comes when the
lexeme has ended. Continuations are linked frames, one for each open array or object, interned like everything else, so
that equal positions are one object and whoever walks may remember what it learnt about them. There is more than one
thread only where a choice in the schema is still open. A state exists only if some document completes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import cache

from ..schema.algebra import ARRAY, FALSE_, NULL, NUMBER, OBJECT, STRING, TRUE_, Expr
from .arrays import ArrayState, array_states
from .charset import CharSet
from .continuations import (
    AfterItem,
    ArrayRest,
    CapturingChoice,
    Choice,
    Continuation,
    Declared,
    End,
    Fixed,
    Gap,
    MemberName,
    ObjectRest,
    String,
    Thread,
    Undeclared,
    Value,
    in_pairs,
    in_turn,
)
from .lexemes import Lexeme, Literal, literal, number, text
from .names import Name, NameTrie, name_at
from .objects import ObjectState, Successor, object_states
from .terms import ANY, EPSILON, Term, chars, concat, repeat, union
from .terms import literal as fixed
from .values import Values

_QUOTE, _BRACKET, _BRACE = literal(b'"'), literal(b"["), literal(b"{")
_WORDS = ((NULL, literal(b"null")), (FALSE_, literal(b"false")), (TRUE_, literal(b"true")))


class Whitespace(Enum):
    """Where blanks stand: nowhere, as ``json.dumps`` writes by default, or as with ``indent=2``.

    FLEXIBLE leaves it to the model within bounds: at each place where JSON allows blanks one space or, but for the
    place before a colon, one line break and up to four blanks for each array and object that is open there.
    """

    COMPACT = "compact"
    SPACED = "spaced"
    INDENTED = "indented"
    FLEXIBLE = "flexible"


#: The lexeme that a value begins with, and what is inside of it where it is more than that.
Beginning = tuple[Lexeme, Term | ArrayState | ObjectState | None]


class Documents:
    """The automaton of one schema. ``start`` is the set of threads before the document's first byte."""

    def __init__(self, values: Values, root: Expr, whitespace: Whitespace = Whitespace.SPACED) -> None:
        self.values = values
        self.style = whitespace
        self.is_flexible = whitespace is Whitespace.FLEXIBLE
        self._is_indented = whitespace is Whitespace.INDENTED
        self._interned: dict[tuple, Continuation] = {}  # by the ids of what they are made of, which they hold
        self._names: dict[int, NameTrie] = {}  # by the ids of specs
        self._beginnings: dict[Expr, tuple] = {}  # in turn
        self.outlooks: dict[Expr, int] = {}  # scratch space: what a token can tell of how values begin
        spaced = whitespace in (Whitespace.SPACED, Whitespace.INDENTED)
        self.colon = b": " if spaced else b":"
        self.after_name = None if self.is_flexible else self.colon
        self._comma = b"," if whitespace is not Whitespace.SPACED else b", "
        self.done = End(self)
        values.strict = False  # the root has a value, so that from here on what takes too long can be left out
        self.start = self.value(root, self.done, 0).open()

    @property
    def num_continuations(self) -> int:
        """How many there are so far."""
        return len(self._interned)

    def _one(self, key: tuple, kind: Callable[..., Continuation], *arguments: object) -> Continuation:
        """The one continuation with that key."""
        found = self._interned.get(key)
        return self._interned.setdefault(key, kind(self, *arguments)) if found is None else found

    def merge(self, continuations: Iterable[Continuation]) -> Continuation:
        """Any of ``continuations``."""
        parts = tuple(dict.fromkeys(continuations))
        if len(parts) == 1:
            return parts[0]
        key = (Choice.__name__, *sorted(map(id, parts)))
        return self._one(key, Choice if all(part.captures is None for part in parts) else CapturingChoice, parts)

    def joined(self, threads: list[Thread]) -> list[Thread]:
        """``threads`` with those at the same lexeme made one."""
        if len(threads) < 2 or len({lexeme for lexeme, _ in threads}) == len(threads):
            return threads
        by_lexeme: dict[Lexeme, list[Continuation]] = {}
        for lexeme, continuation in threads:
            by_lexeme.setdefault(lexeme, []).append(continuation)
        return [(lexeme, cs[0] if len(cs) == 1 else self.merge(cs)) for lexeme, cs in by_lexeme.items()]

    # Values. ----------------------------------------------------------------------------------------------------

    def value(self, formula: Expr, after: Continuation, depth: int) -> Continuation:
        """A value of ``formula``."""
        return self._one(("value", id(formula), id(after), depth), Value, formula, after, depth)

    def beginnings(self, formula: Expr) -> Sequence[Beginning]:
        """How values of ``formula`` can begin, and what is then read."""
        known = self._beginnings.get(formula)
        if known is not None:
            return in_pairs(known)
        found, firm = self.values.firmly(lambda: self.values.gather(lambda: self._begin(formula)))
        if firm:
            self._beginnings[formula] = in_turn(found)
        return found

    def _begin(self, formula: Expr) -> Iterable[Beginning]:
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

    def _may_be(self, formula: Expr, kind: int) -> bool:
        return self.values.viable((formula, kind), lambda: self.values.has_value(formula, kind))

    def inside(self, what: Term | ArrayState | ObjectState | None, after: Continuation, depth: int) -> Continuation:
        """What comes after the lexeme that a value begins with."""
        if what is None:
            return after
        if isinstance(what, Term):
            return self.string(what, after)
        if isinstance(what, ArrayState):
            return self.items(what, after, depth + 1, first=True)
        return self.members(what, after, depth + 1, first=True)

    def string(self, term: Term, after: Continuation) -> Continuation:
        """The inside of a string of ``term``."""
        return self._one(("string", id(term), id(after)), String, term, after)

    # What stands around them. -----------------------------------------------------------------------------------

    def gap(self, after: Continuation, depth: int) -> Continuation:
        """``after``, and blanks before it where the style leaves them open; ``depth`` 0: no line break."""
        if not self.is_flexible:
            return after
        return self._one(("gap", id(after), depth), Gap, after, depth)

    def blanks(self, depth: int) -> Term:
        """The blanks that may stand there."""
        return _blanks(depth)

    def fixed(self, text: bytes, after: Continuation) -> Continuation:
        """A fixed text."""
        return self._one(("fixed", text, id(after)), Fixed, text, after)

    def separator(self, depth: int, first: bool) -> bytes:
        """What stands before an item or member; blanks that are left open come after it."""
        comma = b"" if first else self._comma
        return comma + b"\n" + b"  " * depth if self._is_indented else comma

    def closing(self, bracket: bytes, depth: int, first: bool) -> Literal:
        """What ends an array or object; ``first``: an empty one."""
        if self._is_indented and not first:
            return literal(b"\n" + b"  " * (depth - 1) + bracket)
        return literal(bracket)

    # Arrays. ----------------------------------------------------------------------------------------------------

    def items(self, state: ArrayState, after: Continuation, depth: int, first: bool = False) -> Continuation:
        """An array's next item or its end."""
        return self.gap(
            self._one(("items", id(state), id(after), depth, first), ArrayRest, state, after, depth, first), depth
        )

    def after_item(self, state: ArrayState, after: Continuation, depth: int) -> Continuation:
        """What comes after an item, ``state`` being that after it."""
        if not state.remembers:
            return self.items(state, after, depth)
        return self._one(("next", id(state), id(after), depth), AfterItem, state, after, depth)

    # Objects. ---------------------------------------------------------------------------------------------------

    def members(self, state: ObjectState, after: Continuation, depth: int, first: bool = False) -> Continuation:
        """An object's next member or its end."""
        return self.gap(
            self._one(("members", id(state), id(after), depth, first), ObjectRest, state, after, depth, first), depth
        )

    def member_name(self, state: ObjectState, after: Continuation, depth: int) -> Continuation:
        """Inside the name of the next member."""
        return self._one(("name", id(state), id(after), depth), MemberName, state, after, depth)

    def names(self, state: ObjectState) -> Name | None:
        """Before the first character of a declared name; None where none can come."""
        return name_at(self._trie(state).root, state)

    def other_names(self, state: ObjectState, term: Term) -> Lexeme:
        """Before the first character of an undeclared name of ``term``."""
        trie = self._trie(state)
        return trie.root.other() if term is trie.others and term is not ANY else text(term)

    def _trie(self, state: ObjectState) -> NameTrie:
        trie = self._names.get(id(state.spec))
        if trie is None:
            trie = self._names[id(state.spec)] = NameTrie(state.spec.names)
        return trie

    def declared_member(self, state: ObjectState, index: int, after: Continuation, depth: int) -> Continuation:
        """After the quote that closes the name of declared member ``index``."""
        return self._one(("declared", id(state), index, id(after), depth), Declared, state, index, after, depth)

    def undeclared_member(
        self, state: ObjectState, c: int, name: str | None, after: Continuation, depth: int
    ) -> Continuation:
        """The same for a name of class ``c`` of those that are not declared; None: it is not known yet."""
        return self._one(("undeclared", id(state), c, name, id(after), depth), Undeclared, state, c, name, after, depth)

    def member(self, alternatives: list[Successor], after: Continuation, depth: int) -> Sequence[Thread]:
        """The threads after a name, for what its value must satisfy and the states after it."""
        value = self.merge([self.value(v, self.members(s, after, depth), depth) for v, s in alternatives])
        if not self.is_flexible:
            return ((literal(self.colon), value),)
        return self.gap(self.fixed(self.colon, self.gap(value, depth)), 0).open()


@cache
def _blanks(depth: int) -> Term:
    blanks = chars(CharSet.of(" \t"))
    line = concat(fixed("\n"), repeat(blanks, 0, 4 * depth)) if depth else EPSILON
    return union(EPSILON, fixed(" "), line)


__all__ = ["Documents", "Whitespace"]

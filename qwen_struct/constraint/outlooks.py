"""What a token can tell of a continuation, as a number: equal numbers, equal views.

Most continuations of a document differ in what only later bytes will show: which members an object has had, or what
comes after the next name. Their outlook leaves that out. It says which texts come next and, where a token can go on
behind one of them, what comes after that; so it is found without opening more than what a token can look into, and
most of the masks of a new position are known by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

from ..language.arrays import ArrayState
from ..language.continuations import (
    ArrayRest,
    Choice,
    Continuation,
    Declared,
    End,
    MemberName,
    ObjectRest,
    String,
    Undeclared,
    Value,
)
from ..language.documents import Documents, Whitespace
from ..language.lexemes import END, Lexeme, Literal, Number
from ..language.objects import ObjectState
from ..language.terms import Term
from ..schema.algebra import Expr

_BETWEEN = b"\xff"  # no part of UTF-8, so that no text goes on with it


class Outlooks:
    """The outlooks of one vocabulary's grammars: numbers that are never used again."""

    def __init__(self, tokens: Iterable[bytes | None]) -> None:
        self._tokens = _BETWEEN.join([token for token in tokens if token]) + _BETWEEN
        self._visible: dict[bytes, bool] = {}
        self._numbers: dict[tuple, int] = {}
        self._fresh = count(1)
        self._kinds: dict[type[Continuation], Callable[[Any, int], tuple | None]] = {
            ObjectRest: self._members,
            MemberName: self._name,
            Declared: self._declared,
            Undeclared: self._undeclared,
            ArrayRest: self._items,
            Value: self._value,
            String: self._string,
            Choice: self._choice,
            End: self._end,
        }

    @property
    def num_known(self) -> int:
        return len(self._numbers)

    def forget(self) -> None:
        """Drops what is remembered. Numbers given out before stay right: others are given from now on."""
        self._numbers.clear()

    def of(self, continuation: Continuation) -> int:
        """The number of what a token can tell of ``continuation``."""
        chain = [continuation]
        after: Continuation | None = getattr(continuation, "after", None)
        while after is not None and after.outlook is None:
            chain.append(after)
            after = getattr(after, "after", None)
        number = 0 if after is None or after.outlook is None else after.outlook
        for each in reversed(chain):
            number = each.outlook = self._find(each, number)
        return number

    def visible(self, text: bytes) -> bool:
        """Whether a token goes on after ``text``."""
        found = self._visible.get(text)
        if found is None:
            found = self._visible[text] = self._goes_on_after(text)
        return found

    def _goes_on_after(self, text: bytes) -> bool:
        at = self._tokens.find(text)
        while at >= 0:
            end = at + len(text)
            if self._tokens[end : end + 1] != _BETWEEN:
                return True
            at = self._tokens.find(text, at + 1)
        return False

    def _find(self, continuation: Continuation, after: int) -> int:
        documents = continuation.documents
        kind = self._kinds.get(type(continuation))
        if kind is None or documents.is_flexible or documents.values.incomplete:
            return next(self._fresh)
        key = kind(continuation, after)
        return next(self._fresh) if key is None else self._numbered(key)

    def _numbered(self, key: tuple) -> int:
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = next(self._fresh)
        return number

    # What tells continuations apart, by their kinds; None where it is not known. ---------------------------------

    def _end(self, continuation: End, after: int) -> tuple | None:
        return ("end",)

    def _choice(self, continuation: Choice, after: int) -> tuple | None:
        return "choice", *sorted([part.outlook or self.of(part) for part in continuation.parts])

    def _string(self, continuation: String, after: int) -> tuple | None:
        return "string", continuation.term.id, after

    def _value(self, continuation: Value, after: int) -> tuple | None:
        begins = self._begins(continuation.documents, continuation.formula)
        return None if begins is None else ("value", begins, after, _depth(continuation))

    def _begins(self, documents: Documents, formula: Expr) -> int | None:
        """The same for how the values of ``formula`` begin."""
        number = documents.outlooks.get(formula)
        if number is None:
            beginnings = documents.beginnings(formula)
            if documents.values.incomplete:
                return None
            parts = [(_lexeme(lexeme), _inside(what)) for lexeme, what in beginnings]
            number = documents.outlooks[formula] = self._numbered(("begins", *parts))
        return number

    def _items(self, continuation: ArrayRest, after: int) -> tuple | None:
        state = continuation.state
        if state.remembers:
            return None
        following = state.next_items()
        if len(following) == 1 and following[0][1] is state:
            begins = self._begins(continuation.documents, following[0][0])
            key: Any = None if begins is None else (begins, state.closable())
        else:
            key = state.number
        style = continuation.documents.style.value
        return None if key is None else ("items", style, key, after, continuation.is_first, _depth(continuation))

    def _members(self, continuation: ObjectRest, after: int) -> tuple | None:
        """By its threads: where the object may end, and the quote before a name."""
        parts: list[Any] = ["members"]
        for lexeme, following in continuation.open():
            assert type(lexeme) is Literal
            parts.append(lexeme.text)
            if following is continuation.after:
                parts.append(after)
            elif self.visible(lexeme.text):
                parts.append(following.outlook or self.of(following))
        return tuple(parts)

    def _name(self, continuation: MemberName, after: int) -> tuple | None:
        return "name", continuation.state.number, after, _depth(continuation)

    def _declared(self, continuation: Declared, after: int) -> tuple | None:
        first = continuation.first or b""
        if not self.visible(first):
            return "colon", first
        return "declared", continuation.state.number, continuation.index, after, _depth(continuation)

    def _undeclared(self, continuation: Undeclared, after: int) -> tuple | None:
        first, name = continuation.first or b"", continuation.name
        if not self.visible(first):
            return "colon after any name" if name is None else "colon", first
        return "undeclared", continuation.state.number, continuation.c, name, after, _depth(continuation)


def _depth(continuation: Any) -> int:
    """The depth where it is to be seen."""
    return continuation.depth if continuation.documents.style is Whitespace.INDENTED else -1


def _lexeme(lexeme: Lexeme) -> object:
    if type(lexeme) is Literal:
        return lexeme.text
    assert type(lexeme) is Number and lexeme is not END
    return lexeme.term.id


def _inside(what: Term | ArrayState | ObjectState | None) -> tuple[str, int] | None:
    if what is None:
        return None
    return ("string", what.id) if isinstance(what, Term) else ("state", what.number)

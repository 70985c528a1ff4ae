"""A JSON text that grows, read as typed values: each as it closes, and the whole as far as it has come.

    JSON text, piece by piece -> lexemes -> _Value, a tree that only grows -> Partial, a view of it at one moment
    places.py knows the type at each place of it

Reading is linear in the text. Nothing is validated, and no snapshot is built, before it is asked for: a Partial keeps
the number of its event, and every value in the tree those at which it opened and closed.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import pydantic_core

from .errors import Fault, ValidationError
from .schema.inputs import SchemaInput
from .schema.places import Fields, Kind, Shape, Tagged, Type, type_of_answer
from .schema.walk import escape

_SPACE = re.compile(rb"[ \t\r\n]*")
_STRING = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)  # the rest of one, up to its quote or half an escape
_BARE = re.compile(rb"[-+.0-9A-Za-z]*")
_LITERALS = (b"true", b"false", b"null")
_VALUE = b'{["-0123456789tfn'
_ALLOWED = {
    "a value": _VALUE,
    "a value or the array's end": _VALUE + b"]",
    "a name": b'"',
    "a name or the object's end": b'"}',
    "a colon": b":",
    "a comma or the array's end": b",]",
    "a comma or the object's end": b",}",
    "nothing more": b"",
}
_OPEN = sys.maxsize  # in place of the number of the event at which a value closed
_NOT_GIVEN = object()


@dataclass(frozen=True, eq=False, repr=False)
class Partial:
    """One value of the answer, at the moment it closed. ``pointer`` (RFC 6901) says where; ``""`` is the whole.

    All else is made when it is first asked for, and kept; treat it as read-only, for views share what is closed.
    """

    pointer: str
    _value: _Value = field(repr=False)
    _root: _Value = field(repr=False)

    @property
    def value(self) -> Any:
        """The value as the type of its place: the annotation, its constraints and its field's own validators.

        It is what JSON gives where no single type is known (a union of models whose tag has not closed, a JSON Schema),
        and where it does not pass; then ``error`` says why.
        """
        return self._value.checked[0]

    @property
    def error(self) -> str | None:
        """Why ``value`` did not pass as its type. Not final: the whole is validated at the end."""
        return self._value.checked[1]

    @property
    def so_far(self) -> Any:
        """The whole answer as it stood at this moment; what comes later does not change it.

        Open Pydantic models are instances with the fields that have closed and no others, not even defaults
        (``model_fields_set`` names them); open dataclasses, TypedDicts and objects are dicts, open arrays lists.
        Costs a shallow copy of each array and object that was open, and the validation of what closed in them, once.
        """
        return self._root.as_of(self._value.closed)

    def __repr__(self) -> str:
        error = "" if self.error is None else f", error={self.error!r}"
        return f"Partial({self.pointer!r}, {self.value!r}{error})"


@dataclass(frozen=True)
class TextDelta:
    """The next characters of the JSON text. Before a :class:`Partial` they reach up to the end of its value."""

    text: str


class PartialReader:
    """Reads a JSON text that comes in pieces; :meth:`feed` and :meth:`finish` give each value as it closes.

    ``asked`` is the schema in any form that :func:`~.schema.inputs.load_schema` has read; of a Python type the values
    are typed, of a JSON Schema they are what JSON gives. With ``deltas`` the text comes too, as :class:`TextDelta`.
    """

    def __init__(self, asked: SchemaInput, *, deltas: bool = False) -> None:
        self._type = type_of_answer(asked)
        self._deltas = deltas
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._num_told = 0  # bytes that went out as deltas
        self._text = bytearray()
        self._at = 0  # what comes before has been read
        self._start: int | None = None  # of the lexeme under way
        self._expects = "a value"
        self._name = ""  # of the member whose value comes next
        self._root: _Value | None = None
        self._open: list[_Value] = []  # arrays and objects, the outermost first
        self._num_events = 0

    def feed(self, text: bytes) -> list[Partial | TextDelta]:
        """Goes on by ``text``, which may begin and end anywhere; one Partial for each value inside that closed in it.

        A number closes with what follows it. The whole does not come here but from :meth:`finish`.

        Raises:
            ValidationError: the text is not JSON.
        """
        self._text += text
        events: list[Partial | TextDelta] = []
        for value in self._closed_values(last=False):
            if value is not self._root:
                self._tell(events, value.end)
                events.append(Partial(value.pointer, value, cast(_Value, self._root)))
        self._tell(events, len(self._text))
        return events

    def finish(self, value: Any = _NOT_GIVEN) -> list[Partial | TextDelta]:
        """The last event: the whole, as ``value`` where that has been validated already.

        Raises:
            ValidationError: the text is not JSON, or not all of it.
        """
        for _ in self._closed_values(last=True):
            pass  # a number that is the whole
        if self._root is None or self._expects != "nothing more":
            raise self._malformed(f"it ends where {self._expects} has to follow")
        if value is not _NOT_GIVEN:
            self._root.checked = (value, None)
        return [Partial("", self._root, self._root)]

    def _tell(self, events: list[Partial | TextDelta], end: int) -> None:
        if self._deltas and end > self._num_told:
            text = self._decoder.decode(bytes(self._text[self._num_told : end]))
            self._num_told = end
            if text:
                events.append(TextDelta(text))

    def _closed_values(self, last: bool) -> Iterator[_Value]:
        for lexeme in self._lexemes(last):
            if lexeme[0] not in _ALLOWED[self._expects]:
                raise self._malformed(f"{lexeme[:40].decode(errors='replace')!r} in place of {self._expects}")
            closed = self._take(lexeme)
            if closed is not None:
                yield closed

    def _lexemes(self, last: bool) -> Iterator[bytes]:
        """The lexemes that are complete, from where reading stopped; no byte is looked at twice."""
        while True:
            if self._start is None:
                self._at = _end(_SPACE, self._text, self._at)
                if self._at == len(self._text):
                    return
                self._start = self._at
                self._at += 1
            if not self._is_complete(self._text[self._start], last):
                return
            lexeme, self._start = bytes(self._text[self._start : self._at]), None
            yield lexeme

    def _is_complete(self, first: int, last: bool) -> bool:
        """Whether the lexeme under way ends in the text, after moving on in it as far as possible."""
        if first in b"{}[],:":
            return True
        if first == ord('"'):
            self._at = _end(_STRING, self._text, self._at)
            closed = self._text[self._at : self._at + 1] == b'"'
            self._at += closed
            return closed
        self._at = _end(_BARE, self._text, self._at)
        return last or self._at < len(self._text) or (first in b"tfn" and self._text[self._start :] in _LITERALS)

    def _take(self, lexeme: bytes) -> _Value | None:
        """Goes on by a lexeme; the value that it closes."""
        first = lexeme[:1]
        if first == b"{":
            self._open.append(self._begin("object"))
            self._expects = "a name or the object's end"
        elif first == b"[":
            self._open.append(self._begin("array"))
            self._expects = "a value or the array's end"
        elif first in (b"}", b"]"):
            value = self._open.pop()
            return self._end(value, _plain(value.kind, value.items, [item.raw for item in value.items]))
        elif first == b",":
            self._expects = "a name" if self._open[-1].kind == "object" else "a value"
        elif first == b":":
            self._expects = "a value"
        elif self._expects.startswith("a name"):
            self._name = self._loads(lexeme)
            self._expects = "a colon"
        else:
            return self._end(self._begin("scalar", len(lexeme)), self._loads(lexeme))
        return None

    def _begin(self, kind: Kind, length: int = 1) -> _Value:
        """A new value, of which ``length`` bytes have been read."""
        start = self._at - length
        if not self._open:
            self._root = _Value(self._text, None, "", "", kind, self._type, start, self._num_events)
            return self._root
        parent = self._open[-1]
        key = self._name if parent.kind == "object" else len(parent.items)
        place = None if parent.shape is None else parent.shape.member(key)
        pointer = f"{parent.pointer}/{escape(key)}"
        value = _Value(self._text, parent, key, pointer, kind, place, start, self._num_events)
        parent.items.append(value)
        return value

    def _end(self, value: _Value, raw: Any) -> _Value:
        self._num_events += 1
        value.raw, value.end, value.closed = raw, self._at, self._num_events
        if not self._open:
            self._expects = "nothing more"
            return value
        parent = self._open[-1]
        self._expects = f"a comma or the {parent.kind}'s end"
        if value.kind == "scalar" and isinstance(parent.shape, Tagged):
            parent.learn(parent.shape.chosen(value.key, raw))
        return value

    def _loads(self, lexeme: bytes) -> Any:
        try:
            value = json.loads(lexeme.decode())
        except ValueError as error:
            raise self._malformed(str(error)) from error
        if isinstance(value, float) and not math.isfinite(value):
            raise self._malformed(f"the number {lexeme[:40].decode()} is out of range")
        return value

    def _malformed(self, message: str) -> ValidationError:
        pointer = self._open[-1].pointer if self._open else ""
        return ValidationError("the text is not JSON", (Fault(pointer, f"byte {self._at:,}: {message}"),))


def _end(pattern: re.Pattern[bytes], text: bytearray, at: int) -> int:
    """Where a match of ``pattern``, which matches everywhere, ends."""
    match = pattern.match(text, at)
    return at if match is None else match.end()


class _Value:
    """A value in the text. Events are numbered from 1; it opened after event ``opened``, ``closed`` is its own.

    ``type`` and ``shape`` hold from event ``known_from`` on: below a tagged union they come with the tag.
    """

    __slots__ = """source parent key pointer kind type shape known_from start end opened closed raw items
    _checked _settled _settled_items""".split()

    def __init__(
        self,
        source: bytearray,
        parent: _Value | None,
        key: str | int,
        pointer: str,
        kind: Kind,
        place: Type | None,
        start: int,
        opened: int,
    ) -> None:
        self.source, self.parent, self.key, self.pointer, self.kind = source, parent, key, pointer, kind
        self.type = place
        self.shape: Shape | None = None if place is None or kind == "scalar" else place.shape(kind)
        self.known_from = 0
        self.start, self.end = start, start
        self.opened, self.closed = opened, _OPEN
        self.raw: Any = None  # what JSON gives, once closed
        self.items: list[_Value] = []  # items or members; all but the last have closed
        self._checked: tuple[Any, str | None] | None = None
        self._settled: Any = _NOT_GIVEN
        self._settled_items: list[Any] = []  # what the first items stand for

    @property
    def checked(self) -> tuple[Any, str | None]:
        """The typed value and None, or the raw one and why it did not pass."""
        if self._checked is None:
            self._checked = self._check()
        return self._checked

    @checked.setter
    def checked(self, checked: tuple[Any, str | None]) -> None:
        self._checked = checked

    def _check(self) -> tuple[Any, str | None]:
        if self.type is None:
            return self.raw, None
        try:
            return self.type.read(self.source[self.start : self.end].decode()), None
        except ValidationError as error:
            return self.raw, "; ".join(str(fault) if fault.pointer else fault.message for fault in error.faults)
        except Exception as error:  # a validator of the user's that failed in its own way, or looks at other fields
            return self._check_in_place(error)

    def _check_in_place(self, before: Exception) -> tuple[Any, str | None]:
        """The same among the fields that closed before it, which a field's validator sees as ``info.data``."""
        shape = None if self.parent is None else self.parent.shape
        if self.parent is None or not isinstance(shape, Fields) or self.key not in shape.fields:
            return self.raw, f"{type(before).__name__}: {before}"
        try:
            passed = {str(item.key): item.checked[0] for item in self.parent.items_before(self) if not item.checked[1]}
            return shape.assign(passed, str(self.key), self.raw), None
        except pydantic_core.ValidationError as error:
            return self.raw, error.errors()[0]["msg"]
        except Exception as error:
            return self.raw, f"{type(error).__name__}: {error}"

    def items_before(self, item: _Value) -> list[_Value]:
        return self.items[: bisect_right(self.items, item.opened, key=lambda other: other.closed)]

    def settled(self) -> Any:
        """What stands for it in the whole: the typed value, or what its parts give where it did not pass."""
        if self._settled is _NOT_GIVEN:
            value, error = self.checked
            is_whole = error is None or self.shape is None
            self._settled = value if is_whole else self._assembled(self._first(len(self.items)))
        return self._settled

    def as_of(self, event: int) -> Any:
        """The value as it stood after ``event``, before which it opened."""
        known = self.known_from <= event
        if self.closed <= event:
            return self.settled() if known else self.raw
        num_closed = bisect_right(self.items, event, key=lambda item: item.closed)
        parts = self._first(num_closed) if known else [item.as_of(event) for item in self.items[:num_closed]]
        if num_closed < len(self.items) and self.items[num_closed].opened < event:
            parts.append(self.items[num_closed].as_of(event))
        return self._assembled(parts) if known else _plain(self.kind, self.items, parts)

    def _first(self, num: int) -> list[Any]:
        """What the first ``num`` items, which have closed, stand for."""
        settled = self._settled_items
        if len(settled) < num:
            settled = self._settled_items = settled + [item.settled() for item in self.items[len(settled) : num]]
        return settled[:num]

    def _assembled(self, parts: list[Any]) -> Any:
        if self.shape is None:
            return _plain(self.kind, self.items, parts)
        keys = [item.key for item in self.items[: len(parts)]] if self.kind == "object" else ()
        return self.shape.build(keys, parts)

    def learn(self, shape: Shape | None) -> None:
        """Its tag has closed and says what it is; so what closed in it before has a type from now on."""
        if shape is None:
            return
        self.shape, self.known_from = shape, self.items[-1].closed
        self.items = [item._typed(shape.member(item.key), self.known_from) for item in self.items]
        self._settled_items = []

    def _typed(self, place: Type | None, known_from: int) -> _Value:
        value = _Value(self.source, self.parent, self.key, self.pointer, self.kind, place, self.start, self.opened)
        value.end, value.closed, value.raw, value.items = self.end, self.closed, self.raw, self.items
        value.known_from = known_from
        return value


def _plain(kind: Kind, items: Iterable[_Value], parts: list[Any]) -> Any:
    return parts if kind == "array" else dict(zip((item.key for item in items), parts, strict=False))

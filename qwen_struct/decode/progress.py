"""Where an answer's JSON text stands, read as it grows."""

from __future__ import annotations

import json
import re
from collections import ChainMap
from collections.abc import Iterator, MutableMapping
from typing import Any, Literal, NamedTuple

_LEXEME = re.compile(rb'\s*("(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+(?=[\s"{}\[\],:]))', re.DOTALL)
_BROKEN_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_ESCAPES = re.compile(rb"(?:\\\\)*\Z")

Path = tuple[str | int, ...]
#: Before a name, inside one; before a value, inside a string or number; after a value.
Kind = Literal["name", "value", "string", "number", "after"]


class Place(NamedTuple):
    """A member or item, and what has been written of its value: the JSON, and a string's characters."""

    path: Path
    kind: Kind
    written: bytes = b""
    text: str = ""


class Progress:
    """Follows a text that only grows. :meth:`read` gives the scalars that were completed since the last call."""

    def __init__(self) -> None:
        self.text = b""
        self._at = 0  # up to where lexemes are complete
        self._stack: list[str | int | None] = []  # the open arrays and objects: the item's number, the member's name
        self._expects: Literal["name", "colon", "value", "after"] = "value"
        self._names: MutableMapping[Path, tuple[str, ...]] = {}  # of the objects so far, in the order written

    def read(self, text: bytes) -> list[tuple[Place, Any]]:
        """Goes on to ``text``; starts again where it does not begin with what was read before."""
        if not text.startswith(self.text[: self._at]):
            self.__init__()  # type: ignore[misc]
        self.text = text
        found = []
        while (match := _LEXEME.match(text, self._at)) is not None:
            self._at = match.end()
            value = self._take(match.group(1))
            if value is not None:
                found.append(value)
        return found

    def _take(self, lexeme: bytes) -> tuple[Place, Any] | None:
        first = lexeme[:1]
        if first == b"{":
            self._stack.append(None)
            self._expects = "name"
        elif first == b"[":
            self._stack.append(0)
            self._expects = "value"
        elif first in (b"}", b"]"):
            if self._stack:
                self._stack.pop()
            self._expects = "after"
        elif first == b",":
            if self._stack and isinstance(self._stack[-1], int):
                self._stack[-1] += 1
                self._expects = "value"
            else:
                self._expects = "name"
        elif first == b":":
            self._expects = "value"
        elif self._expects == "name":
            name = _loads(lexeme)
            self._stack[-1] = str(name)
            inside = self.path[:-1]
            self._names[inside] = (*self._names.get(inside, ()), str(name))
            self._expects = "colon"
        else:
            self._expects = "after"
            return Place(self.path, "after"), _loads(lexeme)
        return None

    @property
    def path(self) -> Path:
        """Names and numbers that lead to the current member or item."""
        return tuple(["" if step is None else step for step in self._stack])

    @property
    def in_array(self) -> bool:
        """Whether the innermost open value is an array."""
        return bool(self._stack) and isinstance(self._stack[-1], int)

    @property
    def place(self) -> Place:
        """Where the text ends."""
        rest = self.text[self._at :].lstrip()
        if self._expects == "name":
            return Place(self.path[:-1], "name", rest)
        if self._expects != "value":
            return Place(self.path, "after")
        if rest[:1] == b'"':
            return Place(self.path, "string", rest, _partial(rest[1:]))
        return Place(self.path, "number" if rest else "value", rest)

    def names_before(self) -> Iterator[bytes]:
        """How the name being written may go on: as in the item before, after the same member."""
        rest = self.text[self._at :].lstrip()
        numbers = [i for i, step in enumerate(self.path) if isinstance(step, int)]
        if not numbers or not self._stack[numbers[-1]]:
            return
        at = numbers[-1]
        inner = self.path[:-1]
        before = (*inner[:at], inner[at] - 1, *inner[at + 1 :])  # type: ignore[operator]
        names, last = self._names.get(before, ()), self._stack[-1]
        start = names.index(last) + 1 if last in names else 0
        for name in names[start:]:
            written = json.dumps(name, ensure_ascii=False).encode()
            if written.startswith(rest):
                yield written[len(rest) :]

    def copy(self) -> Progress:
        """Another one at the same point, to be used until this one reads on."""
        other = Progress()
        other.text, other._at, other._expects = self.text, self._at, self._expects
        other._stack = self._stack.copy()
        other._names = ChainMap({}, self._names)
        return other


def _loads(lexeme: bytes) -> Any:
    try:
        return json.loads(lexeme)
    except ValueError:
        return lexeme.decode(errors="replace")


def _partial(text: bytes) -> str:
    """The characters of a string's beginning, without a last one that is not whole."""
    broken = _BROKEN_ESCAPE.search(text)
    if broken is not None and len(_ESCAPES.search(text, 0, broken.start()).group()) % 2 == 0:  # type: ignore[union-attr]
        text = text[: broken.start()]
    try:
        return json.loads(b'"' + text.decode(errors="ignore").encode() + b'"', strict=False)
    except ValueError:
        return ""

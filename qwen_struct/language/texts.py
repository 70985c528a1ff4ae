"""Canonical JSON text: how a string is spelled, and what the end of a text says, found by reading back."""

from __future__ import annotations

import json
import re

from .lexemes import BACKSLASH, QUOTE

_OPENING, _CLOSING = b"[{", b"]}"
_PART = re.compile(rb'"(?:[^"\\]|\\.)*(?P<whole>")?|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


def spelled(string: str) -> bytes:
    """The inside of ``string`` as a JSON string."""
    return json.dumps(string, ensure_ascii=False).encode()[1:-1]


def name_before(text: bytes | bytearray) -> str:
    """The string that ends ``text``, whose last byte is its closing quote."""
    return json.loads(text[string_start(text, len(text) - 1) :])


def value_before(text: bytes | bytearray) -> bytes | bytearray:
    """The JSON text of the value that ends ``text``: the whole of a string, array or object, the longest scalar."""
    at = len(text) - 1
    depth = 0
    while True:
        byte = text[at]
        if byte == QUOTE:
            at = string_start(text, at)
        elif byte in _CLOSING:
            depth += 1
        elif byte in _OPENING:
            depth -= 1
        elif depth == 0:
            while at > 0 and _in_scalar(text[at - 1]):
                at -= 1
        if depth == 0:
            return text[at:]
        at -= 1


def string_start(text: bytes | bytearray, end: int) -> int:
    """Where the string starts whose closing quote is at ``end``: at the nearest quote that is not escaped."""
    start = end
    while True:
        start = text.rindex(b'"', 0, start)
        backslashes = 0
        while backslashes < start and text[start - 1 - backslashes] == BACKSLASH:
            backslashes += 1
        if backslashes % 2 == 0:
            return start


def _in_scalar(byte: int) -> bool:
    """Whether a number, true, false or null has such a byte."""
    return 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A or byte in b"+-."


def pointer_at(text: bytes | bytearray) -> str:
    """The JSON Pointer of the value that is being written at the end of ``text``, a beginning of a JSON text.

    Where none has begun it is that of the array or object around it, after a comma in an array that of the next item.
    """
    place: list[str | int | None] = []  # in each open array or object; None where no value has begun
    name: str | None = None
    for part in _PART.finditer(text):
        token = part.group()
        if token in (b"{", b"["):
            _begin(place)
            place.append(None if token == b"{" else -1)
        elif token in (b"}", b"]"):
            place.pop()
        elif token == b",":
            place[-1] = place[-1] + 1 if isinstance(place[-1], int) else None
        elif token == b":":
            place[-1] = name
        elif place and place[-1] is None:
            name = json.loads(token) if part["whole"] else None
        else:
            _begin(place)
    parts = [str(p).replace("~", "~0").replace("/", "~1") for p in place if p is not None and p != -1]
    return "".join(["/" + p for p in parts])


def _begin(place: list[str | int | None]) -> None:
    """Notes that a value begins: in an array, its first item has the number 0."""
    if place and place[-1] == -1:
        place[-1] = 0

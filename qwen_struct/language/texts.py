"""What the end of a canonical JSON text says: the name or the value that has just been read, found by reading back."""

from __future__ import annotations

import json

from .lexemes import BACKSLASH, QUOTE

_OPENING, _CLOSING = b"[{", b"]}"


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

"""Text into and out of a program: files that may be anything, and JSON laid out for people."""

from __future__ import annotations

import codecs
import re
import sys
from pathlib import Path

from .errors import SourceError

_JSON_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+')
_OTHER_ENCODINGS = ((codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"))


def read_text(path: str) -> str:
    """The text of a UTF-8 file, or of standard input for "-"; without a byte order mark, lines ended by ``\\n``.

    Raises:
        SourceError: it cannot be read, or is not UTF-8; the message has the offset of the first wrong byte.
    """
    name = "standard input" if path == "-" else path
    try:
        data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except IsADirectoryError as error:
        raise SourceError(f"{path} is a folder; name a file in it") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot read {name}: {reason}; check the path and its permissions") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(_not_utf8(name, data, error.start)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _not_utf8(name: str, data: bytes, offset: int) -> str:
    guess = next((f"; it looks like {other}" for mark, other in _OTHER_ENCODINGS if data.startswith(mark)), "")
    return (
        f"{name} is not UTF-8 text: byte 0x{data[offset]:02x} at offset {offset:,}{guess}; "
        "convert it first, for example with `iconv -t UTF-8`"
    )


def reindent(text: str, indent: int) -> str:
    """JSON laid out over lines, ``indent`` spaces a level, every number and string spelled as it was.

    A parser would turn ``12.50`` into 12.5; this only moves white space.
    """
    out: list[str] = []
    depth, opened = 0, False  # opened: the last part began an object or array that may turn out empty
    for part in _JSON_PARTS.findall(text):
        if part in "]}":
            depth -= 1
            out.append(part if opened else _line(depth, indent) + part)
        else:
            out.append((_line(depth, indent) if opened else "") + _spaced(part, depth, indent))
        opened = part in "[{"
        depth += opened
    return "".join(out)


def _spaced(part: str, depth: int, indent: int) -> str:
    return {",": "," + _line(depth, indent), ":": ": "}.get(part, part)


def _line(depth: int, indent: int) -> str:
    return "\n" + " " * (indent * depth)

"""What tokens contribute to the string that is open after them, so that a name is read without the whole text."""

from __future__ import annotations

from collections.abc import Sequence

from ..language.lexemes import BACKSLASH

#: The last quote of a token: there is none, it opens or closes a string, or what precedes it must tell.
NONE, CERTAIN, FIRST, ESCAPED = range(4)


class TokenTails(dict[int, tuple[bytes, int]]):
    """By token, its text from the last quote on, or all of it where that may be escaped; made when first asked for."""

    def __init__(self, tokens: Sequence[bytes | None]) -> None:
        super().__init__()
        self._tokens = tokens

    def __missing__(self, token: int) -> tuple[bytes, int]:
        text = (self._tokens[token] if 0 <= token < len(self._tokens) else None) or b""
        at = text.rfind(b'"')
        if at < 0:
            found = text, NONE
        elif at == 0:
            found = text, FIRST
        elif text[at - 1] == BACKSLASH:
            found = text, ESCAPED
        else:
            found = text[at:], CERTAIN
        self[token] = found
        return found

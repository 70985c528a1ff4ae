"""What is known of single tokens inside strings, made when it is first asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ..language.lexemes import BACKSLASH, plain_text

#: The last quote of a token: there is none, it opens or closes a string, or what precedes it must tell.
NONE, CERTAIN, FIRST, ESCAPED = range(4)


class PlainTokens(dict[int, bool]):
    """By token, whether it has nothing but characters that a string has as they are, all of them ASCII."""

    def __init__(self, tokens: Sequence[bytes | None]) -> None:
        super().__init__()
        self._tokens = tokens

    def __missing__(self, token: int) -> bool:
        text = self._tokens[token] if 0 <= token < len(self._tokens) else None
        found = self[token] = text is not None and plain_text(text)
        return found


class TokenTails(dict[int, tuple[bytes, int]]):
    """By token, its text from the last quote on, or all of it where that may be escaped: so a name that is open after
    some tokens is read without the whole text.
    """

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

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


class Quotes(dict[int, int]):
    """By token, what its last quote is: so the tokens of a name that is open are found without the text."""

    def __init__(self, tokens: Sequence[bytes | None]) -> None:
        super().__init__()
        self._tokens = tokens

    def __missing__(self, token: int) -> int:
        text = (self._tokens[token] if 0 <= token < len(self._tokens) else None) or b""
        at = text.rfind(b'"')
        if at < 0:
            found = NONE
        elif at == 0:
            found = FIRST
        else:
            found = ESCAPED if text[at - 1] == BACKSLASH else CERTAIN
        self[token] = found
        return found

"""Text in the tokens that the model's own tokenizer would choose for it, as bytes and never normalised.

A tokenizer cuts text into pieces (words, runs of punctuation) and spells each by itself. Here the pieces are cut by the
tokenizer's own rules, but nothing is normalised and a control token's text is plain text, so that the tokens' bytes are
those of the text.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..constraint.vocabulary import byte_alphabet
from ..errors import ModelError

if TYPE_CHECKING:
    from ..constraint import Matcher

_REMEMBERED = 16_384  # pieces, and texts
_CONTEXT = 64  # bytes before a text that are looked at
_NO_WORD = re.compile(r"[\W_]*\Z")

Piece = tuple[tuple[int, int], ...]  # the token ids of a piece, each with its length in bytes
Pieces = tuple[Piece, ...]


class Spelling:
    """The spelling of one tokenizer. Shareable between threads; what was spelled before is remembered.

    ``tokenizer`` is what :meth:`.Vocabulary.from_tokenizer` takes: byte-level BPE, with tokens for all bytes.
    """

    def __init__(self, tokenizer: Any) -> None:
        backend = _backend(tokenizer)
        self._cut = backend.pre_tokenizer.pre_tokenize_str  # neither of the two normalises, or knows control tokens
        self._model = backend.model
        self._alphabet = byte_alphabet()
        self._piece = lru_cache(_REMEMBERED)(self._spell)
        self._text = lru_cache(_REMEMBERED)(self._pieces)
        self._forced = lru_cache(_REMEMBERED)(self._continue)

    def tokens(self, text: bytes) -> list[int]:
        """Token ids whose bytes together are ``text``, which may begin and end inside a UTF-8 character."""
        return [token for piece in self._text(text) for token, _ in piece]

    def settled(self, text: bytes) -> list[int]:
        """The first of :meth:`tokens`, those that stay whatever follows ``text``."""
        pieces = self._text(text)
        return [token for piece in pieces[: _num_settled(text, pieces)] for token, _ in piece]

    def forced(self, matcher: Matcher) -> tuple[int, ...]:
        """The tokens that come next whatever the document, for ``matcher`` at a token's end; it is not moved.

        After the first of them has been accepted, the others are what this gives there.
        """
        text, ends = matcher.forced()
        return self._forced(_context(matcher.text), text, ends) if text else ()

    def after(self, before: bytes, text: bytes) -> list[int]:
        """The tokens of ``text``, where ``before`` has been written and ends with a token."""
        return list(self._forced(_context(before), text, True))

    def _continue(self, before: bytes, text: bytes, ends: bool) -> tuple[int, ...]:
        """The tokens of ``text`` that are sure, all of them where it ``ends`` the document.

        They are those of ``before`` and ``text`` spelled together where a token starts between them, for a piece may
        have begun in ``before``.
        """
        found: list[int] = []
        while text:
            tokens = self._joined(before, text, ends)
            if tokens is not None:
                return (*found, *tokens)
            pieces = self._text(text)
            if not ends and _num_settled(text, pieces) == 0:
                break
            token, length = pieces[0][0]
            found.append(token)
            before, text = _context(before + text[:length]), text[length:]
        return tuple(found)

    def _joined(self, before: bytes, text: bytes, ends: bool) -> list[int] | None:
        """The sure tokens of ``text`` where it is spelled with ``before``; None where no token starts with it."""
        whole = before + text
        pieces = self._text(whole)
        sure = pieces if ends else pieces[: _num_settled(whole, pieces)]
        at = 0
        tokens = [token for piece in sure for token in piece]
        for number, (_, length) in enumerate(tokens):
            if at >= len(before):
                return [token for token, _ in tokens[number:]] if at == len(before) else None
            at += length
        return [] if at == len(before) else None

    def _pieces(self, text: bytes) -> Pieces:
        """The pieces of ``text``, each as its tokens: ids and lengths in bytes."""
        start, end = _whole_characters(text)
        cut = [piece for piece, _ in self._cut(text[start:end].decode())] if start < end else []
        ends = (self._characters(text[:start]), *cut, self._characters(text[end:]))
        return tuple([self._piece(piece) for piece in ends if piece])

    def _characters(self, text: bytes) -> str:
        return "".join([self._alphabet[byte] for byte in text])

    def _spell(self, piece: str) -> Piece:
        """One piece, given in the characters that stand for bytes."""
        found = tuple([(token.id, len(token.value)) for token in self._model.tokenize(piece)])
        if sum([length for _, length in found]) < len(piece):
            raise ModelError("the tokenizer lacks tokens for single bytes, so that some text cannot be spelled with it")
        return found


def _backend(tokenizer: Any) -> Any:
    """The ``tokenizers.Tokenizer`` that does the work."""
    if isinstance(tokenizer, str | Path):
        from tokenizers import Tokenizer

        path = Path(tokenizer)
        return Tokenizer.from_file(str(path / "tokenizer.json" if path.is_dir() else path))
    return getattr(tokenizer, "backend_tokenizer", tokenizer)


def _num_settled(text: bytes, pieces: Pieces) -> int:
    """How many of ``pieces`` stay whatever follows ``text``: the last can grow, and blanks before it with it."""
    _, end = _whole_characters(text)
    num, at = len(pieces), len(text)
    if end < at:
        num, at = num - 1, end
    while num:
        num -= 1
        at -= sum([length for _, length in pieces[num]])
        if text[at:end].strip():
            break
    return num


def _whole_characters(text: bytes) -> tuple[int, int]:
    """Where the whole UTF-8 characters of ``text`` start and end."""
    start, end = 0, len(text)
    while start < end and text[start] & 0xC0 == 0x80:
        start += 1
    for back in range(1, min(4, end - start) + 1):
        byte = text[end - back]
        if byte & 0xC0 != 0x80:
            return start, end - back if byte >= 0xC0 and back < _sequence_length(byte) else end
    return start, end


def _sequence_length(lead: int) -> int:
    return 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4


def _context(text: bytes) -> bytes:
    """The end of ``text`` that no letter or digit is in: a piece starts with it, and may go on after it.

    A character that is not whole at the end counts as one without letters.
    """
    tail = text[-_CONTEXT:]
    _, end = _whole_characters(tail)
    run = _NO_WORD.search(tail[:end].decode(errors="replace"))
    assert run is not None
    return run.group().lstrip("\ufffd").encode() + tail[end:]

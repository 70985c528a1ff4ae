"""Patterns between dialects: ECMA-262, which JSON Schema means, Python's `re` and Rust's, which check values.

Both translations go the safe way. For checking, an ECMA pattern becomes a Python one of the same meaning. For decoding,
a pattern written for Pydantic becomes an ECMA one that matches no more than either reading of the original does, so a
value that fits it passes Pydantic and the published schema alike: ``\\d`` is 0-9 only, ``\\D`` no digit of any script.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache

_ECMA_SPACE = r"\t-\r \xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
_SHARED_SPACE = r"\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Rust's \w is Alphabetic, marks, decimal digits, connectors, joiners; all of it lies within this.
_WIDE_WORD = r"\p{L}\p{M}\p{N}\p{So}\p{Pc}\u200c\u200d"
_TOKEN = re.compile(
    r"""\\(?:[pP]\{[^}]*\}|[pP][A-Za-z]|u\{[0-9A-Fa-f]+\}|u[0-9A-Fa-f]{4}|x\{[0-9A-Fa-f]+\}|x[0-9A-Fa-f]{2}|c[A-Za-z]|k<\w+>|.)
      |\(\?P?<(?![=!])\w+>|\[\^?|.""",
    re.VERBOSE | re.DOTALL,
)
_POSIX = {"alpha": "A-Za-z", "digit": "0-9", "alnum": "A-Za-z0-9", "upper": "A-Z", "lower": "a-z", "word": "A-Za-z0-9_"}
_POSIX |= {
    "space": r"\t-\r ",
    "blank": r"\t ",
    "xdigit": "0-9A-Fa-f",
    "punct": r"!-\/:-@\[-`{-~",
    "cntrl": r"\x00-\x1f\x7f",
}
_POSIX |= {"print": " -~", "graph": "!-~", "ascii": r"\x00-\x7f"}


class UntranslatablePattern(ValueError):
    """A pattern uses something that the other dialect cannot say; the message names it."""


class MalformedPattern(ValueError):
    """A pattern is none in any dialect."""


def ecma_to_python(pattern: str) -> str:
    """The same pattern for `re.search`.

    Raises:
        UntranslatablePattern: `re` has nothing like it (look-behind of varying width, an unknown property).
        MalformedPattern: parentheses, brackets or quantifiers do not fit together.
    """
    translated = "".join(_rewrite(pattern, _python_atom, _python_member))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # "[[" and "--" in a class keep their plain meaning for now
            re.compile(translated)
    except re.error as error:
        kind = UntranslatablePattern if "look-behind" in error.msg else MalformedPattern
        raise kind(error.msg) from error
    except (OverflowError, RecursionError) as error:
        raise UntranslatablePattern(f"too large for Python: {error}") from error
    return translated


def pydantic_to_ecma(pattern: str) -> str:
    """An ECMA-262 pattern that matches only what ``pattern`` matches in Rust's `regex` crate and in Python's `re`.

    Raises: UntranslatablePattern for set operations in classes, which ECMA-262 would read as plain characters.
    """
    expanded = re.sub(r"\[:(\w+):\]", lambda m: _POSIX.get(m[1], m[0]), pattern)
    if operation := re.search(r"\[[^\]]*?(&&|--|~~)", expanded):
        raise UntranslatablePattern(f"{operation[1]} in a character class")
    return "".join(_rewrite(expanded, _ecma_atom, _ecma_member))


def _rewrite(pattern: str, atom: Callable[[str], str], member: Callable[[str, bool], str]) -> Iterator[str]:
    """``pattern`` by tokens: ``atom`` rewrites what stands alone, ``member(token, negated)`` what is in a class."""
    tokens = _TOKEN.findall(pattern)
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if token not in ("[", "[^"):
            yield atom(token)
            at += 1
            continue
        if "]" not in tokens[at:]:
            raise MalformedPattern("a character class is not closed")
        end = tokens.index("]", at)
        yield _character_class(tokens[at + 1 : end], token == "[^", member)
        at = end + 1


def _character_class(inside: list[str], negated: bool, member: Callable[[str, bool], str]) -> str:
    everything = any({small, small.upper()} <= set(inside) for small in (r"\s", r"\d", r"\w"))
    if everything or not inside:  # ECMA-262: [] matches nothing, [^] everything
        return r"(?!)" if everything == negated else r"[\s\S]"
    return ("[^" if negated else "[") + "".join(member(token, negated) for token in inside) + "]"


def _python_atom(token: str) -> str:
    if token == "$":
        return r"\Z"
    if token == ".":
        return r"[^\n\r\u2028\u2029]"
    if token in (r"\b", r"\B"):
        return f"(?a:{token})"
    if token.startswith("(?<"):
        return "(?P<" + token[3:]
    if token.startswith(r"\k<"):
        return f"(?P={token[3:-1]})"
    if token[:2] in (r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\p", r"\P"):
        return f"[{_python_set(token)}]"
    return _python_character(token)


def _python_member(token: str, _negated: bool) -> str:
    if token[:2] in (r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\p", r"\P"):
        return _python_set(token)
    if token in ("[", "[^", "&", "~", "|"):  # `re` warns of set operations to come
        return "\\" + token
    return _python_character(token)


def _python_character(token: str) -> str:
    if token.startswith(r"\u{"):
        return re.escape(chr(int(token[3:-1], 16)))
    if token.startswith(r"\c"):
        return rf"\x{ord(token[2]) % 32:02x}"
    if token == r"\0":
        return r"\x00"
    return token


def _python_set(token: str) -> str:
    """The inside of a Python class for ``\\d \\w \\s \\p{...}`` and their opposites."""
    plain = {r"\d": "0-9", r"\w": "A-Za-z0-9_", r"\s": _ECMA_SPACE}.get(token)
    return plain or _spelled_ranges(token)


@lru_cache(maxsize=64)
def _spelled_ranges(token: str) -> str:
    """Every character that ``token`` matches, as ranges; `re` knows no Unicode properties, the `regex` package does."""
    import regex

    spelled = {r"\D": "[^0-9]", r"\W": "[^A-Za-z0-9_]", r"\S": f"[^{_ECMA_SPACE}]"}.get(token, token)
    try:
        matches = regex.compile(spelled)
    except regex.error as error:
        raise UntranslatablePattern(f"{token}: {error}") from error
    points = [point for point in range(0x110000) if matches.match(chr(point))]
    if not points:
        raise UntranslatablePattern(f"{token} matches no character")
    starts = [p for i, p in enumerate(points) if i == 0 or points[i - 1] != p - 1]
    ends = [p for i, p in enumerate(points) if i + 1 == len(points) or points[i + 1] != p + 1]
    return "".join(rf"\U{low:08x}-\U{high:08x}" for low, high in zip(starts, ends, strict=True))


def _ecma_atom(token: str) -> str:
    if token in (r"\A", r"\z", r"\Z"):
        return "^" if token == r"\A" else "$"
    if token.startswith("(?P<"):
        return "(?<" + token[4:]
    if token[:2] in (r"\d", r"\w", r"\s", r"\D", r"\W", r"\S"):
        return {r"\D": r"\P{Nd}", r"\W": rf"[^{_WIDE_WORD}]", r"\S": r"[^\s\x85]"}.get(token) or f"[{_NARROW[token]}]"
    return _ecma_character(token)


def _ecma_member(token: str, negated: bool) -> str:
    if token in ("[", "[^"):
        raise UntranslatablePattern("a character class inside another")
    if negated:  # what the class leaves out must be the larger reading
        return {r"\d": r"\p{Nd}", r"\w": _WIDE_WORD, r"\s": r"\s\x85"}.get(token) or _ecma_character(token)
    if token in (r"\W", r"\S"):
        raise UntranslatablePattern(f"{token} in a character class")
    return {r"\D": r"\P{Nd}", **_NARROW}.get(token) or _ecma_character(token)


_NARROW = {r"\d": "0-9", r"\w": "A-Za-z0-9_", r"\s": _SHARED_SPACE}


def _ecma_character(token: str) -> str:
    if token.startswith(r"\x{"):
        return r"\u{" + token[3:]
    if token[:2] in (r"\p", r"\P") and not token.startswith((r"\p{", r"\P{")):
        return f"{token[:2]}{{{token[2:]}}}"
    if token == r"\a":
        return r"\x07"
    return token

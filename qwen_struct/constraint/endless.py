"""Languages less finitely many words: where words grow without end, leaving some out takes no token away.

Names beside declared ones are such languages, one for each text that a name has begun with, and so are patterns of
names less these. The language with all its words is walked once for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..language.decide import FuelExhausted, is_empty
from ..language.lexemes import Lexeme
from ..language.terms import And, Not, Or, Term, complement, intersect, length, union
from .bitmask import row_of

_LONGEST = 64  # characters of a word that is left out
_MOST_OTHERS = 256  # tokens that are asked one by one
_FUEL = 1_000  # states that one question may look at


class Endless:
    """What may come inside a language if words of up to 64 characters are left out of it.

    ``row`` has the tokens after which there are longer words, so that they stay; None where there are too many
    ``others``, which must be asked.
    """

    def __init__(self, tokens: np.ndarray, states: np.ndarray, lexemes: Sequence[Lexeme], n_vocab: int) -> None:
        grows = np.zeros(len(lexemes), bool)
        for state in np.flatnonzero(np.bincount(states)).tolist():
            grows[state] = any(_grows(term) for term in lexemes[state].targets())
        stays = grows[states]
        self.others: list[int] = tokens[~stays].tolist()
        self.row = row_of(tokens[stays], n_vocab) if len(self.others) <= _MOST_OTHERS else None


def _grows(term: Term) -> bool:
    """Whether there are words of more than 64 characters; False also where that is too much to ask for."""
    if term.max_len is not None and term.max_len <= _LONGEST:
        return False
    if term.plain:
        return True
    try:
        return not is_empty(intersect(term, length(_LONGEST + 1, None)), _FUEL)
    except FuelExhausted:
        return False


def without_exceptions(term: Term) -> Term | None:
    """A language that is ``term`` and some words of up to 64 characters; None where none is known."""
    items = term.items if type(term) is And else (term,)
    if not any(type(item) is Not for item in items):
        return None
    others = [_without_exceptions(item) if type(item) is Not else item for item in items]
    found = intersect(*others)
    return None if found is term else found


def _without_exceptions(term: Not) -> Term:
    inner = term.inner.items if type(term.inner) is Or else (term.inner,)
    return complement(union(*[item for item in inner if item.max_len is None or item.max_len > _LONGEST]))

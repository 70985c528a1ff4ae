"""Groups that come up to some number of times, as in ``(\\S+\\s+){0,19}\\S+``: what tokens may come while many can.

A state of such a language has a count of the rounds left, and each count would be walked on its own. But while more
rounds are left than a token can begin, their number changes neither which tokens stay inside nor how few characters
complete what they lead to, for no round has to come. So one walk, with more rounds than any token can begin, serves all
counts from the most that were begun in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..language.lexemes import Lexeme
from ..language.terms import And, Chars, Concat, Not, Or, Repeat, Term, concat, repeat, union

_MAX_KNOWN = 4_096


class Counted(NamedTuple):
    """A language whose ``groups`` may come ``limit`` times each; ``fewest`` is the least limit that they had."""

    term: Term
    groups: frozenset[Term]
    limit: int
    fewest: int


def with_limit(term: Term, limit: int, known: dict[Term, Term]) -> Counted | None:
    """``term`` with another limit on its groups; None where it has none. ``known`` remembers what became of parts."""
    found = _groups(term)
    if not found:
        return None
    if len(known) > _MAX_KNOWN:
        known.clear()
    changed = _with_limit(term, limit, known)
    return Counted(changed, frozenset([r.body for r in found]), limit, min([r.high for r in found if r.high]))


def _groups(term: Term) -> list[Repeat]:
    """The groups that :func:`_with_limit` changes."""
    found: list[Repeat] = []
    stack: list[Term] = [term]
    while stack:
        node = stack.pop()
        if type(node) is Or:
            stack += node.items
        elif type(node) is Concat:
            stack += (node.head, node.tail)
        elif type(node) is Repeat and _is_group(node):
            found.append(node)
    return found


def _is_group(term: Repeat) -> bool:
    return term.low == 0 and bool(term.high) and type(term.body) is not Chars and not term.body.nullable


def _with_limit(term: Term, limit: int, known: dict[Term, Term]) -> Term:
    if type(term) is Or:
        return union(*[_with_limit(item, limit, known) for item in term.items])
    if type(term) is not Concat:
        return repeat(term.body, 0, limit) if type(term) is Repeat and _is_group(term) else term
    nodes: list[Concat] = []  # chains can be long, and the states of a language share their ends
    node: Term = term
    while type(node) is Concat and node not in known:
        nodes.append(node)
        node = node.tail
    changed = known[node] if node in known else _with_limit(node, limit, known)
    for node in reversed(nodes):
        changed = known[node] = concat(_with_limit(node.head, limit, known), changed)
    return changed


def most_begun(counted: Counted, lexemes: Iterable[Lexeme]) -> int:
    """The most rounds of a group that a token can begin; ``lexemes`` are the states on its ways.

    Those inside tokens are needed too: where a group is over, what is left of its count is to be seen before.
    """
    terms = {term for lexeme in lexemes for term in lexeme.targets()}
    return counted.limit - min([counted.limit, *[left for term in terms for left in _counts(term, counted.groups)]])


def _counts(term: Term, groups: frozenset[Term]) -> list[int]:
    """What is left of the counts of ``groups``."""
    found: list[int] = []
    stack: list[Term] = [term]
    while stack:
        node = stack.pop()
        if type(node) is Concat:
            stack += (node.head, node.tail)
        elif type(node) is Or or type(node) is And:
            stack += node.items
        elif type(node) is Not:
            stack.append(node.inner)
        elif type(node) is Repeat and node.body in groups and node.high is not None:
            found.append(node.high - node.low)
    return found

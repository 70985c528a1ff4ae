"""Lexemes in the form that the kernels read: one table of states for all schemas, filled where walks come by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..language.lexemes import Lexeme, Number
from .trie import TokenTrie

_MAX_STATES = 32_768  # a walk that finds more of them than that starts a new table: 32 MB


class Reached(NamedTuple):
    """Where a walk has come: the tokens it survived with the states after them, and the nodes where the lexeme ended.

    ``tokens`` (n,), ``states`` (n,) and ``exits`` (m,) are int32; states are numbers in the automaton. They are views
    that hold until the next walk.
    """

    tokens: np.ndarray
    states: np.ndarray
    exits: np.ndarray


class Automaton:
    """The states met so far, numbered; row i of ``table`` (num_states, 256) int32 has those after state i by byte."""

    def __init__(self) -> None:
        self._room = np.empty((3, 0), np.int32)  # what a walk writes: tokens, states, exits
        self.forget()

    def forget(self) -> None:
        """Drops all states; numbers given out before mean nothing any more."""
        from .kernels import UNKNOWN

        self.states: list[Lexeme] = []
        self._numbers: dict[Lexeme, int] = {}
        self._table = np.full((256, 256), UNKNOWN, np.int32)
        self._flags = np.zeros(256, np.uint8)

    def walk(self, start: Lexeme, trie: TokenTrie, node: int = 0) -> Reached:
        """Reads all tokens below ``node`` of ``trie`` from ``start`` on."""
        from .kernels import walk

        if len(self.states) > _MAX_STATES:
            self.forget()
        if self._room.shape[1] < trie.size(node):
            self._room = np.empty((3, trie.size(node)), np.int32)
        tokens, reached, exits = self._room
        path = np.empty(trie.max_length + 1, np.int32)
        path[0] = self._number(start)
        cursor = np.array((node + 1, 0, 0), np.int64)
        while True:
            unknown = walk(
                trie.byte, trie.depth, trie.skip, trie.token, node, self._table, self._flags,
                path, cursor, tokens, reached, exits,
            )  # fmt: skip
            if unknown < 0:
                _, num_tokens, num_exits = cursor.tolist()
                return Reached(tokens[:num_tokens], reached[:num_tokens], exits[:num_exits])
            self._fill(unknown)

    def known_after(self, start: Lexeme) -> list[Lexeme]:
        """``start`` and the states that walks have found to follow it, in one step or more."""
        numbers = [self._number(start)]
        seen = set(numbers)
        for number in numbers:
            after = set(self._table[number].tolist()) - seen
            seen |= after
            numbers += [each for each in after if each >= 0]
        return [self.states[number] for number in numbers]

    def _number(self, lexeme: Lexeme) -> int:
        number = self._numbers.get(lexeme)
        if number is None:
            number = self._numbers[lexeme] = len(self.states)
            self.states.append(lexeme)
            if number == len(self._table):
                self._grow()
            if lexeme.quote:
                self._flags[number] = 1
            elif type(lexeme) is Number and lexeme.nullable:
                self._flags[number] = 2
        return number

    def _grow(self) -> None:
        from .kernels import UNKNOWN

        self._table = np.concatenate((self._table, np.full_like(self._table, UNKNOWN)))
        self._flags = np.concatenate((self._flags, np.zeros_like(self._flags)))

    def _fill(self, number: int) -> None:
        from .kernels import DEAD

        moves = [(np.frombuffer(some, np.uint8), self._number(state)) for some, state in self.states[number].groups()]
        row = self._table[number]
        row[:] = DEAD
        for some, state in moves:
            row[some] = state

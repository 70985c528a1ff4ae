"""Documents that are complete within a number of tokens.

For each position, the shortest completion that is found: the graph of short ways (:mod:`..language.shortest`) is
searched as a whole for the fewest tokens, which may reach across its pieces. With ``n`` tokens left, a token may come
when the position after it has a completion of at most ``n - 1`` tokens, or when it is the next one of the completion
that is known. So there always is one, whatever the completions are worth; that no shorter one was found makes the text
stricter, never incomplete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import BudgetError, SchemaBudgetError
from ..language.continuations import Continuation
from ..language.positions import Position, Walker
from ..language.shortest import Shortest, Way
from .bitmask import Bitmask, add_tokens, row_of
from .prices import UNKNOWN, Costs, Node, Piece, Prices, Step
from .saved import settled
from .words import LONG, Words

if TYPE_CHECKING:
    from .vocabulary import Vocabulary

_PLENTY = 1_024  # tokens that no single one adds to such a completion

_END = Step(0, -1, None)
_CUT = Step(UNKNOWN, -1, None, False)
_MAX_NODES = 100_000  # of the graph, that one question settles
_MARGIN = 2  # tokens that another choice of a name or item may cost where it meets what stands around it


class Budget:
    """Completions of one schema's documents. Called under the vocabulary's lock."""

    def __init__(self, walker: Walker, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._words: Words = vocabulary.words
        self._shortest = Shortest(walker.documents, self._words.count, self._words.ends, self._text)
        self._steps: dict[Node, Step] = {walker.documents.done: _END}
        self._positions: dict[Position, int] = {}
        self._costs: dict[Position, Costs] = {}
        self._prices = Prices(self._shortest, self._words, self.step, vocabulary)
        self._ends = row_of(vocabulary.eos_token_ids, vocabulary.n_vocab)

    # Completions. -----------------------------------------------------------------------------------------------

    def cost(self, position: Position) -> int:
        """The tokens of the shortest completion of ``position`` that is right whatever the text before it."""
        found = self._positions.get(position)
        if found is None:
            found = self._positions[position] = min([self.step(thread).cost for thread in settled(position).threads])
        return found

    def plan(self, position: Position, text: Callable[[], bytes | bytearray], start: int) -> Plan:
        """A shortest completion of ``position`` after ``text()``. Raises: SchemaBudgetError."""
        node: Node = min(settled(position).threads, key=lambda thread: self.step(thread).cost)
        step = self.step(node)
        if step.whole:
            return Plan(start, step.cost, [], self, node)
        read = text()
        ways = [way for thread in settled(position).threads for way in self._shortest.ways_from(*thread)]
        tokens = min([self._words.spell(self._rest(way, read)) for way in ways], key=len)
        return Plan(start, len(tokens), tokens, self, None)

    def _rest(self, way: Way, text: bytes | bytearray) -> bytes:
        """The text of a completion that begins with ``way``, where it depends on ``text`` before it."""
        piece, after = way
        read = bytearray(text)
        read += piece
        tokens, cut = self._path(after)
        while cut is not None:
            read += self._bytes(tokens)
            assert cut.captures is not None, cut
            tokens, cut = self._path(cut.captures(read))
        return bytes(read[len(text) :]) + self._bytes(tokens)

    def _text(self, continuation: Continuation) -> bytes:
        tokens, cut = self._path(continuation)
        assert cut is None, continuation
        return self._bytes(tokens)

    def _bytes(self, tokens: list[int]) -> bytes:
        texts = self._vocabulary.tokens
        return b"".join([texts[token] or b"" for token in tokens])

    def _path(self, node: Node) -> tuple[list[int], Continuation | None]:
        """The tokens from ``node`` on, and where they stop because the text decides."""
        tokens: list[int] = []
        while (step := self.step(node)).after is not None:
            tokens.append(step.token)
            node = step.after
        return tokens, None if step.cost == 0 else self._cut(node)

    def _cut(self, node: Node) -> Continuation:
        if isinstance(node, Continuation):
            return node
        assert len(node) == 2, node
        return node[1]  # a number that may end here

    # The search. ------------------------------------------------------------------------------------------------

    def step(self, node: Node) -> Step:
        """The first token of a shortest completion from ``node`` on."""
        steps = self._steps
        found = steps.get(node)
        if found is not None:
            return found
        stack, edges = [node], dict[Node, list[tuple[int, Node]]]()
        num_searched = 0
        while stack:
            if num_searched > _MAX_NODES:
                raise SchemaBudgetError("the shortest document is too long to be found; simplify the schema")
            here = stack[-1]
            if here in steps:
                stack.pop()
                continue
            if here not in edges:
                known = self._simple(here)
                if known is not None:
                    stack += known
                    continue
                edges[here] = self._edges(here)
                num_searched += 1
                missing = [after for _, after in edges[here] if after not in steps]
                if missing:
                    stack += missing
                    continue
            if here not in steps:
                steps[here] = self._least(edges[here])
            del edges[here]
            stack.pop()
        return steps[node]

    def _least(self, edges: list[tuple[int, Node]]) -> Step:
        if not edges:
            return _CUT
        token, after = min(edges, key=lambda edge: self._steps[edge[1]].cost)
        rest = self._steps[after]
        return Step(rest.cost + 1, token, after, rest.whole)

    def _simple(self, node: Node) -> list[Node] | None:
        """Settles nodes that need no search; gives those that must be settled before; None where one is needed."""
        if isinstance(node, Continuation):
            if self._shortest.is_end(node):
                self._steps[node] = _END
                return []
            if node.captures is not None and not self._shortest.ways(node):
                return self._open_end(node)
            far = self._shortest.far(node)
            if far is None:
                return None
            rest = self._steps.get(far.after)
            if rest is None:
                return [far.after]
            cost = sum(self._words.count(piece) * number for piece, number in far.pieces)
            token = self._words.spell(far.first[0])[0]
            self._steps[node] = Step(cost + rest.cost, token, self._after(*far.first, token), rest.whole)
            return []
        if len(node) == 3:
            return self._long(*node) if len(node[0]) - node[1] > LONG else None
        lexeme, after = node
        if not lexeme.nullable or after.captures is None or self._shortest.ways(after):
            return None
        if after not in self._steps:
            return [after]
        self._steps[node] = self._steps[after]  # a number that may end here
        return []

    def _open_end(self, node: Continuation) -> list[Node]:
        """The same for the end of a name or item that is not known here."""
        spare = self._shortest.spare(node)
        if spare is None:
            self._steps[node] = _CUT
            return []
        rest = self._steps.get(spare.node)
        if rest is None:
            return [spare.node]
        self._steps[node] = Step(rest.cost + self._words.count(spare.more) + _MARGIN, -1, None, False)
        return []

    def _after(self, piece: bytes, after: Continuation, token: int) -> Node:
        read = len(self._vocabulary.tokens[token] or b"")
        return after if read == len(piece) else (piece, read, after)

    def _long(self, piece: bytes, at: int, after: Continuation) -> list[Node]:
        """The same for a long text, of which only the end is searched."""
        end = (piece, len(piece) - LONG // 2, after)
        rest = self._steps.get(end)
        if rest is None:
            return [end]
        tokens = self._words.spell_greedily(piece[at : end[1]])
        for i, token in enumerate(tokens):
            following = at + len(self._vocabulary.tokens[token] or b"")
            step = Step(len(tokens) - i + rest.cost, token, (piece, following, after), rest.whole)
            self._steps.setdefault((piece, at, after), step)
            at = following
        return []

    def _edges(self, node: Node) -> list[tuple[int, Node]]:
        """The tokens that go along the graph from ``node`` on, and the nodes after them."""
        found: dict[Node, int] = {}
        stack = [(*start, self._vocabulary.trie.root) for start in self._starts(node)]
        seen = set(stack)
        while stack:
            piece, at, after, place = stack.pop()
            while at < len(piece):
                following = place.children.get(piece[at])
                if following is None:
                    break
                place, at = following, at + 1
                if place.tokens:
                    found.setdefault(after if at == len(piece) else (piece, at, after), place.tokens[0])
            else:
                if place.children:
                    more = [(*start, place) for start in self._starts(after)]
                    stack += [start for start in more if start not in seen]
                    seen.update(more)
        return [(token, after) for after, token in found.items()]

    def _starts(self, node: Node) -> list[Piece]:
        """The pieces of text at a node."""
        if isinstance(node, Continuation):
            return [(piece, 0, after) for piece, after in self._shortest.ways(node)]
        if len(node) == 3:
            return [node]
        found: list[Piece] = []
        for piece, after in self._shortest.ways_from(*node):
            if piece:
                found.append((piece, 0, after))
            elif self._shortest.is_end(after):
                self._steps[node] = _END
            else:
                found += self._starts(after)
        return found

    # Masks. -----------------------------------------------------------------------------------------------------

    def costs(self, position: Position, row: Bitmask) -> Costs:
        """What the tokens in ``row``, those allowed at ``position``, lead to."""
        found = self._costs.get(position)
        if found is None:
            found = self._costs[position] = self._prices.costs(settled(position), row)
        return found

    def plenty(self, position: Position, num_tokens: int) -> bool:
        """Whether it is known that no single token could be too much with ``num_tokens`` left."""
        costs = self._costs.get(position)
        return costs is not None and costs.sure and num_tokens > costs.most

    def restrict(
        self,
        position: Position,
        num_tokens: int,
        plan: Callable[[], tuple[Plan, int]],
        advance: Callable[[int], Position | None],
    ) -> Bitmask | None:
        """A mask row of the tokens with which the document can be completed in ``num_tokens``; None for all tokens.

        ``plan`` gives a completion that is known for the text as it is, ``advance`` the position after a token.

        Raises: BudgetError when there is none.
        """
        mask: Any = position.info
        costs = self.costs(position, mask.row)
        if num_tokens > costs.most and costs.sure:
            return None
        known, left = plan()
        if not costs.sure and num_tokens > max(costs.most, left) + _PLENTY:
            return None
        if left > num_tokens:
            raise BudgetError(
                f"{num_tokens} tokens are left and {left} are needed to complete the document; raise the limit",
                minimum=left,
            )
        allowed = self._allowed(costs, num_tokens - 1) | self._ends
        add_tokens(allowed, [t for t in costs.asking if self._ends_in_time(advance(t), num_tokens - 1)])
        if left:
            add_tokens(allowed, [known.token(known.length - left)])
        return allowed

    def _ends_in_time(self, position: Position | None, left: int) -> bool:
        return position is not None and self.cost(position) <= left

    def _allowed(self, costs: Costs, left: int) -> Bitmask:
        """What may come with ``left`` tokens after it; tokens whose positions depend on the text are left out."""
        row = row_of(costs.tokens[costs.costs <= left], self._vocabulary.n_vocab)
        for lexeme, closing in costs.inside:
            if closing <= left:
                row |= self._words.inside(lexeme).within(left - closing)
        return row


class Plan:
    """A completion that is known after ``start`` tokens of a text: ``length`` tokens, found as they are asked for."""

    def __init__(self, start: int, length: int, tokens: list[int], budget: Budget, rest: Node | None) -> None:
        self.start, self.length = start, length
        self._tokens, self._budget, self._rest = tokens, budget, rest

    def token(self, number: int) -> int:
        while len(self._tokens) <= number:
            assert self._rest is not None
            step = self._budget.step(self._rest)
            self._tokens.append(step.token)
            self._rest = step.after
        return self._tokens[number]

    def tokens(self, number: int) -> tuple[int, ...]:
        """Those from the one with that ``number`` on."""
        if number < self.length:
            self.token(self.length - 1)
        return tuple(self._tokens[number : self.length])


class Plans:
    """The completions that one matcher knows of. The last one is the one to follow."""

    def __init__(self) -> None:
        self._plans: list[Plan] = []
        self.num_followed = 0  # tokens of the last one that have been accepted

    def copy(self) -> Plans:
        other = Plans()
        other._plans, other.num_followed = self._plans.copy(), self.num_followed
        return other

    def cut(self, num_tokens: int) -> None:
        """Forgets what was known after more than ``num_tokens`` tokens."""
        while self._plans and self._plans[-1].start > num_tokens:
            self._plans.pop()
            self.num_followed = 0
        if self._plans:
            self.num_followed = min(self.num_followed, num_tokens - self._plans[-1].start)

    def known(self, tokens: Sequence[int]) -> Plan | None:
        """The last completion, if ``tokens`` have followed it so far."""
        if not self._plans:
            return None
        plan = self._plans[-1]
        while plan.start + self.num_followed < len(tokens):
            token = tokens[plan.start + self.num_followed]
            if self.num_followed == plan.length or token != plan.token(self.num_followed):
                return None
            self.num_followed += 1
        return plan

    def add(self, plan: Plan) -> None:
        """Notes a completion of the text as it is."""
        self._plans.append(plan)
        self.num_followed = 0


def budget_of(position: Position, vocabulary: Vocabulary) -> Budget:
    """The one of the position's documents. Under the vocabulary's lock."""
    walker = settled(position).walker
    if walker.budget is None:
        walker.budget = Budget(walker, vocabulary)
    budget: Budget = walker.budget
    return budget

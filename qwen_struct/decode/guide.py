"""How an answer goes on without the model: the grammar's own text, and text drafted from the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..language.texts import pointer_at

if TYPE_CHECKING:
    from ..constraint import Matcher
    from .drafts import SourceDrafter
    from .spelling import Spelling


class SourceGuide:
    """For one answer. ``drafter`` None: only forced tokens are known beforehand."""

    def __init__(self, matcher: Matcher, spelling: Spelling, drafter: SourceDrafter | None = None) -> None:
        self._matcher, self._spelling, self._drafter = matcher, spelling, drafter

    def forced(self) -> Sequence[int]:
        return self._spelling.forced(self._matcher)

    def draft(self, limit: int) -> Sequence[int]:
        return self._drafter.draft(self._matcher, limit) if self._drafter is not None else ()

    def learn(self, num_drafted: int, num_accepted: int) -> None:
        if self._drafter is not None:
            self._drafter.learn(num_drafted, num_accepted)

    def place(self) -> str:
        return pointer_at(self._matcher.text)

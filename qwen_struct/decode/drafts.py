"""Guesses at what an answer goes on with, out of the source that it is extracted from.

A guess costs no forward pass of its own: the next pass reads it along, and what the model would have written itself
stays. So a drafter decides how many passes an answer takes, never what the answer is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from .progress import Path, Place, Progress
from .source_index import Fact, SourceIndex, Span, after_first, occurrences, words_of

if TYPE_CHECKING:
    from ..constraint import Matcher
    from ..constraint.forced import Ahead
    from .spelling import Spelling

MOST_DRAFTED = 48  # tokens of one draft
_MAX_TRIED = 12  # guesses at one value that are put to the grammar
_BYTES_PER_TOKEN = 4
_MAX_COPY = 400  # characters
_MAX_FIELDS = 40  # in one draft
_MISSES, _MAX_PAUSE = 3, 8  # wrong drafts in a row that are borne; passes without one after more of them
_MAX_NAMES = 16  # of members that are looked for in the source
_POSSIBLE = 0.25  # of the weight of a label from which on a value is looked for there
_SURE = 0.5  # of the weight of a label from which on a value is expected there
_WEAK_ENDS = re.compile(r"[,，;；。、()（）→]|\.(?=\s|\Z)|\s[-–—]\s")
_LISTED = re.compile(r"\s*(?:[,，;；、/|]|and\b|和|及|与)\s*(?:and\b\s*)?")  # between the items of a list
_LIST_ENDS = re.compile(r"[,，;；、|。\n]|\.(?=\s|\Z)|\s(?:and|/)\s|[和及与]")
_LOWER_WORD = re.compile(r"\s{1,4}(?!(?:of|and|the|de|van|von|der|for|du|la|&)\b)[a-z]")


class SourceDrafter:
    """Drafts one answer about ``source``; used by one thread.

    ``schema`` is the JSON Schema asked for, whose descriptions and titles help to find places.
    """

    def __init__(self, source: str, spelling: Spelling, schema: Any = None, max_tokens: int = MOST_DRAFTED) -> None:
        self._index = SourceIndex(source)
        self._spelling = spelling
        self._described = _descriptions(schema)
        self._progress = Progress()
        self._max_tokens = max_tokens
        self._length = float(min(16, max_tokens))
        self._num_missed = 0  # drafts in a row of which nothing was right
        self._pause = 0  # passes to go without a draft
        self._places = _Places()
        self._labelled: dict[Path, list[tuple[float, Span]]] = {}
        self._last = 0  # where the last of them ends

    def draft(self, matcher: Matcher, limit: int) -> list[int]:
        """Tokens that ``matcher`` accepts one after the other, at most ``limit``; it stays where it is."""
        if self._pause:
            self._pause -= 1
            return []
        limit = min(limit, int(self._length))
        if limit <= 0:
            return []
        self._catch_up(matcher.text)
        text = self._guess(matcher.ahead(), limit * _BYTES_PER_TOKEN)
        tokens = self._spelling.after(matcher.text, text)[:limit] if text else []
        return _accepted(matcher, tokens)

    def learn(self, num_drafted: int, num_accepted: int) -> None:
        """How many of the tokens drafted the model would have written itself; drafts become longer or shorter.

        Where several in a row are wrong from their first token on, the model does not copy, and some passes go without.
        """
        if num_drafted:
            self._num_missed = 0 if num_accepted else self._num_missed + 1
            misses = self._num_missed - _MISSES
            self._pause = 0 if misses < 0 else min(2**misses, _MAX_PAUSE)
        if num_drafted and num_accepted == num_drafted:
            self._length = min(self._max_tokens, 2 * self._length)
        elif num_drafted:
            self._length = max(2.0, 0.5 * self._length + num_accepted)
            self._length = min(self._max_tokens, self._length)

    def _catch_up(self, text: bytes) -> None:
        """Finds the places of the values written since the last call."""
        self._note_all(self._progress.read(text), None)

    def _note_all(self, found: list[tuple[Place, Any]], guessed: Span | None) -> None:
        for place, value in found:
            self._note(place, value, guessed)

    def _note(self, place: Place, value: Any, guessed: Span | None = None) -> None:
        span = guessed or self._find(place, value)
        if span is not None:
            cell = self._index.cell_at(span.start)
            self._places.add(place.path, span, None if cell is None else cell.line)
            self._last = span.end

    def _find(self, place: Place, value: Any) -> Span | None:
        """Where ``value`` most likely stands: where it was expected, or next after what came before it."""
        if isinstance(value, bool) or value is None or value == "":
            return None
        text = value if isinstance(value, str) else json.dumps(value)
        found = [Span(at, at + len(text)) for at in occurrences(self._index.text, text)] if len(text) > 1 else []
        if not isinstance(value, str) or not found:
            found = [Span(at, at + len(text)) for at in self._index.places.get(text, ())]
        if not found:
            return None
        for span in self._expected(place):
            for other in found:
                if span.start <= other.start < span.end:
                    return other
        return min(found, key=lambda s: (s.start < self._last, abs(s.start - self._last)))

    # Guessing. --------------------------------------------------------------------------------------------------

    def _guess(self, ahead: Ahead, size: int) -> bytes:
        """What the answer goes on with from ``ahead``, about ``size`` bytes at most."""
        progress, num_places, last = self._progress.copy(), len(self._places), self._last
        try:
            span: Span | None = None
            for _ in range(_MAX_FIELDS):
                forced = ahead.forced()
                if forced.text:
                    ahead.read(forced.text)
                    self._note_all(progress.read(progress.text + forced.text), span)
                if forced.ends or len(ahead.text) >= size:
                    break
                text, span = self._next(ahead, progress)
                if not text:
                    break
                self._note_all(progress.read(progress.text + text), span)
        finally:
            self._places.cut(num_places)
            self._last = last
        return ahead.text

    def _next(self, ahead: Ahead, progress: Progress) -> tuple[bytes, Span | None]:
        """Goes on with one guess more, if there is one: its text, and its place in the source."""
        place = progress.place
        if place.kind == "name":
            return self._first(ahead, self._names(ahead, progress)), None
        if place.kind != "after":
            for text, span in self._values(place, ahead):
                if not text or ahead.read(text):
                    scalar = place.kind == "number" or not text.endswith(b'"')
                    end = self._first(ahead, self._ends(ahead, progress)) if scalar else b""
                    return text + end, span
            if place.kind == "string":
                return b"", None
            if place.kind == "value":
                word = self._first(ahead, (b"true", b"null", b"{", b"[", b'"'))
                if word:
                    return word, None
        return self._first(ahead, self._ends(ahead, progress)), None

    def _first(self, ahead: Ahead, texts: Iterable[bytes]) -> bytes:
        """Goes on with the first of ``texts`` that the grammar allows; empty where it allows none."""
        return next((text for text in texts if ahead.read(text)), b"")

    def _names(self, ahead: Ahead, progress: Progress) -> Iterator[bytes]:
        yield from progress.names_before()
        rest = list(islice(ahead.names(), _MAX_NAMES))
        path = progress.place.path
        for name, text in rest:
            if self._is_labelled((*path, name)):
                yield text
        for _, text in rest[:1]:
            yield text

    def _is_labelled(self, path: Path) -> bool:
        found = self._labels_of(path)
        return bool(found) and found[0][0] > _SURE

    def _ends(self, ahead: Ahead, progress: Progress) -> Sequence[bytes]:
        """What may follow a value: a comma, or the end of the array or object; the likelier first."""
        path = progress.path
        if progress.in_array:
            span = self._places.get(path)
            if span is not None and self._next_listed(span) is not None:
                return (b",", b"]")
            return (b",", b"]") if self._more_rows(path) else (b"]", b",")
        look = ahead.copy()
        if look.read(b",") and look.read(look.forced().text):
            names = [name for name, _ in islice(look.names(), _MAX_NAMES)]
            if any(self._is_labelled((*path[:-1], name)) for name in names) or not ahead.copy().read(b"}"):
                return (b",", b"}")
        return (b"}", b",")

    def _more_rows(self, path: Path) -> bool:
        """Whether the source has a next row below the one that the last item stands in."""
        place = self._places.furthest(path)
        cell = None if place is None else self._index.cell_at(place)
        if cell is None:
            return False
        rows, following = self._index.rows, self._index.line_after(cell.line)
        if following is None or following > cell.line + 2:
            return False
        return len(rows[following]) >= len(rows.get(cell.line, ()))

    def _values(self, place: Place, ahead: Ahead) -> Iterator[tuple[bytes, Span | None]]:
        """Texts that may go on with the value at ``place`` up to its end, the likeliest first."""
        strings = place.kind == "string" or place.kind == "value" and ahead.copy().read(b'"')
        numbers = place.kind == "number" or place.kind == "value" and not strings
        if strings and place.kind == "value" and not self._is_labelled(place.path) and not self._below(place.path):
            yield b"null", None
        tried: set[bytes] = set()
        for text, span, quoted in self._candidates(place, strings):
            if not (strings if quoted else numbers):
                continue
            spelled = (json.dumps(text, ensure_ascii=False) if quoted else text).encode()
            if spelled.startswith(place.written) and spelled not in tried:
                tried.add(spelled)
                yield spelled[len(place.written) :], span
            if len(tried) >= _MAX_TRIED:
                return

    def _candidates(self, place: Place, strings: bool) -> Iterator[tuple[str, Span, bool]]:
        index = self._index
        for span in self._expected(place):
            yield from self._spelled(span, bool(place.path) and isinstance(place.path[-1], int))
        if place.text:
            yield from self._copies(place)
        if strings:
            for facts in (index.dates, index.times):
                yield from self._nearest(facts, True)
            if place.written and not place.text:
                yield from self._starting(place)
        else:
            yield from self._nearest(index.figures, False)

    def _nearest(self, facts: list[Fact], quoted: bool) -> Iterator[tuple[str, Span, bool]]:
        """``facts`` as they come after the last place copied from, then those before it; the unused first."""
        used = self._places.used
        for again in (False, True):
            for fact in after_first(facts, self._last, lambda fact: fact.start):
                if (fact.start in used) == again:
                    for spelling in fact.spellings:
                        yield spelling, Span(fact.start, fact.end), quoted

    def _starting(self, place: Place) -> Iterator[tuple[str, Span, bool]]:
        """Copies from where words start, for a string of which less than a character is written."""
        index, begun = self._index, place.written[1:]
        num = 0
        for at in after_first(index.starts, self._last, int):
            if begun and index.text[at : at + 1].encode().startswith(begun):
                end = self._end(at, 1)
                yield index.text[at:end].rstrip(), Span(at, end), True
                num += 1
                if num == 3:
                    return

    def _spelled(self, span: Span, listed: bool) -> Iterator[tuple[str, Span, bool]]:
        """How JSON may spell what stands at ``span``: as text, as a day, as a number."""
        index = self._index
        text = index.text[span.start : min(span.end, span.start + _MAX_COPY)].strip()
        for facts, quoted in ((index.dates, True), (index.times, True), (index.figures, False)):
            for fact in index.facts_in(facts, span):
                for spelling in fact.spellings:
                    yield spelling, Span(fact.start, fact.end), quoted
                if not quoted:
                    break
        if text:
            if listed:
                end = _LIST_ENDS.search(index.text, span.start + 1, span.end)
                if end is not None:
                    yield index.text[span.start : end.start()].strip(), Span(span.start, end.start()), True
            yield text, span, True
            end = _WEAK_ENDS.search(index.text, span.start + 1, span.end)
            if end is not None:
                yield index.text[span.start : end.start()].strip(), Span(span.start, end.start()), True

    def _copies(self, place: Place) -> Iterator[tuple[str, Span, bool]]:
        """Copies of the source from places where it reads like the string written so far."""
        index, written = self._index, place.text
        begun = place.written[1 + len(json.dumps(written, ensure_ascii=False)[1:-1].encode()) :]
        for num in _suffixes(written):
            found = [
                at
                for at in occurrences(index.text, written[len(written) - num :])
                if index.text[at + num : at + num + 1].encode().startswith(begun)
            ]
            found.sort(key=lambda at: (at > 0 and _joins(index.text, at), at < self._last, abs(at - self._last)))
            for at in found[:4]:
                end = self._end(at, num)
                yield written[: len(written) - num] + index.text[at:end].rstrip(), Span(at, end), True
            if found:
                return

    def _end(self, start: int, num: int) -> int:
        """Where a copy that starts at ``start``, and has ``num`` characters so far, likely ends."""
        index, cell = self._index, self._index.cell_at(start)
        text = index.text
        end = cell.end if cell is not None else len(text)
        if end < start + num:
            end = text.find("\n", start + num) % (len(text) + 1)
        end = min(end, start + num + _MAX_COPY)
        weak = _WEAK_ENDS.search(text, start + num, end)
        if weak is not None:
            end = weak.start()
        if text[start : start + 1].isupper() and not index.starts_value(start):
            word = _LOWER_WORD.search(text, start + num, end)
            if word is not None:
                end = word.start()
        return end

    def _expected(self, place: Place) -> Iterator[Span]:
        """Where the value at ``place`` may stand, the likeliest place first."""
        path = place.path
        before = self._before(path)
        if before is not None:
            following = self._next_listed(before) if isinstance(path[-1], int) else None
            if following is not None:
                yield following
            below = self._below(path)
            if below is not None:
                yield below
        used = self._places.used
        found = [(score, span) for score, span in self._labels_of(path)[:12] if score > _POSSIBLE]
        if before is not None:  # one label for all items: that which comes next
            found = [entry for entry in found if entry[1].start > before.start and entry[0] > 0.7 * found[0][0]] + found
        for _, span in found[:6]:
            if span.start not in used:
                yield span
        yield from self._next_cells()
        for _, span in found[:3]:
            yield span

    def _next_cells(self) -> Iterator[Span]:
        """The cells after that which was last copied from, each without its label."""
        index = self._index
        for cell in index.cells_after(self._last, 2):
            start = index.value_start(cell)
            if start > cell.start:
                yield Span(start, cell.end)
            yield Span(cell.start, cell.end)

    def _before(self, path: Path) -> Span | None:
        """Where the same value of the item before stands, in an array."""
        numbers = [i for i, step in enumerate(path) if isinstance(step, int)]
        if not numbers or not path[numbers[-1]]:
            return None
        at = numbers[-1]
        return self._places.get((*path[:at], path[at] - 1, *path[at + 1 :]))  # type: ignore[operator]

    def _next_listed(self, before: Span) -> Span | None:
        """What is listed after ``before`` on the same line."""
        text = self._index.text
        mark = _LISTED.match(text, before.end)
        if mark is None or mark.end() == len(text):
            return None
        end = _LIST_ENDS.search(text, mark.end())
        return Span(mark.end(), len(text) if end is None else end.start())

    def _below(self, path: Path) -> Span | None:
        """In an array, the cell under the one that the same value of the item before was found in."""
        numbers = [i for i, step in enumerate(path) if isinstance(step, int)]
        if not numbers or not path[numbers[-1]]:
            return None
        at = numbers[-1]
        before = (*path[:at], path[at] - 1, *path[at + 1 :])  # type: ignore[operator]
        span = self._places.get(before)
        if span is None:
            return None
        index = self._index
        cell = index.cell_at(span.start)
        if cell is None or cell.line not in index.rows:
            return None
        anchor_before, anchor = self._places.line(before[: at + 1]), self._places.line(path[: at + 1])
        if anchor is not None and anchor_before is not None:
            line = anchor + cell.line - anchor_before
        else:
            following = index.line_after(cell.line)
            if following is None:
                return None
            line = following
        other = index.same_column(cell, line)
        return None if other is None else Span(other.start, other.end)

    def _labels_of(self, path: Path) -> list[tuple[float, Span]]:
        names = tuple(step for step in path if isinstance(step, str))
        found = self._labelled.get(names)
        if found is None:
            words: dict[str, float] = {}
            for depth, name in enumerate(reversed(names)):
                for word in words_of(name):
                    words.setdefault(word, 1.0 if depth == 0 else 0.4 / depth)
            for word in words_of(self._described.get(names[-1], "")) if names else ():
                words.setdefault(word, 0.2)
            found = self._labelled[names] = self._index.labelled(words)
        return found


class _Places:
    """Where the values written so far stand in the source; the last ones can be cut off."""

    def __init__(self) -> None:
        self.used: dict[int, int] = {}  # how many values stand at each place
        self._spans: dict[Path, Span] = {}
        self._lines: dict[Path, int] = {}  # of the first value found of each item
        self._furthest: dict[Path, int] = {}
        self._undo: list[list[tuple[dict, Any, Any]]] = []  # what each value changed: table, key, what was there

    def __len__(self) -> int:
        return len(self._undo)

    def add(self, path: Path, span: Span, line: int | None) -> None:
        """Notes the value at ``path``, which stands at ``span`` and on ``line``."""
        self._undo.append([])
        self._set(self._spans, path, span)
        self._set(self.used, span.start, self.used.get(span.start, 0) + 1)
        for at, step in enumerate(path):
            if isinstance(step, int):
                if line is not None and path[: at + 1] not in self._lines:
                    self._set(self._lines, path[: at + 1], line)
                for inside in (path[:at], path[: at + 1]):
                    self._set(self._furthest, inside, max(span.start, self._furthest.get(inside, 0)))

    def _set(self, table: dict, key: Any, value: Any) -> None:
        self._undo[-1].append((table, key, table.get(key)))
        table[key] = value

    def cut(self, num: int) -> None:
        """Forgets all but the first ``num`` values."""
        while len(self._undo) > num:
            for table, key, before in reversed(self._undo.pop()):
                if before is None:
                    del table[key]
                else:
                    table[key] = before

    def get(self, path: Path) -> Span | None:
        return self._spans.get(path)

    def line(self, item: Path) -> int | None:
        """The line of the first value of ``item`` that was found."""
        return self._lines.get(item)

    def furthest(self, inside: Path) -> int | None:
        """The last place in the source of a value in the array or item ``inside``."""
        return self._furthest.get(inside)


def _accepted(matcher: Matcher, tokens: Sequence[int]) -> list[int]:
    """The first of ``tokens``, up to one that ``matcher`` refuses."""
    num = 0
    for token in tokens:
        if not matcher.accept_token(token):
            break
        num += 1
    matcher.rollback(num)
    return list(tokens[:num])


def _descriptions(schema: Any) -> dict[str, str]:
    """What a schema says about its properties, by name."""
    found: dict[str, str] = {}
    stack = [schema]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            properties = node.get("properties")
            for name, child in properties.items() if isinstance(properties, dict) else ():
                if isinstance(child, dict):
                    said = [child[k] for k in ("title", "description") if isinstance(child.get(k), str)]
                    found.setdefault(name, " ".join(said))
            stack += node.values()
        elif isinstance(node, list):
            stack += node
    return found


def _joins(text: str, at: int) -> bool:
    """Whether a word goes on at ``at``."""
    return text[at - 1].isalnum() and text[at].isalnum() and text[at].isascii()


def _suffixes(text: str) -> Iterator[int]:
    """Lengths of the ends of ``text`` to look for, the longest first."""
    yield len(text)
    for at in range(max(1, len(text) - 24), len(text) - 2):
        if not text[at - 1].isalnum() or not text[at].isascii():
            yield len(text) - at


__all__ = ["Fact", "SourceDrafter"]

"""A source document as a place to find values in: cells, labels, numbers and dates, each with where it stands."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

# What cells are apart by: borders, tabs, wide blanks, tags; marks of lists, headings and emphasis belong to no cell.
_CELL = re.compile(
    r"(?:(?<![^\S\n])[^\S\n]+)?(?:[|｜\t\u3000]|  |\n|</?[a-zA-Z][^<>\n]{0,40}>)"
    r"[^\S\n]*(?:(?:[-*•·#>]+|\d{1,2}\.)[^\S\n]+)*|\*\*+|\A[-*•·#>\s]+"
)
_RULE = re.compile(r"[-=_+:. ]{2,}\Z")  # what only rules a table
_COMMA = re.compile(r"[,;，][^\S\n]*")
_COLON = re.compile(r"[:：=](?!//|\d)[^\S\n]*|[:：](?=\d{3,}|\d{1,2}[./\-年])")
_AFTER_COLON = re.compile(r"[:：=][^\S\n]*\Z")
_LABEL_START = re.compile(r"[,，;；。、(（]\s*")
_WORD = re.compile(r"[a-z]+|[0-9]+|[^\W\d_a-z]", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NUMBER = re.compile(
    r"(?<![A-Za-z\d.,])(?:(?<!\d)[-−])?\d+(?:[.,' \u00a0]\d{3})+(?:[.,]\d{1,2})?(?!\d)"
    r"|(?<![A-Za-z\d])(?:(?<!\w)[-−])?\d+(?:[.,]\d+)?"
)
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATES = [
    (re.compile(r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})日?"), "ymd"),
    (re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})"), "dmy"),
    (re.compile(rf"(\d{{1,2}})(?:st|nd|rd|th|\.)?[ -](?:of )?{_MONTH}[ ,-]+(\d{{4}})", re.IGNORECASE), "dmy"),
    (re.compile(rf"{_MONTH} (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})", re.IGNORECASE), "mdy"),
]
_TIME = re.compile(r"(?<![\d:])(\d{1,2}):(\d{2})(?::(\d{2}))?(?![\d:])")
_START = re.compile(r"\A|[\W_]+|(?<=[^\W\d_a-zA-Z])(?=[A-Za-z\d])|(?<=[A-Za-z\d])(?=[^\W\d_a-zA-Z])")
_STEM = 5  # letters that two words must share
_MAX_LABEL = 40  # characters
_COMMON = 64  # a word found that often is no help


T = TypeVar("T")


class Span(NamedTuple):
    """Where a value may stand."""

    start: int
    end: int


class Cell(NamedTuple):
    """A stretch of a line between borders, tabs or wide blanks."""

    start: int
    end: int
    line: int
    column: int


class Fact(NamedTuple):
    """A number or a day in the source, and how JSON may spell it, the likeliest first."""

    start: int
    end: int
    spellings: tuple[str, ...]


class Label(NamedTuple):
    """Words, and where the value that they announce may stand; ``weight`` says how surely."""

    words: frozenset[str]
    span: Span
    weight: float


class SourceIndex:
    """What can be found in ``text``. Built when it is first asked for, in a few milliseconds for 10,000 characters."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._labels: dict[int, list[Label]] = {}

    @cached_property
    def cells(self) -> list[Cell]:
        found, line, column = [], 0, 0
        for start, end, is_border in self._pieces():
            if not is_border:
                found.append(Cell(start, end, line, column))
                column += 1
            elif "\n" in self.text[start:end]:
                line, column = line + self.text.count("\n", start, end), 0
        return found

    def _pieces(self) -> Iterator[tuple[int, int, bool]]:
        """Cells and, True, what stands between them."""
        at = 0
        for match in _CELL.finditer(self.text):
            if match.start() > at:
                yield from self._commas(at, match.start())
            yield match.start(), match.end(), True
            at = match.end()
        if at < len(self.text):
            yield from self._commas(at, len(self.text))

    def _commas(self, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """A cell, or several where it is a line of comma-separated values like the line before or after it."""
        text = self.text
        num = self._num_commas(start, end) if start == 0 or text[start - 1] == "\n" else 0
        if not num or num not in (
            self._num_commas(text.rfind("\n", 0, max(0, start - 1)) + 1, start - 1),
            self._num_commas(end + 1, text.find("\n", end + 1) % (len(text) + 1)),
        ):  # fmt: skip
            yield start, end, False
            return
        for match in _COMMA.finditer(text, start, end):
            if match.start() > start:
                yield start, match.start(), False
            yield match.start(), match.end(), True
            start = match.end()
        if start < end:
            yield start, end, False

    def _num_commas(self, start: int, end: int) -> int:
        return len(_COMMA.findall(self.text, start, end)) if 0 <= start < end else 0

    @cached_property
    def rows(self) -> dict[int, list[Cell]]:
        """Cells by line, but for lines that only rule a table."""
        found: dict[int, list[Cell]] = defaultdict(list)
        for cell in self.cells:
            if not _RULE.match(self.text, cell.start, cell.end):
                found[cell.line].append(cell)
        return found

    @cached_property
    def lines(self) -> list[int]:
        """The lines that have cells, ascending."""
        return sorted(self.rows)

    @cached_property
    def _cell_starts(self) -> list[int]:
        return [cell.start for cell in self.cells]

    def cell_at(self, place: int) -> Cell | None:
        number = bisect_right(self._cell_starts, place) - 1
        return self.cells[number] if number >= 0 else None

    def cells_after(self, place: int, num: int) -> list[Cell]:
        """The next ``num`` cells that start after ``place``."""
        number = bisect_right(self._cell_starts, place)
        return [c for c in self.cells[number : number + num + 1] if not _RULE.match(self.text, c.start, c.end)][:num]

    def value_start(self, cell: Cell) -> int:
        """Where in ``cell`` the value starts, past its label."""
        colon = _COLON.search(self.text, cell.start, min(cell.end, cell.start + _MAX_LABEL))
        return cell.start if colon is None or colon.end() == cell.end else colon.end()

    def starts_value(self, place: int) -> bool:
        """Whether a cell or what a label announces starts at ``place``."""
        cell = self.cell_at(place)
        return cell is not None and (place == cell.start or bool(_AFTER_COLON.search(self.text, cell.start, place)))

    @cached_property
    def dates(self) -> list[Fact]:
        found = []
        for pattern, order in _DATES:
            for match in pattern.finditer(self.text):
                parts = dict(zip(order, match.groups(), strict=True))
                month = parts["m"][:3].lower()
                number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month)
                days = [(number, int(parts["d"])), (int(parts["d"]), number)] if order == "dmy" else [
                    (number, int(parts["d"]))
                ]  # fmt: skip
                spelled = tuple(f"{parts['y']}-{m:02}-{d:02}" for m, d in days if 1 <= m <= 12 and 1 <= d <= 31)
                if spelled:
                    found.append(Fact(match.start(), match.end(), spelled))
        return sorted(found)

    @cached_property
    def times(self) -> list[Fact]:
        return [
            Fact(m.start(), m.end(), (f"{int(m[1]):02}:{m[2]}", f"{int(m[1]):02}:{m[2]}:{m[3] or '00'}"))
            for m in _TIME.finditer(self.text)
        ]

    @cached_property
    def numbers(self) -> list[Fact]:
        return [Fact(m.start(), m.end(), _spellings(m.group())) for m in _NUMBER.finditer(self.text)]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """Where numbers, days and times stand, by their spellings in JSON."""
        found: dict[str, list[int]] = defaultdict(list)
        for fact in (*self.numbers, *self.dates, *self.times):
            for spelling in fact.spellings:
                found[spelling].append(fact.start)
        return found

    @cached_property
    def figures(self) -> list[Fact]:
        """The numbers that are not part of a day or a time."""
        taken = sorted((fact.start, fact.end) for fact in (*self.dates, *self.times))
        starts = [start for start, _ in taken]

        def is_free(at: int) -> bool:
            number = bisect_right(starts, at) - 1
            return number < 0 or taken[number][1] <= at

        return [fact for fact in self.numbers if is_free(fact.start)]

    @cached_property
    def starts(self) -> list[int]:
        """Where words start, or anything that follows a mark or blank."""
        return [match.end() for match in _START.finditer(self.text)]

    def labels_of(self, number: int) -> list[Label]:
        """The labels in cell ``number``, remembered."""
        found = self._labels.get(number)
        if found is None:
            cell = self.cells[number]
            labels = (*self._with_colons(cell), *self._of_neighbours(cell), *self._around_facts(cell))
            found = self._labels[number] = [label for label in labels if label.words]
        return found

    def _with_colons(self, cell: Cell) -> Iterator[Label]:
        text = self.text
        for match in _COLON.finditer(text, cell.start, cell.end):
            start = max(cell.start, match.start() - _MAX_LABEL)
            for border in _LABEL_START.finditer(text, start, match.start()):
                start = border.end()
            words = words_of(text[start : match.start()])
            if match.end() < cell.end:
                yield Label(words, Span(match.end(), cell.end), 1.0)
            else:
                for other in self.cells_after(cell.end, 1):
                    yield Label(words, Span(other.start, other.end), 0.95)

    def _of_neighbours(self, cell: Cell) -> Iterator[Label]:
        """A short cell as the label of the one to its right, or under it."""
        row = self.rows.get(cell.line, [])
        if cell.end - cell.start > _MAX_LABEL or cell not in row:
            return
        at, words = row.index(cell), words_of(self.text[cell.start : cell.end])
        following = self.line_after(cell.line)
        ruled = following is not None and following > cell.line + 1 or len(row) > 2
        if at + 1 < len(row):
            yield Label(words, Span(*row[at + 1][:2]), 0.7 if ruled and at else 0.9)
        elif len(row) == 1 and following == cell.line + 1 and len(self.rows[following]) == 1:
            yield Label(words, Span(*self.rows[following][0][:2]), 0.6)
        below = self.same_column(cell, following) if len(row) > 1 and following is not None else None
        if below is not None:
            yield Label(words, Span(*below[:2]), 0.95 if ruled else 0.8)

    def _around_facts(self, cell: Cell) -> Iterator[Label]:
        """What stands before and after numbers and days in running text."""
        text = self.text
        for fact in (*self.facts_in(self.figures, cell), *self.facts_in(self.dates, cell)):
            span = Span(fact.start, fact.end)
            yield Label(words_of(text[max(cell.start, fact.start - 30) : fact.start]), span, 0.6)
            yield Label(words_of(text[fact.end : min(cell.end, fact.end + 14)]), span, 0.55)

    def line_after(self, line: int) -> int | None:
        """The next line that has cells."""
        number = bisect_right(self.lines, line)
        return self.lines[number] if number < len(self.lines) else None

    def same_column(self, cell: Cell, line: int) -> Cell | None:
        """The cell of ``line`` under or over ``cell``."""
        return next((other for other in self.rows.get(line, ()) if other.column == cell.column), None)

    def labelled(self, words: dict[str, float]) -> list[tuple[float, Span]]:
        """The places announced by labels like ``words``, each with a weight; the likeliest first."""
        total = sum(words.values()) or 1.0
        found = []
        for number in self._cells_with(words):
            for label in self.labels_of(number):
                score = sum([words.get(word, 0.0) for word in label.words])
                if score:
                    found.append((label.weight * 2 * score / (total + len(label.words)), label.span))
        return sorted(found, key=lambda entry: (-entry[0], entry[1].start))

    def _cells_with(self, words: Iterable[str]) -> list[int]:
        """The numbers of cells that have one of ``words``; words that are everywhere count where no other is found."""
        places = [list(occurrences(self._folded, word, _COMMON)) for word in words]
        rare = [some for some in places if len(some) < _COMMON]
        chosen = rare if any(rare) else places
        return sorted({max(0, bisect_right(self._cell_starts, at) - 1) for some in chosen for at in some})

    @cached_property
    def _folded(self) -> str:
        folded = self.text.casefold()
        return folded if len(folded) == len(self.text) else self.text

    def facts_in(self, facts: list[Fact], span: Span | Cell) -> Iterator[Fact]:
        """Those of ``facts`` that start in ``span``."""
        number = bisect_right(facts, (span.start,))
        while number < len(facts) and facts[number].start < span.end:
            yield facts[number]
            number += 1


def after_first(items: Sequence[T], place: int, key: Callable[[T], int]) -> Iterator[T]:
    """``items``, ascending by ``key``: those at ``place`` and after it, then those before."""
    number = bisect_left(items, place, key=key)
    for at in range(number, number + len(items)):
        yield items[at % len(items)]


def occurrences(text: str, piece: str, most: int = 32) -> Iterator[int]:
    """Where ``piece`` stands in ``text``, the first ``most`` places."""
    at = text.find(piece)
    while at >= 0 and most:
        yield at
        most -= 1
        at = text.find(piece, at + 1)


def words_of(text: str) -> frozenset[str]:
    """The words of a label or key, cut to their stems; each Chinese character is one."""
    return frozenset(word[:_STEM] for word in _WORD.findall(_HUMP.sub(" ", text).casefold()))


def _spellings(number: str) -> tuple[str, ...]:
    """How JSON may spell a number of the source: as grouped thousands, or with a decimal comma."""
    if number.isdecimal():
        return (number.lstrip("0") or "0",)
    sign = "-" if number[0] in "-−" else ""
    digits = re.sub(r"[-−' \u00a0]", "", number)
    points = [i for i, c in enumerate(digits) if c in ".,"]
    if not points:
        return _unique([sign + (digits.lstrip("0") or "0")])
    whole = re.sub(r"[.,]", "", digits)
    decimal = re.sub(r"[.,]", "", digits[: points[-1]]) + "." + digits[points[-1] + 1 :]
    grouped = len(digits) - points[-1] == 4 and (digits[points[-1]] == "," or len(points) > 1)
    order = [whole, decimal] if grouped else [decimal, whole]
    return _unique(sign + (spelling.lstrip("0") if spelling[1:2] != "." else spelling) for spelling in order)


def _unique(spellings: Iterable[str]) -> tuple[str, ...]:
    """Each spelling, and without zeros at the end of its decimals."""
    found: dict[str, None] = {}
    for spelling in spellings:
        if "." in spelling:
            found[spelling.rstrip("0").rstrip(".")] = None
        found[spelling] = None
    return tuple(found)

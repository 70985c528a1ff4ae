"""Documents from templates: real-looking text with slots, and a schema that asks for some of them.

In a template, ``{slot}`` is a value as the document spells it; ``{slot:plain}`` is money without its currency,
``{slot:capital}`` the same in a Chinese bank's figures, ``{slot:word}`` a small number in words, ``{slot:boxes}`` a
choice with boxes to cross; ``{slot:<20}`` and ``{slot:>9}`` pad a column; ``{slot?a=text¦b=text}`` says a choice, and
``{slot?text¦text}`` yes or no, in words of its own; ``{!maker(args)}`` is a value that nobody asks for. ``⟨a|b⟩`` is
one of several wordings. A line whose slot is absent is left out; of ``⟦text {slot}‖else⟧`` only that part, or ``else``
stands there. ``{form:a,b}`` on a line of its own is a form in any layout, ``{rows:table}`` a table in any layout, and a
line that begins with ``*rows `` is written once a row. Lines that begin with ``~`` stand in any order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from random import Random

from training import tables
from training.agreeing import SETTLE
from training.asking import Given, ask
from training.documents import Example, Style
from training.phrases import FILLER
from training.slots import MAKERS, Member, Raw, Slot, slots
from training.spelling import Spelling, capital_zh

CHOICE = re.compile(r"⟨([^⟨⟩]*)⟩")
PART = re.compile(r"⟦([^⟦⟧]*)⟧")
SLOT = re.compile(r"\{(!?)([a-z_.0-9]+)(?:\(([^)]*)\))?(\?[^{}]*|:[^{}]*)?\}")
ABSENT = "\0"
YES_NO = [("yes", "no"), ("Yes", "No"), ("Y", "N"), ("true", "false"), ("✓", "✗")]
YES_NO_ZH = [("是", "否"), ("是", "否"), ("有", "无"), ("√", "×"), ("可以", "不可以")]
LIST_MARKS = [(", ", ", "), (", ", ", "), (", ", " and "), (", ", " and "), ("; ", "; "), (" / ", " / ")]
PLAIN_SHARE = 0.12  # of documents, those that are but labels and tables of whatever the kind has
FILLER_SHARE = 0.25  # of documents, those with long paragraphs that have nothing to do with the matter


@dataclass(frozen=True)
class Kind:
    """A kind of document: its slots, its templates in both languages, sentences that may stand anywhere in it."""

    name: str
    titles: tuple[str, ...]
    titles_zh: tuple[str, ...]
    slots: dict[str, Slot]
    english: tuple[str, ...]
    chinese: tuple[str, ...]
    noise: tuple[str, ...]
    noise_zh: tuple[str, ...]

    def templates(self, lang: str, held_out: bool) -> tuple[str, ...]:
        """Those to train with, or the last one, which is kept for testing."""
        every = self.chinese if lang == "zh" else self.english
        return every[-1:] if held_out else every[:-1]


def read_kind(name: str, text: str) -> Kind:
    """A kind from its file: titles, then parts under ``=== part ===``; lines of ``====`` separate templates."""
    titles, *rest = re.split(r"(?m)^=== ([a-z ]+) ===\n", text)
    parts = {part: body.rstrip("\n") for part, body in zip(rest[::2], rest[1::2], strict=True)}
    english, chinese = (tuple(side.split("/")) for side in titles.strip().split(" | "))
    templates = [tuple(parts[side].split("\n====\n")) for side in ("english", "chinese")]
    noise = [tuple(parts[side].splitlines()) for side in ("noise", "chinese noise")]
    return Kind(name, english, chinese, slots(parts["slots"]), *templates, *noise)


@dataclass
class Filling:
    """One document in the making."""

    rng: Random
    kind: Kind
    style: Style
    spelling: Spelling
    raw: dict[str, Raw] = field(default_factory=dict)
    rows: dict[str, list[dict[str, Raw]]] = field(default_factory=dict)
    given: dict[str, Given] = field(default_factory=dict)
    given_rows: dict[str, list[dict[str, Given]]] = field(default_factory=dict)

    def make(self) -> None:
        """Values for all slots; absent ones are None."""
        rng = self.rng
        for name, slot in self.kind.slots.items():
            if slot.maker == "rows":
                low, high = map(int, slot.args)
                columns = [s for s in self.kind.slots.values() if s.name.startswith(name + ".")]
                self.rows[name] = [
                    {c.name: self._maybe(c) for c in columns} for _ in range(rng.choice([low, rng.randint(low, high)]))
                ]
            elif slot.maker != "group" and name.split(".")[0] not in self.rows:
                self.raw[name] = self._maybe(slot)
        if self.kind.name in SETTLE:
            SETTLE[self.kind.name](rng, self.spelling, self.raw, self.rows)
        for row in [self.raw, *(row for rows in self.rows.values() for row in rows)]:
            for name in row.keys() & self.kind.slots.keys():
                slot = self.kind.slots[name]
                if slot.maker == "choice" and isinstance(row[name], str):
                    row[name] = next(member for member in slot.members if member.english == row[name])

    def _maybe(self, slot: Slot) -> Raw:
        return None if slot.optional and self.rng.random() < 0.3 else slot.make(self.rng, self.spelling)

    def text(self, template: str) -> str:
        while CHOICE.search(template):
            template = CHOICE.sub(lambda match: self.rng.choice(match[1].split("|")), template)
        lines: list[str] = []
        for line in self._in_order(template.split("\n")):
            lines += self._line(line)
        return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")

    def plain(self) -> str:
        """A heading, a form of most slots, one for each group, and the tables."""
        kind, chinese = self.kind, self.spelling.lang == "zh"
        slots = [slot for slot in kind.slots.values() if "." not in slot.name]
        single = [slot.name for slot in slots if slot.maker not in ("group", "rows", "currency")]
        parts = [self._form([name for name in single if self.rng.random() < 0.75] or single[:1])]
        for slot in slots:
            names = [inner for inner in kind.slots if inner.startswith(slot.name + ".")]
            if slot.maker == "rows":
                parts.append([self._label(slot), *self._table(slot.name, [])])
            elif slot.maker == "group":
                parts.append([self._label(slot), *self._form(names)])
        if self.rng.random() < 0.4:
            self.rng.shuffle(parts)
        if self.rng.random() < 0.7:
            parts.insert(0, [self.rng.choice(kind.titles_zh if chinese else kind.titles)])
        return "\n\n".join("\n".join(part) for part in parts if part)

    def _in_order(self, lines: list[str]) -> list[str]:
        """``lines`` with each run of those marked ``~`` shuffled."""
        ordered: list[str] = []
        run: list[str] = []
        for line in [*lines, ""]:
            if line.startswith("~"):
                run.append(line[1:])
                continue
            self.rng.shuffle(run)
            ordered += [*run, line]
            run = []
        return ordered[:-1]

    def _line(self, line: str) -> list[str]:
        if match := re.fullmatch(r"\{form:([^{}]*)\}", line):
            return self._form(match[1].split(","))
        if match := re.fullmatch(r"\{(\w+):table(?: ([^{}]*))?\}", line):
            return self._table(match[1], match[2].split(",") if match[2] else [])
        if (match := re.match(r"\*(\w+) (.*)", line)) and match[1] in self.rows:
            return self._each(match[1], match[2])
        filled = tidy(self._fill(line, self.raw, self.given))
        return [] if ABSENT in filled or (line.strip() and not filled.strip()) else [filled.rstrip(" ·")]

    def _fill(self, line: str, raw: dict[str, Raw], given: dict[str, Given]) -> str:
        """``line`` with its slots spelled; holds ABSENT if one of them has no value."""

        kept: dict[str, Given] = {}

        def part(match: re.Match[str]) -> str:
            first, _, rest = match[1].partition("‖")
            inner: dict[str, Given] = {}
            filled = self._slots(first, raw, inner)
            if ABSENT in filled:
                return self._slots(rest, raw, kept)
            kept.update(inner)
            return filled

        filled = self._slots(PART.sub(part, line), raw, kept)
        if ABSENT not in filled:  # else the line is left out, with all that it says
            given.update(kept)
        return filled

    def _slots(self, text: str, raw: dict[str, Raw], given: dict[str, Given]) -> str:
        def one(match: re.Match[str]) -> str:
            loose, name, args, extra = match.groups()
            extra = extra or ""
            if loose:
                return self._loose(name, args, extra)
            if raw.get(name) is None:
                return ABSENT
            said = self.spell(self.kind.slots[name], raw[name], extra)
            mode = "words" if extra.startswith("?") or extra in (":word", ":capital", ":boxes") else "text"
            if name not in given or given[name].mode == "words":
                given[name] = Given(raw[name], said.strip(), mode)
            return said

        return SLOT.sub(one, text)

    def _loose(self, name: str, args: str | None, extra: str) -> str:
        slot = Slot(name, name, tuple((args or "").split(",")) if args else (), (), (), (), ())
        return self.spell(slot, MAKERS[name](self.rng, self.spelling, *slot.args), extra)

    def spell(self, slot: Slot, raw: Raw, extra: str = "") -> str:
        """``raw`` as this document writes it."""
        if extra.startswith("?"):
            cases = dict(case.split("=", 1) for case in extra[1:].split("¦")) if "=" in extra else {}
            if not cases:
                return extra[1:].split("¦")[0 if raw else 1]
            return cases[raw.english if isinstance(raw, Member) else str(raw)]
        if extra == ":capital":
            return capital_zh(raw)
        if extra == ":boxes":
            return self._boxes(slot, raw)
        text = self._plain(slot, raw, extra)
        if extra[:2] in (":<", ":>"):
            text = tables.pad(text, int(extra[2:]), extra[1] == ">")
        return text

    def _boxes(self, slot: Slot, raw: Raw) -> str:
        """All members, the one that holds with a cross in its box."""
        chinese = self.spelling.lang == "zh"
        crossed, empty = self.rng.choice([("[x]", "[ ]"), ("[X]", "[ ]"), ("☒", "☐"), ("☑", "☐"), ("(x)", "( )")])
        if isinstance(raw, bool):
            names = ["是", "否"] if chinese else ["yes", "no"]
            chosen = names[0 if raw else 1]
        else:
            names = [member.chinese if chinese else member.english.replace("_", " ") for member in slot.members]
            chosen = raw.chinese if chinese else raw.english.replace("_", " ")
        return "  ".join(f"{crossed if name == chosen else empty} {name}" for name in names)

    def _plain(self, slot: Slot, raw: Raw, extra: str) -> str:
        spelling = self.spelling
        if isinstance(raw, (bool, Member)):
            return slot.said(self.rng, spelling.lang, raw)
        if isinstance(raw, date):
            return raw.isoformat() if extra == ":iso" else spelling.day(raw)
        if slot.maker == "money":
            return spelling.money(raw, plain=extra == ":plain" or extra[:2] in (":<", ":>"))
        if slot.maker == "int":
            return spelling.count(raw, extra == ":word")
        if isinstance(raw, float):
            decimals = int(slot.args[2]) if len(slot.args) > 2 else 1
            return spelling.number(raw, decimals) + ("%" if slot.maker == "percent" else "")
        if isinstance(raw, list):
            return listed(self.rng, spelling.lang, raw)
        return str(raw)

    def _form(self, names: list[str]) -> list[str]:
        pairs = []
        for name in names:
            slot = self.kind.slots[name]
            if self.raw.get(name) is None or self.rng.random() < 0.1:
                continue
            raw = self.raw[name]
            if slot.maker in ("bool", "choice") and self.rng.random() < 0.7:
                text = self._short(raw)
            else:
                text = self.spell(slot, raw)
            self.given[name] = Given(raw, text, "text")
            pairs.append((self._label(slot), text))
        if self.rng.random() < 0.3:
            self.rng.shuffle(pairs)
        return tables.labelled(self.rng, self.spelling.lang, pairs, self.style.held_out)

    def _short(self, raw: Raw) -> str:
        """A choice or a yes as a form has it."""
        chinese = self.spelling.lang == "zh"
        if isinstance(raw, bool):
            marks = YES_NO_ZH if chinese else YES_NO
            return self.rng.choice(marks)[0 if raw else 1]
        text: str = raw.chinese if chinese else raw.english.replace("_", " ")
        return text

    def _label(self, slot: Slot) -> str:
        label = slot.label(self.rng, self.spelling.lang, self.style.unseen)
        return label[0].upper() + label[1:]

    def _table(self, name: str, columns: list[str]) -> list[str]:
        if not columns:
            columns = [s.name.split(".")[1] for s in self.kind.slots.values() if s.name.startswith(name + ".")]
            columns = [columns[0], *(c for c in columns[1:] if self.rng.random() < 0.8)]
        specs = [self.kind.slots[f"{name}.{column}"] for column in columns]
        plain = self.rng.random() < 0.6
        cells, given_rows = [], []
        empty = self.rng.choice(["-", "", "–"] if self.spelling.lang == "en" else ["-", "", "无", "/"])
        for row in self.rows[name]:
            given: dict[str, Given] = {}
            texts = []
            for slot in specs:
                raw = row[slot.name]
                text = empty if raw is None else self.spell(slot, raw, ":plain" if plain else "")
                if raw is not None:
                    given[slot.name] = Given(raw, text, "text")
                texts.append(text)
            cells.append(texts)
            given_rows.append(given)
        self.given_rows[name] = given_rows
        numeric = [slot.maker in ("money", "int", "number", "percent") for slot in specs]
        heads = [self._label(slot) for slot in specs]
        return tables.rows(self.rng, self.spelling.lang, heads, cells, numeric, self.style.held_out)

    def _each(self, name: str, pattern: str) -> list[str]:
        lines, given_rows = [], []
        for index, row in enumerate(self.rows[name]):
            given: dict[str, Given] = {}
            filled = self._fill(pattern.replace("{#}", str(index + 1)), row, given)
            assert ABSENT not in filled, pattern
            lines += [line.rstrip() for line in filled.split("\\n")]
            given_rows.append(given)
        self.given_rows[name] = given_rows
        return lines


def listed(rng: Random, lang: str, items: list[str]) -> str:
    """``items`` in a row, as people write them."""
    mark, last = rng.choice([("、", "、"), ("、", "、"), ("、", "和"), ("，", "，")] if lang == "zh" else LIST_MARKS)
    return last.join([mark.join(items[:-1]), items[-1]] if len(items) > 1 else items)


def tidy(line: str) -> str:
    """``line`` without the second space or full stop that a part left out leaves behind."""
    line = re.sub(r"(?<=[.!?;,]) {2,}(?=[^\W\d])", " ", line)
    line = re.sub(r"(?<=[.!?])( \.)+", "", line)
    line = re.sub(r"^ ?[,，;] ?|^ (?=\S)", "", line)
    return re.sub(r"(?<=[。！？])[。，]+", "", line)


def fill(rng: Random, kind: Kind, style: Style) -> Example:
    """A document of ``kind`` and what its schema asks of it."""
    spelling = Spelling.draw(rng, style.lang)
    filling = Filling(rng, kind, style, spelling)
    filling.make()
    if rng.random() < PLAIN_SHARE and not style.held_out:
        text = filling.plain()
    else:
        text = filling.text(rng.choice(kind.templates(style.lang, style.held_out)))
    text = with_noise(rng, kind, style.lang, text)
    _say_currency(filling)
    _imply(filling)
    titles = kind.titles_zh if style.key_lang == "zh" else kind.titles
    schema, value, instructions = ask(rng, style, kind.slots, filling.given, filling.given_rows, titles)
    return Example(schema, text, value, kind.name, style.lang, instructions)


def _say_currency(filling: Filling) -> None:
    """An amount with its mark says the currency, too."""
    if "currency" in filling.raw and "currency" not in filling.given:
        given = [
            *filling.given.items(),
            *(pair for rows in filling.given_rows.values() for row in rows for pair in row.items()),
        ]
        for name, one in given:
            is_money = filling.kind.slots[name].maker == "money" and one.mode == "text"
            if is_money and one.text != filling.spelling.money(one.raw, plain=True):
                filling.given["currency"] = Given(filling.raw["currency"], "", "words")


def _imply(filling: Filling) -> None:
    """A choice that names another slot is said wherever that one is."""
    for name, raw in filling.raw.items():
        slot = filling.kind.slots.get(name)
        if slot and slot.maker == "choice" and slot.args and slot.args[0] in filling.given:
            filling.given.setdefault(name, Given(raw, "", "words"))


def with_noise(rng: Random, kind: Kind, lang: str, text: str) -> str:
    """``text`` with a sentence or two that answer nothing, before, after or between its paragraphs."""
    pool = kind.noise_zh if lang == "zh" else kind.noise
    chosen = rng.sample(pool, min(len(pool), rng.choice([0, 0, 1, 1, 2])))
    if rng.random() < FILLER_SHARE:
        chosen += rng.sample(FILLER[lang], rng.randint(1, rng.choice([4, 4, 9])))
    parts = text.split("\n\n")
    for sentence in chosen:
        place = rng.choice([len(parts), rng.randint(1, len(parts))])
        while CHOICE.search(sentence):
            sentence = CHOICE.sub(lambda match: rng.choice(match[1].split("|")), sentence)
        spelling = Spelling.draw(rng, lang)
        filling = Filling(rng, kind, Style(lang, lang, "snake", 0.0), spelling)
        parts.insert(place, filling._fill(sentence, {}, {}))
    return "\n\n".join(parts)

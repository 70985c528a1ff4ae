"""What a kind of document can say: slots, each with its names, descriptions, way to be made and JSON types.

A kind's slots are a table of lines ``name | maker | keys | Chinese keys | description | Chinese description``, where
``/`` separates alternatives. A name with a dot belongs to a group or to the rows of a list; ``?`` after it says that a
document may lack it. A key after ``~`` says too little to be used without a description. Lines beginning with ``-``
give the members of a choice, ``member | Chinese member | how a document says it | the same in Chinese``, or yes and no.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Any

from training import values
from training.fields import names
from training.phrases import LISTS
from training.spelling import Spelling

Raw = Any  # a string, number, date, bool, list of strings, or a Member


@dataclass(frozen=True)
class Member:
    """A member of a choice, with what documents say for it."""

    english: str
    chinese: str
    said: tuple[str, ...]
    said_zh: tuple[str, ...]


@dataclass(frozen=True)
class Slot:
    name: str
    maker: str
    args: tuple[str, ...]
    keys: tuple[str, ...]
    keys_zh: tuple[str, ...]
    hints: tuple[str, ...]
    hints_zh: tuple[str, ...]
    optional: bool = False
    members: list[Member] = field(default_factory=list)

    def key(self, rng: Random, lang: str, unseen: bool) -> tuple[str, bool]:
        """A name, in words, and whether it needs a description."""
        chosen = rng.choice(names(self.keys_zh if lang == "zh" else self.keys, unseen))
        return chosen.removeprefix("~"), chosen.startswith("~")

    def label(self, rng: Random, lang: str, unseen: bool) -> str:
        """A name that says enough by itself, as a form prints it."""
        clear = tuple(key for key in (self.keys_zh if lang == "zh" else self.keys) if not key.startswith("~"))
        return rng.choice([key for key in names(clear, unseen) if not key.startswith("~")] or clear)

    def make(self, rng: Random, spelling: Spelling) -> Raw:
        if self.maker in ("choice", "bool"):
            member = rng.choice(self.members)
            return member if self.maker == "choice" else member.english == "yes"
        return MAKERS[self.maker](rng, spelling, *self.args)

    def said(self, rng: Random, lang: str, raw: Raw) -> str:
        """How a document says a choice or a yes."""
        if isinstance(raw, bool):
            raw = next((m for m in self.members if m.english == ("yes" if raw else "no")), None)
            assert raw is not None, self.name
        phrases = raw.said_zh if lang == "zh" else raw.said
        return rng.choice(phrases or ((raw.chinese if lang == "zh" else raw.english),))


def slots(table: str) -> dict[str, Slot]:
    """The slots of a table; see the module's docstring."""
    found: dict[str, Slot] = {}
    last = ""
    for line in filter(str.strip, table.splitlines()):
        cells = [cell.strip() for cell in line.split("|")]
        if cells[0].startswith("-"):
            english, chinese, said, said_zh = [*cells, "", "", ""][:4]
            found[last].members.append(Member(english[1:].strip(), chinese, _split(said), _split(said_zh)))
            continue
        name, maker, keys, keys_zh, hints, hints_zh = [*cells, "", ""][:6]
        call = re.fullmatch(r"(\w+)(?:\((.*)\))?", maker)
        assert call, line
        last = name.rstrip("?")
        args = tuple(arg.strip() for arg in (call[2] or "").split(",") if arg)
        found[last] = Slot(
            last, call[1], args, _split(keys), _split(keys_zh), _split(hints), _split(hints_zh), name.endswith("?")
        )
    return found


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split("/") if part.strip())


def _day(rng: Random, spelling: Spelling, low: str = "-30", high: str = "0") -> date:
    return spelling.today + timedelta(days=rng.randint(int(low), int(high)))


def _money(rng: Random, spelling: Spelling, low: str = "1", high: str = "500", shape: str = "") -> float:
    """Spread evenly over the orders of magnitude; round where ``shape`` says so, else often with a price's ending."""
    first, last = float(low), float(high)
    amount = first * (last / first) ** rng.random()
    if shape == "round":
        step = 10 ** max(0, len(str(int(amount))) - 2)
        return max(step, round(amount / step) * step)
    amount = round(amount, 0 if spelling.currency == "JPY" else 2)
    if amount > 3 and rng.random() < 0.4 and spelling.currency != "JPY":
        return round(int(amount) - rng.choice([0.01, 0.05, 0.5, 0.1, 0.0]), 2)
    return amount


def _number(rng: Random, spelling: Spelling, low: str, high: str, decimals: str = "1") -> float:
    return round(rng.uniform(float(low), float(high)), int(decimals))


def _int(rng: Random, spelling: Spelling, low: str, high: str) -> int:
    return round(int(low) + (int(high) - int(low)) * rng.random() ** 2)


def _pick(rng: Random, spelling: Spelling, name: str) -> str:
    """A phrase of the list; one in five is made up in part, so that it must be copied."""
    english, chinese = LISTS[name]
    phrase = rng.choice(chinese if spelling.lang == "zh" else english)
    if rng.random() > 0.2:
        return phrase
    if spelling.lang == "zh" and not phrase.isascii():
        return values.characters(rng, 2, 3) + phrase[len(phrase) // 2 :]
    return " ".join([*phrase.split(" ")[:-1], values.pseudo_word(rng, phrase[-1].isupper())])


def _some(rng: Random, spelling: Spelling, name: str, low: str = "1", high: str = "4") -> list[str]:
    wanted, chosen = rng.randint(int(low), int(high)), list[str]()
    while len(chosen) < wanted:
        phrase = _pick(rng, spelling, name)
        chosen += [phrase] if phrase not in chosen else []
    return chosen


def _people(rng: Random, spelling: Spelling, low: str = "2", high: str = "4") -> list[str]:
    return [values.person(rng, spelling.lang)[0] for _ in range(rng.randint(int(low), int(high)))]


def _time(rng: Random, spelling: Spelling, low: str = "8", high: str = "18") -> str:
    minute = rng.choice([0, 15, 30, 45, rng.randrange(60)])
    return f"{rng.randint(int(low), int(high)):02}:{minute:02}"


def _month(rng: Random, spelling: Spelling, low: str = "-120", high: str = "0") -> str:
    months = spelling.today.year * 12 + spelling.today.month - 1 + rng.randint(int(low), int(high))
    year, month = divmod(months, 12)
    if spelling.lang == "zh":
        return f"{year}年{month + 1}月" if spelling.today.day % 3 else f"{year}.{month + 1:02}"
    name = values.MONTHS[month]
    return [f"{name} {year}", f"{name[:3]} {year}", f"{month + 1:02}/{year}"][spelling.today.day % 3]


def _code(rng: Random, spelling: Spelling, *patterns: str) -> str:
    """By a pattern: 9 stands for a digit, A for a letter; without one, of any shape."""
    if not patterns:
        return values.code(rng, spelling.lang)[0]
    digits = {"9": string.digits, "A": string.ascii_uppercase}
    return "".join(rng.choice(digits.get(char, char)) for char in rng.choice(patterns))


def _url(rng: Random, spelling: Spelling) -> str:
    host = rng.choice(["www.", "", "shop."]) + values.pseudo_word(rng, False)
    return f"https://{host}.{rng.choice(['com', 'cn', 'org', 'io'])}"


def _said_by(maker: values.Maker) -> Callable[[Random, Spelling], Raw]:
    return lambda rng, spelling: maker(rng, spelling.lang)[0]


MAKERS: dict[str, Callable[..., Raw]] = {
    "date": _day,
    "money": _money,
    "number": _number,
    "percent": _number,
    "int": _int,
    "pick": _pick,
    "some": _some,
    "people": _people,
    "time": _time,
    "month": _month,
    "code": _code,
    "url": _url,
    "person": _said_by(values.person),
    "company": _said_by(values.company),
    "city": _said_by(values.city),
    "address": _said_by(values.address),
    "email": _said_by(values.email),
    "phone": _said_by(values.phone),
    "item": _said_by(values.item),
    "digits": lambda rng, spelling, low, high: values.digits(int(low), int(high))(rng, spelling.lang)[0],
    "currency": lambda rng, spelling: spelling.currency,
}

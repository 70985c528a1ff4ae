"""Random values, each with its JSON form and a way a document may spell it."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any

from training import words

Spelled = tuple[Any, str]  # the JSON value, its spelling in the document
Maker = Callable[[Random, str], Spelled]  # (random, "en" or "zh")

MONTHS = """January February March April May June July August September October November December""".split()


# The 3,755 characters of GB 2312's first level, which is nearly all that everyday Chinese uses.
HANZI = [
    char
    for row in range(0xB0, 0xD8)
    for cell in range(0xA1, 0xFF)
    if (char := bytes([row, cell]).decode("gb2312", errors="ignore"))
]


@cache
def _followers() -> dict[str, str]:
    """For each two characters, those that follow them in the word lists; a line's end closes a word."""
    followers: dict[str, str] = {}
    for text in words.FIRST_NAMES + words.LAST_NAMES + words.CITIES + words.ITEMS + words.JOBS + words.NOISE:
        for word in text.lower().split():
            if word.isalpha():
                padded = f"^^{word}$"
                for i in range(len(padded) - 2):
                    followers[padded[i : i + 2]] = followers.get(padded[i : i + 2], "") + padded[i + 2]
    return followers


def pseudo_word(rng: Random, capital: bool = True) -> str:
    """A word that is in no list, so that it can only be copied."""
    if rng.random() < 0.4:
        word = "".join(rng.choice("bcdfghjklmnprstvwz") + rng.choice("aeiou") for _ in range(rng.randint(1, 3)))
        word += rng.choice(["", "n", "r", "s", "l", "t"])
    else:
        word = _like_english(rng)
    return word.capitalize() if capital else word


def _like_english(rng: Random) -> str:
    while True:
        word = "^^"
        while word[-1] != "$" and len(word) < 12:
            word += rng.choice(_followers()[word[-2:]])
        if len(word) > 4:
            return word[2:].removesuffix("$")


def characters(rng: Random, low: int, high: int) -> str:
    """Chinese characters at random, half of the words from the commonest 600."""
    pool: str | list[str] = words.COMMON_ZH if rng.random() < 0.5 else HANZI
    return "".join(rng.choice(pool) for _ in range(rng.randint(low, high)))


def person(rng: Random, lang: str) -> Spelled:
    if lang == "zh":
        given = [
            rng.choice(words.GIVEN_ZH) if rng.random() < 0.5 else rng.choice(HANZI) for _ in range(rng.randint(1, 2))
        ]
        return _same(rng.choice(words.SURNAMES_ZH) + "".join(given))
    first = rng.choice(words.FIRST_NAMES) if rng.random() < 0.4 else pseudo_word(rng)
    last = rng.choice(words.LAST_NAMES) if rng.random() < 0.4 else pseudo_word(rng)
    return _same(f"{first} {last}")


def company(rng: Random, lang: str) -> Spelled:
    if lang == "zh":
        brand = rng.choice(words.BRANDS_ZH) if rng.random() < 0.3 else characters(rng, 2, 3)
        place = rng.choice(words.CITIES_ZH) if rng.random() < 0.8 else ""
        return _same(
            place + brand + rng.choice(words.FIELDS_ZH) + rng.choice(["有限公司", "有限公司", "股份有限公司", "公司"])
        )
    head = rng.choice(words.COMPANY_WORDS) if rng.random() < 0.3 else pseudo_word(rng)
    if rng.random() < 0.15:
        head += " & " + rng.choice(words.LAST_NAMES)
    middle = rng.choice([" " + rng.choice(words.COMPANY_FIELDS), ""])
    return _same(head + middle + (" " + rng.choice(words.COMPANY_FORMS) if rng.random() < 0.75 else ""))


def city(rng: Random, lang: str) -> Spelled:
    if lang == "zh":
        return _same(rng.choice(words.CITIES_ZH) if rng.random() < 0.6 else characters(rng, 2, 3))
    return _same(rng.choice(words.CITIES) if rng.random() < 0.5 else pseudo_word(rng))


def address(rng: Random, lang: str) -> Spelled:
    if lang == "zh":
        road = characters(rng, 2, 2) + rng.choice(["路", "大道", "街"])
        return _same(f"{rng.choice(words.CITIES_ZH)}市{road}{rng.randint(1, 999)}号")
    street = (
        rng.choice(words.STREETS) if rng.random() < 0.4 else pseudo_word(rng) + rng.choice([" Street", " Road", "weg"])
    )
    number, postcode = rng.randint(1, 200), rng.randint(10000, 99999)
    head = f"{street} {number}" if rng.random() < 0.6 else f"{number} {street}"
    return _same(f"{head}, {postcode} {city(rng, lang)[0]}")


def item(rng: Random, lang: str) -> Spelled:
    if lang == "zh":
        return _same(rng.choice(words.ITEMS_ZH) if rng.random() < 0.4 else characters(rng, 2, 5))
    name = rng.choice(words.ITEMS) if rng.random() < 0.4 else pseudo_word(rng) + " " + pseudo_word(rng, False)
    shape = rng.random()
    if shape < 0.2:
        name += ", " + rng.choice(words.ADJECTIVES)
    elif shape < 0.35:
        name += f" {rng.choice(string.ascii_uppercase)}{rng.choice(string.ascii_uppercase)}-{rng.randint(1, 99)}"
    return _same(name)


def from_list(english: list[str], chinese: list[str]) -> Maker:
    """A maker that picks from a list; two times in five it makes up a phrase instead."""

    def make(rng: Random, lang: str) -> Spelled:
        if rng.random() < 0.4:
            if lang == "zh":
                return _same(characters(rng, 2, 6))
            return _same(" ".join([pseudo_word(rng)] + [pseudo_word(rng, False) for _ in range(rng.randint(0, 2))]))
        return _same(rng.choice(chinese if lang == "zh" else english))

    return make


def code(rng: Random, lang: str) -> Spelled:
    letters = "".join(rng.choice(string.ascii_uppercase) for _ in range(rng.randint(1, 3)))
    digits = "".join(rng.choice(string.digits) for _ in range(rng.randint(3, 6)))
    year = str(rng.randint(2015, 2026))
    shape = rng.randrange(5)
    return _same([f"{letters}-{digits}", f"{letters}-{year}-{digits[:4]}", f"{letters}{digits}", digits + letters[:1],
                  f"{letters}/{digits}"][shape])  # fmt: skip


def digits(low: int, high: int) -> Maker:
    def make(rng: Random, lang: str) -> Spelled:
        return _same(
            str(rng.randint(1, 9)) + "".join(rng.choice(string.digits) for _ in range(rng.randint(low, high) - 1))
        )

    return make


def phone(rng: Random, lang: str) -> Spelled:
    if lang == "zh":
        return _same("1" + rng.choice("3578") + "".join(rng.choice(string.digits) for _ in range(9)))
    return _same(f"+{rng.randint(1, 99)} {rng.randint(10, 999)} {rng.randint(100000, 9999999)}")


def email(rng: Random, lang: str) -> Spelled:
    first = rng.choice(words.FIRST_NAMES).lower() if rng.random() < 0.5 else pseudo_word(rng, False)
    last = rng.choice(words.LAST_NAMES).lower() if rng.random() < 0.5 else pseudo_word(rng, False)
    local = rng.choice([f"{first}.{last}", first, first + last, f"{first[0]}{last}"])
    return _same(f"{local}@{rng.choice(['example.com', 'example.org', pseudo_word(rng, False) + '.com'])}")


def date(rng: Random, lang: str) -> Spelled:
    """An ISO date; the document spells it so, or as people do."""
    year, month, day = rng.randint(1995, 2029), rng.randint(1, 12), rng.randint(1, 28)
    iso = f"{year}-{month:02}-{day:02}"
    if rng.random() < 0.35:
        return iso, iso
    if lang == "zh":
        spelled = [f"{year}年{month}月{day}日"] * 3 + [f"{year}年{month:02}月{day:02}日", f"{year}/{month:02}/{day:02}"]
        return iso, rng.choice([*spelled, f"{year}.{month:02}.{day:02}", f"{year}/{month}/{day}"])
    name = MONTHS[month - 1]
    ending = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    spelled = [f"{day} {name} {year}", f"{name} {day}, {year}", f"{day} {name[:3]} {year}", f"{name[:3]} {day}, {year}"]
    spelled += [f"{day:02}.{month:02}.{year}", f"{year}/{month:02}/{day:02}", f"{day}{ending} {name} {year}"]
    spelled += [f"{day:02}/{month:02}/{year}" if day > 12 else f"{day:02}-{name[:3]}-{year}"]
    return iso, rng.choice(spelled)


def integer(low: int, high: int) -> Maker:
    def make(rng: Random, lang: str) -> Spelled:
        top = rng.choice([high, min(high, low + 20), min(high, low + 300)])
        number = rng.randint(low, max(low, top))
        return number, str(number)

    return make


def amount(high: int = 5000, decimals: int = 2, money: bool = False) -> Maker:
    """A decimal number; trailing zeros, separators of thousands and currencies appear only in the document."""

    def make(rng: Random, lang: str) -> Spelled:
        top = rng.choice([high, max(1, high // 20), max(1, high // 300)])
        number = round(rng.uniform(0.01, top), decimals)
        if rng.random() < 0.2:
            number = round(number)
        value: float | int = int(number) if number == int(number) else number
        text = f"{value}"
        shape = rng.random()
        if shape < 0.35:
            text = f"{value:,.{decimals}f}"
        elif shape < 0.5:
            text = f"{value:.{decimals}f}"
        if money and rng.random() < 0.35:
            marks = (
                ["¥{}", "￥{}", "{}元", "人民币{}元"]
                if lang == "zh"
                else ["${}", "€{}", "EUR {}", "{} USD", "£{}", "{} €"]
            )
            text = rng.choice(marks).replace("{}", text)
        return value, text

    return make


def one_of(english: dict[str, str], chinese: dict[str, str]) -> Maker:
    """An enum member; the mapping says how a document spells it."""

    def make(rng: Random, lang: str) -> Spelled:
        table = chinese if lang == "zh" else english
        member = rng.choice(sorted(table))
        return member, table[member]

    return make


def _same(text: str) -> Spelled:
    return text, text

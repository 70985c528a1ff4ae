"""Short exercises in copying and looking up, which a small model must learn before documents teach it anything.

They have the form of the real task, schema and document in and JSON out, but keys and values have no meaning.
"""

from __future__ import annotations

import string
from random import Random
from typing import Any

from training import tables, values
from training.documents import Example, Schema, object_schema

STRING: Schema = {"type": "string"}


def scrap(rng: Random, lang: str) -> str:
    """A short string: digits, letters, made-up words, Chinese characters, a value that looks real."""
    shape = rng.randrange(8)
    if shape == 0:
        return "".join(rng.choice(string.digits) for _ in range(rng.randint(1, 8)))
    if shape == 1:
        return "".join(rng.choice(string.ascii_letters + string.digits) for _ in range(rng.randint(1, 8)))
    if shape in (2, 3):
        return words_of(rng, lang, 1, 4)
    maker = rng.choice(
        [
            values.person,
            values.company,
            values.item,
            values.code,
            values.email,
            values.phone,
            values.address,
            values.city,
        ]
    )
    return str(maker(rng, lang)[0])


def words_of(rng: Random, lang: str, low: int, high: int) -> str:
    """A few words without meaning."""
    if lang == "zh":
        return values.characters(rng, low, 2 * high)
    return " ".join(values.pseudo_word(rng, rng.random() < 0.3) for _ in range(rng.randint(low, high)))


def datum(rng: Random, lang: str) -> tuple[Schema, Any, str]:
    """Schema, value and spelling: mostly strings, also numbers and dates."""
    shape = rng.random()
    if shape < 0.1:
        value, text = values.integer(0, 100000)(rng, lang)
        return {"type": "integer"}, value, text
    if shape < 0.2:
        value, text = values.amount(10 ** rng.randint(1, 5))(rng, lang)
        return {"type": "number"}, value, text
    if shape < 0.3:
        value, text = values.date(rng, lang)
        return {"format": "date", "type": "string"}, value, text
    return text_datum(rng, lang)


def text_datum(rng: Random, lang: str) -> tuple[Schema, Any, str]:
    text = scrap(rng, lang)
    return STRING, text, text


def names(rng: Random, lang: str, count: int) -> list[tuple[str, str]]:
    """``count`` pairs of key and label: the same word or two, spelled as keys and labels are."""
    pairs: dict[str, str] = {}
    while len(pairs) < count:
        name = words_of(rng, lang, 1, 2) if lang == "zh" or rng.random() < 0.9 else scrap(rng, "en")
        label = name
        if lang == "en" and rng.random() < 0.8:
            name = name.lower().replace(" ", "_")
            label = rng.choice([label.capitalize(), label.title(), label.lower(), label.upper()])
        pairs.setdefault(name, label)
    return list(pairs.items())


def whole(rng: Random, lang: str) -> Example:
    """The document is the value."""
    text = rng.choice([" ", ", ", "; "]).join(scrap(rng, lang) for _ in range(rng.randint(1, 5)))
    return Example(STRING, text, text, "whole", lang)


def lines(rng: Random, lang: str) -> Example:
    """Every line is a string of the list."""
    entries = [scrap(rng, lang) for _ in range(rng.randint(1, 8))]
    mark = rng.choice(["", "", "- ", "* ", "· "])
    text = "\n".join(mark + entry for entry in entries)
    return Example({"items": STRING, "type": "array"}, text, entries, "lines", lang)


def look_up(rng: Random, lang: str) -> Example:
    """Labelled values, some of them asked for, in any order."""
    pairs = names(rng, lang, rng.randint(2, 10))
    data = [datum(rng, lang) for _ in pairs]
    text = tables.labelled(rng, lang, [(label, d[2]) for (_, label), d in zip(pairs, data, strict=True)])
    asked = rng.sample(range(len(pairs)), rng.randint(1, min(6, len(pairs))))
    if rng.random() < 0.5:
        asked.sort()
    schema = object_schema({pairs[i][0]: data[i][0] for i in asked})
    return Example(schema, "\n".join(text), {pairs[i][0]: data[i][1] for i in asked}, "look up", lang)


def make_recall(rng: Random) -> Example:
    """Short names and values, all of them asked for in another order: as many look-ups to a row as go in."""
    lang = rng.choice(["en", "zh"])
    pairs = [(key, label) for key, label in names(rng, lang, rng.randint(3, 12)) if len(key) < 24]
    entries = {key: (label, scrap(rng, lang)[:12].strip() or "-") for key, label in pairs}
    text = tables.labelled(rng, lang, list(entries.values()))
    asked = rng.sample(list(entries), len(entries))
    schema: Schema = {"additionalProperties": STRING, "type": "object"}
    return Example(schema, "\n".join(text), {key: entries[key][1] for key in asked}, "recall", lang)


def rows(rng: Random, lang: str) -> Example:
    """A table; all of its columns or some, as a list of objects."""
    heads = names(rng, lang, rng.randint(2, 4))
    makers = [rng.choice([datum, text_datum]) for _ in heads]
    first = [make(rng, lang) for make in makers]
    schemas = [d[0] for d in first]
    table = [[d[1:] for d in first]]
    for _ in range(rng.randint(0, 3)):
        table.append([_like(rng, lang, schema) for schema in schemas])
    asked = sorted(rng.sample(range(len(heads)), rng.randint(1, len(heads))))
    cells = [[str(cell[1]) for cell in row] for row in table]
    numeric = [schema["type"] in ("integer", "number") for schema in schemas]
    text = "\n".join(tables.rows(rng, lang, [label for _, label in heads], cells, numeric))
    schema = {"items": object_schema({heads[i][0]: schemas[i] for i in asked}), "type": "array"}
    return Example(schema, text, [{heads[i][0]: row[i][0] for i in asked} for row in table], "rows", lang)


def _like(rng: Random, lang: str, schema: Schema) -> tuple[Any, str]:
    while True:
        other, value, text = datum(rng, lang)
        if other == schema:
            return value, text


def make_exercise(rng: Random, lang: str | None = None) -> Example:
    lang = lang or rng.choice(["en", "zh"])
    return rng.choice([whole, lines, look_up, look_up, look_up, rows])(rng, lang)

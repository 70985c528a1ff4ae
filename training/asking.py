"""What a schema asks of a document: some of its slots, under keys of one style, and the answer.

Types decide how a value is given: a date with ``format: date`` is normalised, one that is a plain string is copied.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from training.documents import Schema, Style, nullable, object_schema
from training.fields import spell
from training.slots import Member, Raw, Slot

CODES = ["EUR", "USD", "GBP", "CHF", "SEK", "JPY", "CNY", "HKD"]
INSTRUCTIONS = {
    "en": ["Extract the {}.", "Read the {} carefully.", "You process documents. The document is a {}.",
           "Fill in the fields from the {}.", "Get the key facts of this {}."],
    "zh": ["提取{}中的信息。", "请阅读{}并填写字段。", "你是文档处理助手，文档是{}。", "从{}中找出关键信息。"],
}  # fmt: skip
AS_ISO = {"en": ["YYYY-MM-DD", "ISO 8601", "as YYYY-MM-DD"], "zh": ["格式YYYY-MM-DD", "YYYY-MM-DD", "ISO格式"]}
AS_WRITTEN = {"en": ["as written", "exactly as in the document"], "zh": ["原文照抄", "按原文填写"]}


CORE = 3  # of a kind's slots, the first, which are asked for more often


@dataclass(frozen=True)
class Given:
    """A value and how the document says it; in mode "words" the text is no spelling that could be copied."""

    raw: Raw
    text: str
    mode: str


@dataclass(frozen=True)
class Question:
    """A property of the schema and its answer; ``absent`` where the document does not have it."""

    key: str
    schema: Schema
    value: Any
    absent: bool = False
    optional: bool = False


def ask(
    rng: Random,
    style: Style,
    slots: dict[str, Slot],
    given: dict[str, Given],
    rows: dict[str, list[dict[str, Given]]],
    titles: tuple[str, ...],
) -> tuple[Schema, Any, str | None]:
    """Schema, answer and instructions."""
    share = rng.choice([0.4, 0.7, 1.0])
    most = rng.choice([3, 6, 12])
    top = [slot for slot in slots.values() if "." not in slot.name]
    questions: list[Question] = []
    title = rng.choice(titles)
    if rows and rng.random() < 0.1:
        question = _rows(rng, style, slots, *rng.choice(sorted(rows.items())))
        if question:
            return question.schema, question.value, _instructions(rng, style, title, 0.3)
    while not any(not question.absent for question in questions):
        asked = [slot for i, slot in enumerate(top) if rng.random() < (max(share, 0.75) if i < CORE else share)]
        questions = _questions(rng, style, slots, given, rows, asked)
        kept = sorted(rng.sample(range(len(questions)), min(most, len(questions))))
        questions = [questions[i] for i in kept]
        share, most = min(1.0, share + 0.1), most + 1
    if rng.random() < 0.4:
        rng.shuffle(questions)
    schema, value = _object(questions)
    if rng.random() < 0.25:
        schema = {"description": title + rng.choice(["", "" if style.key_lang == "zh" else "."]), **schema}
    return schema, value, _instructions(rng, style, title, 0.1)


def _questions(
    rng: Random,
    style: Style,
    slots: dict[str, Slot],
    given: dict[str, Given],
    rows: dict[str, list[dict[str, Given]]],
    asked: list[Slot],
) -> list[Question]:
    """One question or more for each slot that is asked for, under different keys."""
    questions: dict[str, Question] = {}
    for slot in asked:
        if slot.maker == "rows":
            found = [_rows(rng, style, slots, slot.name, rows[slot.name])] if slot.name in rows else []
        elif slot.maker == "group":
            found = _group(rng, style, slots, slot.name, given)
        else:
            found = [_scalar(rng, style, slot, given.get(slot.name))]
        for question in found:
            if question:
                questions.setdefault(question.key, question)
    return list(questions.values())


def _instructions(rng: Random, style: Style, title: str, share: float) -> str | None:
    return rng.choice(INSTRUCTIONS[style.key_lang]).format(title.lower()) if rng.random() < share else None


def _object(questions: list[Question]) -> tuple[Schema, dict[str, Any]]:
    optional = frozenset(question.key for question in questions if question.optional)
    schema = object_schema({question.key: question.schema for question in questions}, optional)
    return schema, {q.key: q.value for q in questions if not (q.optional and q.absent)}


def _scalar(rng: Random, style: Style, slot: Slot, given: Given | None, prefix: str = "") -> Question | None:
    """The question for one slot, or None where the document lacks it and the schema does not ask."""
    if given is None and not (slot.optional and rng.random() < 0.45):
        return None
    name, vague = slot.key(rng, style.key_lang, style.unseen)
    if prefix and not name.startswith(prefix):
        name = prefix + ("" if style.key_lang == "zh" else " ") + name
        vague = False
    key = name if style.key_lang == "zh" else spell(name, style.key_style)
    kind = schema_of(rng, style, slot, given)
    if kind is None:
        return None
    schema, value = kind
    schema = _described(rng, style, slot, schema, vague)
    if given is not None and not (slot.optional and rng.random() < 0.5):
        return Question(key, schema, value)
    if rng.random() < 0.65:
        return Question(key, nullable(schema), value, absent=False if given else True)
    return Question(key, schema, value, absent=given is None, optional=True)


def _described(rng: Random, style: Style, slot: Slot, schema: Schema, vague: bool) -> Schema:
    """``schema`` with the slot's description where the key needs one or the document's style has them."""
    foreign = style.lang != style.key_lang
    note = schema.pop("x", None)
    if not (vague or rng.random() < max(style.described, 0.6 if foreign else 0.0)):
        return {"description": note, **schema} if note else schema
    if not slot.hints and not foreign:
        return {"description": note, **schema} if note else schema
    side = style.key_lang if rng.random() < 0.8 else style.lang
    hint = rng.choice((slot.hints_zh if side == "zh" else slot.hints) or (slot.label(rng, style.lang, style.unseen),))
    if note:
        hint += ("，" if side == "zh" else ", ") + note
    return {"description": hint, **schema}


def schema_of(rng: Random, style: Style, slot: Slot, given: Given | None) -> tuple[Schema, Any] | None:
    """A type for the slot and the value as that type; ``x`` in it is a note for the description."""
    raw, text = (given.raw, given.text) if given else (None, "")
    copied = given is None or given.mode == "text"
    if slot.maker == "date":
        return _date(rng, style, raw, text, copied)
    if slot.maker in ("money", "number", "percent", "int"):
        if copied and rng.random() < 0.13:
            note = {"x": rng.choice(AS_WRITTEN[style.key_lang])} if rng.random() < 0.3 else {}
            return {"type": "string", **note}, text if given else None
        whole = slot.maker == "int" and rng.random() < 0.95
        bound: Schema = {"minimum": 0} if rng.random() < 0.1 and (raw is None or raw >= 0) else {}
        number = int(raw) if isinstance(raw, float) and raw == int(raw) else raw
        return {"type": "integer" if whole else "number", **bound}, number
    if slot.maker == "bool":
        return {"type": "boolean"}, raw
    if slot.maker == "choice":
        return _choice(rng, style, slot, raw)
    if slot.maker == "currency":
        if given and copied and rng.random() < 0.4:
            return {"type": "string"}, text
        codes = rng.sample([code for code in CODES if code != raw], rng.randint(2, 5)) + ([raw] if raw else [])
        rng.shuffle(codes)
        return {"enum": codes, "type": "string"}, raw
    if slot.maker in ("some", "people"):
        return {"items": {"type": "string"}, "type": "array"}, raw
    schema: Schema = {"type": "string"}
    if slot.maker in ("email", "url") and rng.random() < 0.3:
        schema["format"] = "email" if slot.maker == "email" else "uri"
    return schema, text if given else None


def _date(rng: Random, style: Style, raw: date | None, text: str, copied: bool) -> tuple[Schema, Any]:
    shape = rng.random()
    if shape > 0.8 and copied:
        note = {"x": rng.choice(AS_WRITTEN[style.key_lang])} if rng.random() < 0.3 else {}
        return {"type": "string", **note}, text if raw else None
    value = raw.isoformat() if raw else None
    if shape > 0.72:
        return {"type": "string", "x": rng.choice(AS_ISO[style.key_lang])}, value
    if shape > 0.66:
        return {"pattern": r"^\d{4}-\d{2}-\d{2}$", "type": "string"}, value
    return {"format": "date", "type": "string"}, value


def _choice(rng: Random, style: Style, slot: Slot, raw: Member | None) -> tuple[Schema, Any]:
    chinese = (style.lang if rng.random() < 0.6 else style.key_lang) == "zh"
    members = list(slot.members)
    if len(members) > 3 and rng.random() < 0.3:
        members.remove(rng.choice([member for member in members if member != raw]))
    rng.shuffle(members)
    spelled = [member.chinese if chinese else member.english for member in members]
    value = None if raw is None else raw.chinese if chinese else raw.english
    return {"enum": spelled, "type": "string"}, value


def _group(
    rng: Random, style: Style, slots: dict[str, Slot], name: str, given: dict[str, Given]
) -> list[Question | None]:
    """The group's slots as one object, or each with the group's name before its own."""
    inner = [slot for slot in slots.values() if slot.name.startswith(name + ".")]
    chosen = [slot for slot in inner if rng.random() < 0.7] or inner[:1]
    title, _ = slots[name].key(rng, style.key_lang, style.unseen)
    if rng.random() < 0.4:
        return [_scalar(rng, style, slot, given.get(slot.name), title) for slot in chosen]
    found = [question for slot in chosen if (question := _scalar(rng, style, slot, given.get(slot.name)))]
    questions = list({question.key: question for question in found}.values())
    if not any(not question.absent for question in questions):
        return []
    schema, value = _object(questions)
    schema = _described(rng, style, slots[name], schema, vague=False) if slots[name].hints else schema
    return [Question(title if style.key_lang == "zh" else spell(title, style.key_style), schema, value)]


def _rows(
    rng: Random, style: Style, slots: dict[str, Slot], name: str, rows: list[dict[str, Given]]
) -> Question | None:
    """A list of objects with some of the columns that the document shows; of one column, perhaps a list of values."""
    shown = [slot for slot in slots.values() if any(slot.name in row for row in rows)]
    if not shown:
        return None
    chosen = [slot for slot in shown if rng.random() < 0.75] or shown[:1]
    if rng.random() < 0.25:
        rng.shuffle(chosen)
    properties: dict[str, Schema] = {}
    answers: dict[str, list[Any]] = {}
    optional: set[str] = set()
    for slot in chosen:
        column = _column(rng, style, slot, [row.get(slot.name) for row in rows])
        if column is None or column.key in properties:
            continue
        properties[column.key], answers[column.key] = column.schema, column.value
        optional |= {column.key} if column.optional else set()
    if not properties:
        return None
    table = [
        {key: answers[key][i] for key in properties if not (key in optional and answers[key][i] is None)}
        for i in range(len(rows))
    ]
    title, vague = slots[name].key(rng, style.key_lang, style.unseen)
    item: Schema = object_schema(properties, frozenset(optional))
    if len(properties) == 1 and not optional and rng.random() < 0.5:
        (only,) = properties
        item, values = properties[only], [row[only] for row in table]
        schema = _described(rng, style, slots[name], {"items": item, "type": "array"}, vague)
        return Question(title if style.key_lang == "zh" else spell(title, style.key_style), schema, values)
    schema = {"items": item, "type": "array"}
    if slots[name].hints:
        schema = _described(rng, style, slots[name], schema, vague)
    return Question(title if style.key_lang == "zh" else spell(title, style.key_style), schema, table)


def _column(rng: Random, style: Style, slot: Slot, cells: list[Given | None]) -> Question | None:
    """One type for all of a column's cells, the same random choices being drawn for each."""
    seed = rng.random()
    present = [cell for cell in cells if cell]
    if any(cell.mode != "text" for cell in present):
        cells = [cell and Given(cell.raw, cell.text, "words") for cell in cells]
    results = [schema_of(Random(seed), style, slot, cell) for cell in cells]
    schemas = [result[0] for result, cell in zip(results, cells, strict=True) if result and cell]
    if not schemas or any(schema.get("type") != schemas[0].get("type") for schema in schemas):
        return None
    schema = dict(schemas[0])
    if any(cell.raw < 0 for cell in present if isinstance(cell.raw, (int, float))):
        schema.pop("minimum", None)
    if "enum" in schema:
        members = {member for each in schemas for member in each["enum"]}
        schema["enum"] = Random(seed).sample(sorted(members), len(members))
    values = [result[1] if result and cell else None for result, cell in zip(results, cells, strict=True)]
    name, vague = slot.key(rng, style.key_lang, style.unseen)
    schema = _described(rng, style, slot, schema, vague)
    key = name if style.key_lang == "zh" else spell(name, style.key_style)
    lacking = any(cell is None for cell in cells)
    if not lacking and not (slot.optional and rng.random() < 0.5):
        return Question(key, schema, values)
    if rng.random() < 0.7:
        return Question(key, nullable(schema), values)
    return Question(key, schema, values, optional=True)

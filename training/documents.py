"""Synthetic documents of many kinds: each an :class:`Example` of schema, text and the value to extract.

A document is made of blocks (a form, a table, a list, a question answered yes or no, ...); each block adds lines to
the text and properties to the schema, so that schemas vary as freely as documents do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from training import tables, values, words
from training.fields import COLUMNS, HEADER, METRICS, NUMBER, STRING, Field

Schema = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """One training example; ``value`` holds its keys in the schema's order."""

    schema: Schema
    text: str
    value: Any
    kind: str
    lang: str
    instructions: str | None = None


@dataclass
class Block:
    """Part of a document: its lines, and the properties that they answer."""

    lines: list[str]
    properties: dict[str, tuple[Schema, Any]] = field(default_factory=dict)
    required: bool = True


@dataclass(frozen=True)
class Style:
    """What one document keeps constant: its language, its keys' language and spelling."""

    lang: str
    key_lang: str
    key_style: str
    described: float
    unseen: bool = False  # names that are kept for testing
    held_out: bool = False  # layouts and templates that are kept for testing

    @classmethod
    def draw(cls, rng: Random, lang: str | None = None, unseen: bool = False, held_out: bool = False) -> Style:
        lang = lang or rng.choice(["en", "zh"])
        key_lang = "zh" if rng.random() < (0.6 if lang == "zh" else 0.06) else "en"
        key_style = rng.choice(["snake"] * 5 + ["camel", "camel", "kebab", "pascal", "title", "words"])
        return cls(lang, key_lang, key_style, rng.choice([0.0, 0.3, 0.9]), unseen, held_out)


def named_schema(rng: Random, style: Style, spec: Field, label: str) -> Schema:
    """The field's schema, with enum members in the document's language and sometimes a description."""
    schema = dict(spec.schema)
    if "enum" in schema:
        members = list(schema["enum"][style.lang])
        rng.shuffle(members)
        schema["enum"] = members
    foreign = style.lang != style.key_lang  # English keys for a Chinese text need a hint more often
    if rng.random() < max(style.described, 0.7 if foreign else 0.0):
        description = label if foreign or rng.random() < 0.7 else spec.label(rng, style.lang, style.unseen)
        schema = {"description": description, **schema}
    return schema


def form(rng: Random, style: Style, specs: list[Field], taken: set[str], share: float = 0.75) -> Block:
    """Labelled values, some of them not asked for, some asked for and absent."""
    block, pairs = Block([]), []
    for spec in specs:
        key, label = (
            spec.key(rng, style.key_lang, style.key_style, style.unseen),
            spec.label(rng, style.lang, style.unseen),
        )
        if style.lang == style.key_lang and rng.random() < 0.6:
            label = key.replace("_", " ").capitalize() if style.key_style == "snake" or style.lang == "zh" else label
        value, text = spec.make(rng, style.lang)
        if style.lang == "zh" and rng.random() < 0.5:
            text += spec.unit_zh
        if key in taken or rng.random() > share:
            pairs.append((label, text))
            continue
        taken.add(key)
        schema = named_schema(rng, style, spec, label)
        if rng.random() < 0.15:
            schema = nullable(schema)
            if rng.random() < 0.6:
                value, text = (
                    None,
                    rng.choice(["-", "n/a", "none", ""] if style.lang == "en" else ["无", "-", "暂无", ""]),
                )
        if text:
            pairs.append((label, text))
        block.properties[key] = (schema, value)
    block.lines = tables.labelled(rng, style.lang, pairs, style.held_out)
    return block


def nullable(schema: Schema) -> Schema:
    """``schema`` or null, as Pydantic writes it: the description stays outside."""
    rest = {key: value for key, value in schema.items() if key != "description"}
    outer = {"description": schema["description"]} if "description" in schema else {}
    return {"anyOf": [rest, {"type": "null"}], **outer}


def table(rng: Random, style: Style, taken: set[str], max_rows: int = 6) -> Block:
    """A table; the schema asks for a list of rows, with all or some of the columns."""
    columns = rng.sample(COLUMNS, rng.randint(2, 5))
    specs = [
        (spec, spec.key(rng, style.key_lang, style.key_style, style.unseen), spec.label(rng, style.lang, style.unseen))
        for spec in columns
    ]
    schemas: dict[str, Schema] = {}
    asked: list[int] = []
    dash = rng.randrange(len(columns)) if rng.random() < 0.2 else -1
    for i, (spec, key, label) in enumerate(specs):
        if key not in schemas and (rng.random() < 0.8 or not asked):
            schemas[key] = named_schema(rng, style, spec, label)
            schemas[key] = nullable(schemas[key]) if i == dash else schemas[key]
            asked.append(i)
    cells, rows = [], []
    for _ in range(rng.randint(1, max_rows)):
        row, texts = {}, []
        for i, (spec, key, _label) in enumerate(specs):
            value, text = spec.make(rng, style.lang)
            if i == dash and rng.random() < 0.4:
                value, text = None, "-"
            texts.append(text)
            if i in asked:
                row[key] = value
        cells.append(texts)
        rows.append({key: row[key] for key in schemas})
    order = list(schemas)
    if rng.random() < 0.3:
        rng.shuffle(order)
    rows = [{key: row[key] for key in order} for row in rows]
    numeric = [spec.schema["type"] in ("integer", "number") for spec in columns]
    lines = tables.rows(rng, style.lang, [label for _, _, label in specs], cells, numeric, style.held_out)
    name = rng.choice(
        ["明细", "项目", "清单", "商品", "记录"]
        if style.key_lang == "zh"
        else ["lines", "items", "rows", "entries", "positions"]
    )
    item = object_schema({key: schemas[key] for key in order})
    return Block(lines, {} if name in taken else {name: ({"items": item, "type": "array"}, rows)})


def strings(rng: Random, style: Style, taken: set[str]) -> Block:
    """A line that lists words: labels, skills, topics."""
    key_en, labels = rng.choice(
        [("labels", "标签"), ("skills", "技能"), ("tags", "标签"), ("topics", "主题"), ("tools", "工具")]
    )
    chinese = style.lang == "zh"
    pool = words.SKILLS + (words.SKILLS_ZH + words.TAGS_ZH if chinese else words.TAGS)
    chosen = rng.sample(pool, rng.randint(1, 5))
    if rng.random() < 0.3:
        chosen[0] = values.characters(rng, 2, 4) if chinese else values.pseudo_word(rng, False)
    mark = rng.choice(["、", "，", "; "] if chinese else [", ", "; ", " / "])
    line = (labels + "：" if chinese else key_en.capitalize() + ": ") + mark.join(chosen)
    key = labels if style.key_lang == "zh" else key_en
    schema: Schema = {"items": STRING, "type": "array"}
    if chinese and style.key_lang == "en":
        schema = {"description": labels, **schema}
    return Block([line], {} if key in taken else {key: (schema, chosen)})


def question(rng: Random, style: Style, taken: set[str]) -> Block:
    """A yes or no."""
    english, chinese = rng.choice(
        [("paid", "已付款"), ("notify", "通知"), ("urgent", "加急"), ("insured", "保险"), ("signed", "已签字")]
    )
    value = rng.random() < 0.5
    if style.lang == "zh":
        line = f"{chinese}：{'是' if value else '否'}"
    else:
        line = rng.choice(
            [
                f"{english.capitalize()}: {'yes' if value else 'no'}",
                f"{'Yes' if value else 'No'}, {'' if value else 'not '}{english}.",
            ]
        )
    key = chinese if style.key_lang == "zh" else english
    schema: Schema = {"type": "boolean"}
    if style.lang != style.key_lang:
        schema = {"description": chinese, **schema}
    return Block([line], {} if key in taken else {key: (schema, value)})


def nested(rng: Random, style: Style, taken: set[str]) -> Block:
    """A form of its own whose values stand in an object of their own."""
    english, chinese = rng.choice(
        [("requester", "申请人"), ("seller", "卖方"), ("contact", "联系人"), ("delivery", "配送"), ("customer", "客户")]
    )
    inner = form(rng, style, rng.sample(HEADER, rng.randint(2, 3)), set(), share=0.95)
    heading = chinese if style.lang == "zh" else english.capitalize()
    key = chinese if style.key_lang == "zh" else english
    if not inner.properties or key in taken:
        return Block([heading, *inner.lines])
    schema = object_schema({name: s for name, (s, _) in inner.properties.items()})
    value = {name: v for name, (_, v) in inner.properties.items()}
    return Block([heading, *inner.lines], {key: (schema, value)})


def figures(rng: Random, style: Style, taken: set[str]) -> Block:
    """Metrics by period, of which the schema asks for one period's."""
    year = rng.randint(2012, 2026)
    shape = rng.randrange(3)
    quarter = rng.randint(2, 4)
    periods = [
        [str(year), str(year - 1)],
        [f"Q{quarter} {year}", f"Q{quarter - 1} {year}"],
        [f"{year}H2", f"{year}H1", f"{year - 1}H2"],
    ][shape]
    if style.lang == "zh":
        periods = [[f"{year}年", f"{year - 1}年"], [f"{year}年三季度", f"{year}年二季度"], [str(year), str(year - 1)]][
            shape
        ]
    newest_first = rng.random() < 0.7
    shown = periods if newest_first else periods[::-1]
    block, cells = Block([]), []
    used: set[str] = set()
    for english, chinese in rng.sample(METRICS, rng.randint(3, 6)):
        spec = Field(tuple(english.split("|")), tuple(chinese.split("|")), values.amount(2000, 1), NUMBER)
        key, label = (
            spec.key(rng, style.key_lang, style.key_style, style.unseen),
            spec.label(rng, style.lang, style.unseen),
        )
        numbers = {period: spec.make(rng, style.lang) for period in shown}
        if rng.random() < 0.1:
            numbers = {period: (-value, "-" + text) for period, (value, text) in numbers.items()}
        cells.append([label, *(numbers[period][1] for period in shown)])
        if key not in taken | used and rng.random() < 0.75:
            block.properties[key] = (named_schema(rng, style, spec, label), numbers[periods[0]][0])
        used.add(key)
    if rng.random() < 0.7:
        key = "报告期" if style.key_lang == "zh" else "period"
        hint = rng.choice(
            ["The latest period reported", "Latest period"] if style.lang == "en" else ["最新报告期", "最近一期"]
        )
        block.properties = {key: ({"description": hint, **STRING}, periods[0]), **block.properties}
    block.lines = tables.rows(
        rng,
        style.lang,
        [rng.choice(["", "Item"] if style.lang == "en" else ["项目", "指标"]), *shown],
        cells,
        [False] + [True] * len(shown),
        style.held_out,
    )
    return block


def object_schema(properties: dict[str, Schema], optional: frozenset[str] = frozenset()) -> Schema:
    """An object's schema as Pydantic emits it."""
    return {
        "properties": properties,
        "required": [key for key in properties if key not in optional],
        "type": "object",
    }


def compose(rng: Random, kind: str, style: Style, blocks: list[Block]) -> Example:
    """One document of ``blocks``, with a heading and irrelevant sentences; the schema's order is mostly the text's."""
    properties: dict[str, tuple[Schema, Any]] = {}
    for block in blocks:
        properties.update({key: pair for key, pair in block.properties.items() if key not in properties})
    if not properties:
        return compose(rng, kind, style, [form(rng, style, [HEADER[0]], set(), share=1.0)])
    order = list(properties)
    if rng.random() < 0.4:
        rng.shuffle(order)
    schema = object_schema({key: properties[key][0] for key in order})
    if rng.random() < 0.3:
        schema = {"description": _heading(rng, kind, style.lang) + rng.choice([".", ""]), **schema}
    value = {key: properties[key][1] for key in order}
    return Example(schema, _text(rng, kind, style, blocks), value, kind, style.lang)


HEADINGS = {
    "form": ("Form|Details|Registration", "登记表|信息表|基本信息"),
    "invoice": ("Invoice|Tax invoice|Bill", "发票|账单|销售清单"),
    "report": ("Report|Results|Key figures", "业绩报告|主要财务数据|报告"),
    "list": ("List|Overview", "清单|一览表|明细"),
    "mail": ("Message|Notice", "邮件|通知"),
    "record": ("Record|Profile", "档案|简介"),
    "letter": ("Letter|For your attention", "函|告知书"),
    "chat": ("Chat|Conversation", "聊天记录|对话"),
    "notice": ("Ticket|Notice|Note", "工单|通知|说明"),
}


def _heading(rng: Random, kind: str, lang: str) -> str:
    english, chinese = HEADINGS[kind]
    return rng.choice((chinese if lang == "zh" else english).split("|"))


def _text(rng: Random, kind: str, style: Style, blocks: list[Block]) -> str:
    noise = words.NOISE_ZH if style.lang == "zh" else words.NOISE
    parts = ["\n".join(block.lines) for block in blocks if block.lines]
    if rng.random() < 0.6:
        company = values.company(rng, style.lang)[0]
        parts.insert(
            0,
            rng.choice(
                [_heading(rng, kind, style.lang), company, _heading(rng, kind, style.lang).upper() + "\n" + company]
            ),
        )
    for _ in range(rng.choice([0, 0, 1, 2])):
        parts.insert(rng.randint(0, len(parts)), rng.choice(noise))
    return rng.choice(["\n\n", "\n\n", "\n"]).join(parts) + rng.choice(["\n", ""])

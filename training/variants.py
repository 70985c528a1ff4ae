"""The shipped samples and documents like them: the same schemas and kinds of text, with other values.

Every function below returns a text and its value for one file of schemas/; ``original`` gives the shipped pair.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from qwen_struct.schema.inputs import load_schema
from training import tables, values, words
from training.documents import Example, nullable, object_schema

FOLDER = Path(__file__).parent.parent / "schemas"
CLASSES = {
    "invoice": "Invoice",
    "table": "Table",
    "report": "Indicators",
    "api_payload": "CreateTicket",
    "fapiao": "Fapiao",
    "contract": "Contract",
    "resume": "Resume",
}
CHINESE = {"fapiao", "contract", "resume"}
Pair = tuple[str, Any]


@cache
def schema_of(name: str) -> dict[str, Any]:
    schema = load_schema(f"{FOLDER / name}.py:{CLASSES[name]}").json_schema
    assert isinstance(schema, dict)
    return schema


def original(name: str) -> Example:
    """The sample as it is shipped."""
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    value = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Example(schema_of(name), text, value, name, "zh" if name in CHINESE else "en")


def asked_otherwise() -> list[Example]:
    """Shipped documents as README and examples/ ask for them: other schemas, or instructions."""
    invoice, contract, report, table = (original(name) for name in ("invoice", "contract", "report", "table"))
    text: dict[str, Any]
    text, integer, number = {"type": "string"}, {"type": "integer"}, {"type": "number"}
    keys = {"number": text, "date": {"format": "date", "type": "string"}, "total": number}
    terms: dict[str, dict[str, Any]] = {
        "合同编号": {"type": "string", "pattern": "^HT-[0-9]{4}-[0-9]{4}$"},
        "甲方": text,
        "乙方": text,
        "签订日期": {"type": "string", "format": "date"},
        "合同金额": {"type": "number", "exclusiveMinimum": 0},
        "付款方式": {"enum": ["一次性付款", "分期付款", "货到付款"]},
    }
    row = {"sku": text, "name": text, "stock": integer, "price": number, "supplier": nullable(text)}
    instructions = "You are a financial analyst. Give the key indicators of the latest period."
    return [
        Example(object_schema(keys), invoice.text, {key: invoice.value[key] for key in keys}, "invoice", "en"),
        Example(object_schema(terms), contract.text, {key: contract.value[key] for key in terms}, "contract", "zh"),
        replace(report, instructions=instructions),
        replace(table, schema={"items": object_schema(row), "type": "array"}),
    ]


def sample(rng: Random) -> Example:
    """A shipped sample, now and then asked otherwise."""
    return rng.choice([original(name) for name in sorted(MAKERS)] * 2 + asked_otherwise())


def make_variant(rng: Random, name: str | None = None) -> Example:
    """A document like a shipped one; the schema is the shipped one or asks for some of its properties."""
    name = name or rng.choice(sorted(MAKERS))
    text, value = MAKERS[name](rng)
    example = Example(schema_of(name), text, value, name, "zh" if name in CHINESE else "en")
    return narrowed(rng, example) if rng.random() < 0.3 and isinstance(value, dict) else example


def narrowed(rng: Random, example: Example) -> Example:
    """The same document with fewer properties asked for, in another order."""
    names = list(example.schema["properties"])
    kept = rng.sample(names, rng.randint(2, len(names)))
    schema = {**example.schema, "properties": {k: example.schema["properties"][k] for k in kept}, "required": kept}
    return Example(schema, example.text, {k: example.value[k] for k in kept}, example.kind, example.lang)


def en(rng: Random, maker: values.Maker) -> Any:
    return maker(rng, "en")[0]


def zh(rng: Random, maker: values.Maker) -> Any:
    return maker(rng, "zh")[0]


def iso(rng: Random) -> str:
    return f"{rng.randint(2018, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


def aligned(rows: list[list[str]], right: set[int], gap: int = 3) -> list[str]:
    """Rows as columns of text, numbers to the right."""
    widths = [max(tables.width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        (" " * gap)
        .join(tables.pad(c, w, i in right) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        .rstrip()
        for row in rows
    ]


def invoice(rng: Random) -> Pair:
    number, date, currency = en(rng, values.code), iso(rng), rng.choice(["EUR", "USD", "CNY"])
    lines, cells, subtotal = [], [["Description", "Qty", "Unit price", "Amount"]], 0.0
    for _ in range(rng.randint(1, 4)):
        name, quantity, price = (
            en(rng, values.item),
            rng.choice([rng.randint(1, 9), rng.randint(1, 120)]),
            en(rng, values.amount(300)),
        )
        lines.append({"description": name, "quantity": quantity, "unit_price": price})
        cells.append([name, str(quantity), str(price), f"{quantity * price:.2f}"])
        subtotal += quantity * price
    rate = rng.choice([7, 19, 20, 21])
    total = round(subtotal * (1 + rate / 100), 2)
    total = int(total) if total == int(total) else total
    shown = rng.choice([f"{currency} {total}", f"{total} {currency}"])
    width = rng.randint(36, 50)
    foot = [
        ("Subtotal", f"{subtotal:.2f}"),
        (f"VAT {rate} %", f"{subtotal * rate / 100:.2f}"),
        (rng.choice(["Total due", "Total", "Amount due"]), shown),
    ]
    head = [
        f"{rng.choice(['Invoice number', 'Invoice no.', 'Number'])}: {number}",
        f"{rng.choice(['Date', 'Invoice date', 'Date of issue'])}: {date}",
    ]
    if rng.random() < 0.8:
        head.insert(rng.randint(0, 2), f"Bill to: {en(rng, values.company)}, {en(rng, values.city)}")
    parts = [
        [en(rng, values.company), en(rng, values.address)],
        ["INVOICE", *head] if rng.random() < 0.7 else head,
        aligned(cells, {1, 2, 3}, rng.randint(2, 4)),
        [tables.pad(label, width - len(text)) + text for label, text in foot[rng.choice([0, 0, 2]) :]],
        [rng.choice(words.NOISE)],
    ]
    value = {"number": number, "date": date, "currency": currency, "lines": lines, "total": total}
    return "\n\n".join("\n".join(part) for part in parts) + "\n", value


def table(rng: Random) -> Pair:
    rows, cells = [], [["SKU", "Name", "Stock", "Price", "Supplier"]]
    for _ in range(rng.randint(2, 6)):
        supplier = (
            None
            if rng.random() < 0.25
            else values.pseudo_word(rng)
            if rng.random() < 0.5
            else rng.choice(words.COMPANY_WORDS)
        )
        row = {
            "sku": en(rng, values.code),
            "name": en(rng, values.item),
            "stock": en(rng, values.integer(0, 9000)),
            "price": en(rng, values.amount(200)),
            "supplier": supplier,
        }
        rows.append(row)
        cells.append([str(cell) if cell is not None else "-" for cell in row.values()])
    widths = [max(len(row[i]) for row in cells) for i in range(5)]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in cells]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    title = f"{rng.choice(['Stock list', 'Price list', 'Inventory'])}, warehouse {en(rng, values.city)}, {iso(rng)}"
    return f"{title}\n\n" + "\n".join(lines) + f"\n\n{rng.choice(words.NOISE)} {rng.choice(words.NOISE)}\n", rows


def report(rng: Random) -> Pair:
    company, currency, year = en(rng, values.company), rng.choice(["EUR", "USD", "GBP", "CNY"]), rng.randint(2010, 2026)
    keys = ["revenue", "gross_profit", "operating_profit", "net_profit", "net_margin"]
    labels = ["Revenue", "Gross profit", "Operating profit", "Net profit", "Net margin, %"]
    now = {key: en(rng, values.amount(2000 if key != "net_margin" else 40, 1)) for key in keys}
    if rng.random() < 0.15:
        now["net_profit"], now["net_margin"] = -now["net_profit"], -now["net_margin"]
    cells = [["", str(year), str(year - 1)]]
    for key, label in zip(keys, labels, strict=True):
        cells.append([label, str(now[key]), str(en(rng, values.amount(2000, 1)))])
    employees = en(rng, values.integer(20, 9000)) if rng.random() < 0.85 else None
    outlook = rng.choice(["raised", "maintained", "lowered", None])
    sentences = [rng.choice(words.NOISE), rng.choice(words.NOISE)]
    if employees is not None:
        sentences.append(
            rng.choice(
                [
                    f"At the end of the year the group\nhad {employees} employees.",
                    f"The company has {employees} employees.",
                ]
            )
        )
    if outlook:
        sentences.append(rng.choice([f"The outlook for the coming year was {outlook}.", f"The outlook was {outlook}."]))
    title = rng.choice(
        [f"Results for the year {year}, in {currency} million", f"Annual results {year}, {currency} million"]
    )
    text = (
        f"{company}\n{title}\n\n"
        + "\n".join(aligned(cells, {1, 2}, rng.randint(3, 6)))
        + "\n\n"
        + " ".join(sentences)
        + "\n"
    )
    now.pop("gross_profit")
    return text, {
        "company": company,
        "period": str(year),
        "currency": currency,
        **now,
        "employees": employees,
        "outlook": outlook,
    }


def api_payload(rng: Random) -> Pair:
    name, mail = en(rng, values.person), en(rng, values.email)
    title = en(rng, values.from_list(words.ISSUES, []))
    priority, labels, notify = (
        rng.choice(["low", "normal", "high"]),
        rng.sample(words.TAGS, rng.randint(1, 4)),
        rng.random() < 0.5,
    )
    due = iso(rng) if rng.random() < 0.75 else None
    assignee = en(rng, values.person) if rng.random() < 0.5 else None
    body = [
        rng.choice(
            [
                'please open a ticket with the title "{}".',
                'open a new ticket "{}", please.',
                'could you open a ticket called "{}"?',
            ]
        ).format(title),
        rng.choice(
            [
                f"The priority is {priority}, I cannot work from home like this.",
                f"Priority: {priority}.",
                f"The priority is {priority}.",
            ]
        ),
    ]
    if due:
        body.append(
            rng.choice([f"It should be solved by {due}.", f"Please solve it by {due}.", f"It is due on {due}."])
        )
    if assignee:
        body.append(rng.choice([f"Assign it to {assignee}.", f"{assignee} should look after it."]))
    elif rng.random() < 0.7:
        body.append(
            rng.choice(
                ["I do not know who looks after\nit, so leave it unassigned for now.", "Leave it unassigned for now."]
            )
        )
    body.append(f"Labels: {', '.join(labels)}")
    yes = ["Yes, send me updates by e-mail.", "Please keep me posted by e-mail.", "I would like e-mail updates."]
    body.append(
        rng.choice(
            yes
            if notify
            else ["No updates by e-mail, please.", "No need to send me updates.", "I do not want e-mail updates."]
        )
    )
    text = f"From: {name} <{mail}>\nTo: {rng.choice(['IT service desk', 'Support', 'Help desk'])}\n\nHello,\n\n"
    text += "\n".join(body) + f"\n\nThanks\n{name.split()[0]}\n"
    requester = {"name": name, "email": mail}
    return text, {
        "title": title,
        "priority": priority,
        "requester": requester,
        "due_date": due,
        "assignee": assignee,
        "labels": labels,
        "notify": notify,
    }


def fapiao(rng: Random) -> Pair:
    number, date, buyer, seller = (
        zh(rng, values.digits(8, 20)),
        iso(rng),
        zh(rng, values.company),
        zh(rng, values.company),
    )
    items, cells, total = [], [["项目名称", "数量", "单价", "金额"]], 0.0
    for _ in range(rng.randint(1, 4)):
        name, quantity, price = (
            zh(rng, values.item),
            rng.choice([rng.randint(1, 9), rng.randint(1, 90)]),
            zh(rng, values.amount(900)),
        )
        items.append({"项目名称": name, "数量": quantity, "单价": price})
        cells.append([name, str(quantity), str(price), f"{round(quantity * price, 2)}"])
        total += quantity * price
    rate = rng.choice([6, 9, 13])
    tax, due = round(total * rate / 100, 2), round(total * (1 + rate / 100), 2)
    head = [f"发票号码：{number}", f"开票日期：{date}"]
    parties = [f"购买方名称：{buyer}", f"销售方名称：{seller}"]
    foot = [f"合计金额：{round(total, 2)}", f"税率：{rate}%", f"税额：{tax}", f"价税合计（小写）：{due}"]
    people = f"收款人：{zh(rng, values.person)}    开票人：{zh(rng, values.person)}"
    parts = [
        [rng.choice(["电子发票（普通发票）", "增值税普通发票", "电子发票"])],
        head,
        parties[:: rng.choice([1, -1])],
        aligned(cells, set(), rng.randint(4, 8)),
        foot,
        [people],
    ]
    text = "\n\n".join("\n".join(part) for part in parts) + "\n"
    return text, {
        "发票号码": number,
        "开票日期": date,
        "购买方": buyer,
        "销售方": seller,
        "明细": items,
        "税额": tax,
        "价税合计": due,
    }


def contract(rng: Random) -> Pair:
    number, one, two, date = zh(rng, values.code), zh(rng, values.company), zh(rng, values.company), iso(rng)
    value, months = zh(rng, values.integer(1000, 900000)), rng.randint(1, 60)
    payment = rng.choice(["一次性付款", "分期付款", "货到付款"])
    guarantor = zh(rng, rng.choice([values.person, values.company])) if rng.random() < 0.5 else None
    clauses = [
        rng.choice(
            [
                f"甲方将{zh(rng, values.item)}出租给乙方使用，租期{months}个月。",
                f"合同期限为{months}个月。",
                f"甲方向乙方提供服务，期限{months}个月。",
            ]
        ),
        f"合同金额为人民币{value}元{rng.choice(['，含税', ''])}。",
        f"付款方式：{payment}{rng.choice(['，每季度支付一次', ''])}。",
        rng.choice(["乙方负责设备的日常保养，甲方负责年度检修。", rng.choice(words.NOISE_ZH)]),
        rng.choice([f"本合同由{guarantor}担保。", f"担保人：{guarantor}。"]) if guarantor else "本合同无担保人。",
        f"争议由{zh(rng, values.city)}市人民法院管辖。",
    ]
    if rng.random() < 0.3:
        rng.shuffle(clauses)
    sides = rng.choice([("（出租方）", "（承租方）"), ("（卖方）", "（买方）"), ("", "")])
    kind = rng.choice(["设备租赁合同", "采购合同", "服务合同", "买卖合同"])
    head = f"合同编号：{number}\n甲方{sides[0]}：{one}\n乙方{sides[1]}：{two}\n签订日期：{date}"
    body = "\n".join(f"第{'一二三四五六'[i]}条 {clause}" for i, clause in enumerate(clauses))
    record = {
        "合同编号": number,
        "甲方": one,
        "乙方": two,
        "签订日期": date,
        "合同金额": value,
        "付款方式": payment,
        "期限月数": months,
    }
    return f"{kind}\n\n{head}\n\n{body}\n", {**record, "担保人": guarantor}


def resume(rng: Random) -> Pair:
    name, phone, position, years = (
        zh(rng, values.person),
        zh(rng, values.phone),
        zh(rng, values.from_list([], words.JOBS_ZH)),
        rng.randint(1, 30),
    )
    mail = en(rng, values.email) if rng.random() < 0.75 else None
    education, lines = [], []
    for _ in range(rng.randint(1, 3)):
        school = rng.choice(words.SCHOOLS_ZH) if rng.random() < 0.6 else values.characters(rng, 2, 3) + "大学"
        major = zh(rng, values.from_list([], words.MAJORS_ZH))
        degree, year = rng.choice(["大专", "本科", "硕士", "博士"]), rng.randint(1990, 2025)
        education.append({"school": school, "degree": degree, "major": major, "graduated": year})
        lines.append(f"{year}年毕业 {school} {major} {degree}")
    skills = rng.sample(words.SKILLS + words.SKILLS_ZH, rng.randint(2, 5))
    facts = (
        [f"姓名：{name}", f"电话：{phone}"]
        + ([f"邮箱：{mail}"] if mail else [])
        + [f"求职意向：{position}", f"工作年限：{years}年"]
    )
    duty = zh(rng, values.from_list([], words.SKILLS_ZH))
    work = f"工作经历\n在{zh(rng, values.company)}负责{duty}，\n{rng.choice(words.NOISE_ZH)}"
    parts = ["个人简历", "\n".join(facts), "教育经历\n" + "\n".join(lines), work, "技能：" + "、".join(skills)]
    record = {"name": name, "phone": phone, "email": mail, "position": position, "years": years}
    return "\n\n".join(parts) + "\n", {**record, "education": education, "skills": skills}


MAKERS: dict[str, Callable[[Random], Pair]] = {
    "invoice": invoice,
    "table": table,
    "report": report,
    "api_payload": api_payload,
    "fapiao": fapiao,
    "contract": contract,
    "resume": resume,
}

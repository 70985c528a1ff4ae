"""Values of one document that depend on each other: sums, balances, ends after beginnings.

Each function settles the values of one kind before they are spelled; of a choice it gives the member's English name.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from random import Random

from training import values
from training.phrases import LISTS
from training.slots import Raw
from training.spelling import Spelling

Rows = dict[str, list[dict[str, Raw]]]


def add_up(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """A receipt's sums: amounts of lines, subtotal, tax, total, what was given and what came back."""
    subtotal = 0.0
    for row in rows["items"]:
        row["items.quantity"] = rng.choice([1, 1, 1, 2, 3, rng.randint(2, 12)])
        row["items.amount"] = round(row["items.quantity"] * row["items.price"], 2)
        subtotal += row["items.amount"]
    discount = raw["discount"] = None if raw["discount"] is None else round(subtotal * rng.choice([0.05, 0.1, 0.2]), 2)
    raw["subtotal"] = round(subtotal, 2)
    raw["tax"] = round(subtotal * raw["rate"] / 100, 2)
    raw["total"] = round(subtotal - (discount or 0) + raw["tax"], 2)
    raw["given"] = float(-(-raw["total"] // 10) * 10)
    raw["change"] = round(raw["given"] - raw["total"], 2)


def book(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """A statement's balances follow from its entries, which are in order of their days."""
    raw["start"] = spelling.today - timedelta(days=rng.choice([27, 29, 30, 30, 89]))
    raw["end"] = spelling.today
    days = sorted(rng.sample(range(1, 27), len(rows["entries"])))
    balance, income, spent = raw["opening"], 0.0, 0.0
    for row, day in zip(rows["entries"], days, strict=True):
        row["entries.date"] = raw["start"] + timedelta(days=day)
        amount = row["entries.amount"] if rng.random() < 0.35 else -row["entries.amount"]
        row["entries.amount"] = amount
        balance = row["entries.balance"] = round(balance + amount, 2)
        income, spent = round(income + max(0, amount), 2), round(spent + max(0, -amount), 2)
    raw["closing"], raw["income"], raw["spent"] = balance, income, spent
    for name in ("income", "spent"):
        raw[name] = raw[name] or None


def earlier(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """Figures of the year before are near those of the year; the periods say which is which."""
    year = spelling.today.year
    shape = rng.randrange(4)
    chinese = spelling.lang == "zh"
    pairs = [
        (f"{year}年" if chinese else str(year), f"{year - 1}年" if chinese else str(year - 1)),
        (f"{year}年上半年" if chinese else f"H1 {year}", f"{year - 1}年上半年" if chinese else f"H1 {year - 1}"),
        (f"{year}年第三季度" if chinese else f"Q3 {year}", f"{year - 1}年第三季度" if chinese else f"Q3 {year - 1}"),
        (f"{year}财年" if chinese else f"FY{year}", f"{year - 1}财年" if chinese else f"FY{year - 1}"),
    ]
    raw["period"], raw["before"] = pairs[shape]
    for name in ("revenue", "profit"):
        if raw[name] is not None:
            raw[name + "_before"] = round(raw[name] * rng.uniform(0.7, 1.3), 1)
    if rng.random() < 0.15 and raw["profit"]:
        raw["profit"] = -raw["profit"]


def pay_range(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """The most that is paid is more than the least; without the one there is no other."""
    if raw["least"] is None:
        raw["most"] = None
        return
    raw["least"] = float(rng.randint(4, 30) * 500 if spelling.lang == "zh" else rng.randint(24, 90) * 1000)
    raw["most"] = raw["least"] + float(rng.randint(1, 8) * (500 if spelling.lang == "zh" else 1000))


def career(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """The current employer heads the list of jobs, schools have names as schools do."""
    for row in rows["schools"]:
        city = values.city(rng, spelling.lang)[0]
        row["schools.school"] = (
            city + "大学" if spelling.lang == "zh" else rng.choice([f"University of {city}", f"{city} College"])
        )
    raw["employer"], raw["title"] = rows["jobs"][0]["jobs.company"], rows["jobs"][0]["jobs.title"]
    rows["jobs"][0]["jobs.end"] = None


def invite(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """The chair is among those present; tasks are given to them and due after the meeting."""
    present = raw["present"]
    raw["chair"] = present[0]
    for row in rows["actions"]:
        row["actions.owner"] = rng.choice(present)
        if row["actions.due"] is not None:
            row["actions.due"] = raw["date"] + timedelta(days=rng.randint(2, 40))


def stay(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """The guest leaves as many nights later as are booked; the price is for all of them."""
    raw["departure"] = raw["arrival"] + timedelta(days=raw["nights"])
    raw["total"] = round(raw["rate"] * raw["nights"], 2)


ANALYTES = [  # English and Chinese name, unit, lowest and highest normal value
    ("Glucose", "葡萄糖", "mmol/L", 3.9, 6.1),
    ("Haemoglobin", "血红蛋白", "g/L", 120.0, 160.0),
    ("Potassium", "钾", "mmol/L", 3.5, 5.1),
    ("Sodium", "钠", "mmol/L", 136.0, 145.0),
    ("Creatinine", "肌酐", "umol/L", 45.0, 104.0),
    ("ALT", "谷丙转氨酶", "U/L", 7.0, 40.0),
    ("LDL cholesterol", "低密度脂蛋白", "mmol/L", 1.5, 3.4),
    ("Leukocytes", "白细胞", "10^9/L", 4.0, 10.0),
    ("Platelets", "血小板", "10^9/L", 150.0, 400.0),
    ("CRP", "C反应蛋白", "mg/L", 0.0, 5.0),
    ("TSH", "促甲状腺激素", "mIU/L", 0.4, 4.2),
    ("Ferritin", "铁蛋白", "ng/mL", 15.0, 150.0),
    ("Uric acid", "尿酸", "umol/L", 150.0, 420.0),
    ("Vitamin D", "维生素D", "ng/mL", 30.0, 100.0),
    ("HbA1c", "糖化血红蛋白", "%", 4.0, 6.0),
    ("Calcium", "钙", "mmol/L", 2.2, 2.6),
]
SUBJECTS = [
    ("Mathematics", "数学"),
    ("English", "英语"),
    ("Physics", "物理"),
    ("History", "历史"),
    ("Music", "音乐"),
    ("Biology", "生物"),
    ("Geography", "地理"),
    ("Chemistry", "化学"),
    ("Sports", "体育"),
    ("Art", "美术"),
]
PROBLEMS = {
    "billing": "problems_billing",
    "technical": "problems_technical",
    "delivery": "problems_delivery",
    "account": "problems_account",
    "damage": "problems_damage",
}


def measure(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """Values are near their normal range, and the flag says on which side of it."""
    dash = rng.choice(["-", " - ", "–", "~"])
    chosen = rng.sample(ANALYTES, len(rows["results"]))
    for row, (english, chinese, unit, low, high) in zip(rows["results"], chosen, strict=True):
        value = round(rng.uniform(low * 0.7, high * 1.3) + 0.1, 1)
        row["results.name"] = chinese if spelling.lang == "zh" else english
        row["results.value"], row["results.unit"] = value, unit
        row["results.flag"] = "high" if value > high else "low" if value < low else "normal"
        if row["results.range"] is not None:
            row["results.range"] = f"{spelling.number(low, 1)}{dash}{spelling.number(high, 1)}"


def charge(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """An invoice's sums."""
    subtotal = 0.0
    for row in rows["items"]:
        row["items.amount"] = round(row["items.quantity"] * row["items.price"], 2)
        subtotal += row["items.amount"]
    raw["subtotal"] = round(subtotal, 2)
    raw["tax"] = round(subtotal * raw["rate"] / 100, 2)
    raw["total"] = round(raw["subtotal"] + raw["tax"], 2)


def order_total(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """An order's sums; the recipient is often the customer."""
    subtotal = sum(row["items.quantity"] * row["items.price"] for row in rows["items"])
    raw["subtotal"] = round(subtotal, 2)
    raw["total"] = round(subtotal + (raw["freight"] or 0.0), 2)
    if rng.random() < 0.5:
        raw["shipping.name"] = raw["customer"]


def complain(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """The problem is of the ticket's category, in words that do not say the category."""
    english, chinese = LISTS[PROBLEMS[raw["category"].english]]
    raw["problem"] = rng.choice(chinese if spelling.lang == "zh" else english)


def read_meter(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """What was used lies between the readings, and is paid for."""
    raw["new"] = raw["old"] + raw["used"]
    raw["total"] = round(raw["used"] * raw["unit"] + (raw["base"] or 0.0), 2)


def judge(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """Few stars go with a bad review."""
    raw["sentiment"] = rng.choice(["positive", "negative", "neutral"])
    low, high = {"positive": (4, 5), "negative": (1, 2), "neutral": (3, 3)}[raw["sentiment"]]
    raw["stars"] = rng.randint(low, high)
    raw["again"] = raw["stars"] > 3 or raw["stars"] == 3 and rng.random() < 0.5
    if raw["sentiment"] == "negative":
        raw["pros"] = None
    if raw["stars"] == 5:
        raw["cons"] = None


def total_hours(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """Days in order, and the hours of all of them."""
    days = sorted(rng.sample(range(7), len(rows["entries"])))
    for row, day in zip(rows["entries"], days, strict=True):
        row["entries.date"] = spelling.today - timedelta(days=7 - day)
    raw["total"] = round(sum(row["entries.hours"] for row in rows["entries"]), 1)
    if raw["overtime"] is not None:
        raw["overtime"] = min(raw["overtime"], raw["total"])
    raw["start"], raw["end"] = spelling.today - timedelta(days=7), spelling.today - timedelta(days=1)


def count_stock(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """How many articles there are, and how many are below the least that should be there."""
    for row in rows["articles"]:
        row["articles.least"] = rng.choice([5, 10, 20, 50])
    raw["articles_count"] = len(rows["articles"])
    raw["pieces"] = sum(row["articles.stock"] for row in rows["articles"])


def grade(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """Each subject once, with the average of the points."""
    for row, (english, chinese) in zip(rows["subjects"], rng.sample(SUBJECTS, len(rows["subjects"])), strict=True):
        row["subjects.name"] = chinese if spelling.lang == "zh" else english
    raw["average"] = round(sum(row["subjects.points"] for row in rows["subjects"]) / len(rows["subjects"]), 1)


def weigh_out(rng: Random, spelling: Spelling, raw: dict[str, Raw], rows: Rows) -> None:
    """Few pieces and spoons, many grams and millilitres."""
    for row in rows["ingredients"]:
        unit = row["ingredients.unit"] = rng.choice(["g", "g", "ml", "spoon", "piece"])
        row["ingredients.amount"] = rng.randint(1, 12) if unit in ("spoon", "piece") else rng.randint(1, 40) * 25


SETTLE: dict[str, Callable[[Random, Spelling, dict[str, Raw], Rows], None]] = {
    "bank statement": book,
    "bill": charge,
    "hotel booking": stay,
    "job ad": pay_range,
    "key figures": earlier,
    "lab results": measure,
    "meeting": invite,
    "order": order_total,
    "receipt": add_up,
    "cv": career,
    "recipe": weigh_out,
    "report card": grade,
    "review": judge,
    "stock list": count_stock,
    "ticket": complain,
    "timesheet": total_hours,
    "utility bill": read_meter,
}

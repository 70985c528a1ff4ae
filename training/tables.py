"""Layouts: how a document writes labelled values and rows."""

from __future__ import annotations

import unicodedata
from random import Random


def width(text: str) -> int:
    """Columns that ``text`` takes in a terminal: East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def pad(text: str, columns: int, right: bool = False) -> str:
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def labelled(rng: Random, lang: str, pairs: list[tuple[str, str]]) -> list[str]:
    """Lines that give each label its value, in one of the layouts of forms, letters and lists."""
    if lang == "zh":
        layout = rng.choice(["colon", "colon", "colon", "ascii", "clause", "pairs", "is"])
    else:
        layout = rng.choice(
            ["colon", "colon", "colon", "aligned", "pipe", "sentence", "pairs", "bullet", "equals", "below"]
        )
    column = max((width(label) for label, _ in pairs), default=0) + rng.randint(2, 4)
    lines: list[str] = []
    for label, value in pairs:
        lines.append(
            {
                "colon": f"{label}：{value}" if lang == "zh" else f"{label}: {value}",
                "ascii": f"{label}: {value}",
                "clause": f"第{_numeral(len(lines) + 1)}条 {label}为{value}。",
                "is": f"{label}是{value}",
                "aligned": pad(label, column) + value,
                "pipe": f"{label} | {value}",
                "sentence": f"The {label.lower()} is {value}.",
                "pairs": f"{label}：{value}" if lang == "zh" else f"{label}: {value}",
                "bullet": f"- {label}: {value}",
                "equals": f"{label} = {value}",
                "below": f"{label}\n  {value}",
            }[layout]
        )
    if layout == "pairs":
        return ["    ".join(lines[i : i + 2]) for i in range(0, len(lines), 2)]
    return lines


def rows(rng: Random, lang: str, head: list[str], cells: list[list[str]], numeric: list[bool]) -> list[str]:
    """Lines of a table with a header, as aligned text, Markdown, CSV, tabs or one list entry a row."""
    layout = rng.choice(["aligned", "aligned", "aligned", "markdown", "markdown", "padded", "csv", "tabs", "entries"])
    if layout == "csv":
        mark = ";" if any("," in cell for row in [head, *cells] for cell in row) else ","
        return [mark.join(row) for row in [head, *cells]]
    if layout == "tabs":
        return ["\t".join(row) for row in [head, *cells]]
    if layout == "entries":
        colon, comma = ("：", "，") if lang == "zh" else (": ", "; ")
        return ["- " + comma.join(f"{h}{colon}{c}" for h, c in zip(head, row, strict=True)) for row in cells]
    if layout == "markdown":
        return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells]]
    columns = [max(width(row[i]) for row in [head, *cells]) for i in range(len(head))]
    right = layout == "aligned" and lang == "en" and rng.random() < 0.6
    if layout == "padded":
        lines = [
            "| " + " | ".join(pad(c, w) for c, w in zip(row, columns, strict=True)) + " |" for row in [head, *cells]
        ]
        return [lines[0], "|" + "|".join("-" * (w + 2) for w in columns) + "|", *lines[1:]]
    gap = " " * rng.randint(2, 4)
    return [
        gap.join(pad(c, w, right and n) for c, w, n in zip(row, columns, numeric, strict=True)).rstrip()
        for row in [head, *cells]
    ]


def _numeral(number: int) -> str:
    return "零一二三四五六七八九十"[number] if number <= 10 else "十" + "零一二三四五六七八九"[number - 10]

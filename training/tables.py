"""Layouts: how a document writes labelled values and rows; some are kept for testing."""

from __future__ import annotations

import json
import unicodedata
from random import Random

LABELLED = ["colon", "colon", "colon", "aligned", "pipe", "sentence", "pairs", "bullet", "equals", "below"]
LABELLED += ["bold", "tab", "dash", "shout", "quoted", "tag"] + ["composed"] * 8
LABELLED_ZH = ["colon", "colon", "colon", "ascii", "clause", "pairs", "is", "aligned", "bullet", "pipe", "below"]
LABELLED_ZH += ["bold", "quoted", "tag"] + ["composed"] * 7
ROWS = ["aligned", "aligned", "aligned", "markdown", "markdown", "padded", "csv", "tabs", "entries", "numbered", "html"]
ROWS += ["ruled", "grid", "boxes", "dashes", "assigned", "objects", "turned", "named"]
# A composed layout is one of each, the same for all of a form's lines; {} is the label, # the line's number.
BEFORE = ["", "", "", "", "- ", "* ", "• ", "· ", "> ", "#. ", "#) ", "  ", "+ ", "→ "]
AROUND = ["{}", "{}", "{}", "{}", "**{}**", "_{}_", "`{}`", "<b>{}</b>", '"{}"', "/{}/"]
BETWEEN = [": ", ": ", " : ", ":  ", " - ", " — ", " = ", "=", " -> ", " → ", ":\t", "\t", " / ", " | ", ", ", " > "]
BETWEEN_ZH = [
    "：", "：", ": ", " : ", "：  ", " - ", "——", "=", " → ", "\t", "　", " ", "／", " | ", "，", "为：", "为",
]  # fmt: skip
AFTER = ["", "", "", "", "", ";", ",", " |", "<br>", "  "]
AFTER_ZH = ["", "", "", "", "", "；", "，", "。", "<br>", " |"]
HELD_OUT = ["dots", "brackets", "numbers"]  # of labelled values
HELD_OUT_ROWS = ["bars", "stacked"]


def width(text: str) -> int:
    """Columns that ``text`` takes in a terminal: East Asian characters take two."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def pad(text: str, columns: int, right: bool = False) -> str:
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def labelled(rng: Random, lang: str, pairs: list[tuple[str, str]], held_out: bool = False) -> list[str]:
    """Lines that give each label its value, in one of the layouts of forms, letters and lists."""
    layout = rng.choice(HELD_OUT if held_out else LABELLED_ZH if lang == "zh" else LABELLED)
    column = max((width(label) for label, _ in pairs), default=0) + rng.randint(2, 4)
    if layout == "composed":
        return composed(rng, lang, pairs)
    lines: list[str] = []
    for label, value in pairs:
        tag = label.lower().replace(" ", "_")
        colon = f"{label}：{value}" if lang == "zh" else f"{label}: {value}"
        lines.append(
            {
                "colon": colon,
                "ascii": f"{label}: {value}",
                "clause": f"第{_numeral(len(lines) + 1)}条 {label}为{value}。",
                "is": f"{label}是{value}",
                "aligned": pad(label, column) + value,
                "pipe": f"{label} | {value}",
                "sentence": f"The {label.lower()} is {value}.",
                "pairs": colon,
                "bullet": f"- {colon}",
                "equals": f"{label} = {value}",
                "below": f"{label}\n  {value}",
                "bold": f"**{label}**：{value}" if lang == "zh" else f"**{label}:** {value}",
                "tab": f"{label}\t{value}",
                "quoted": f'"{label}": "{value}",',
                "tag": f"<{tag}>{value}</{tag}>",
                "dash": f"{label} – {value}",
                "shout": f"{label.upper()}: {value}",
                "dots": label + " " + "." * max(3, column + 4 - width(label)) + " " + value,
                "brackets": f"【{label}】{value}" if lang == "zh" else f"[{label}] {value}",
                "numbers": f"({len(lines) + 1}) {colon}",
            }[layout]
        )
    if layout == "pairs":
        return ["    ".join(lines[i : i + 2]) for i in range(0, len(lines), 2)]
    return lines


def composed(rng: Random, lang: str, pairs: list[tuple[str, str]]) -> list[str]:
    """Lines of a layout put together at random: what stands before, around and after a label, and at the end."""
    chinese = lang == "zh"
    before, around = rng.choice(BEFORE), rng.choice(AROUND)
    between, after = rng.choice(BETWEEN_ZH if chinese else BETWEEN), rng.choice(AFTER_ZH if chinese else AFTER)
    case = str.upper if rng.random() < 0.15 else str.lower if rng.random() < 0.15 else str
    lines = [
        before.replace("#", str(number)) + around.replace("{}", case(label)) + between + value + after
        for number, (label, value) in enumerate(pairs, 1)
    ]
    return spaced(lines) if rng.random() < 0.2 else lines


def spaced(lines: list[str]) -> list[str]:
    """``lines`` with an empty one between each two."""
    return [line for one in lines for line in (one, "")][:-1]


def rows(
    rng: Random, lang: str, head: list[str], cells: list[list[str]], numeric: list[bool], held_out: bool = False
) -> list[str]:
    """Lines of a table with a header, as aligned text, Markdown, CSV, tabs or one list entry a row."""
    layout = rng.choice(HELD_OUT_ROWS if held_out else ROWS)
    colon, comma = ("：", "，") if lang == "zh" else (": ", "; ")
    if layout == "csv":
        mark = ";" if any("," in cell for row in [head, *cells] for cell in row) else ","
        return [mark.join(row) for row in [head, *cells]]
    if layout == "tabs":
        return ["\t".join(row) for row in [head, *cells]]
    if layout == "bars":
        return [" | ".join(row) for row in [head, *cells]]
    if layout in ("entries", "numbered", "stacked"):
        entries = [[f"{h}{colon}{c}" for h, c in zip(head, row, strict=True)] for row in cells]
        if layout == "stacked":
            return [line for entry in entries for line in [*entry, ""]][:-1]
        return [("- " if layout == "entries" else f"{i}. ") + comma.join(entry) for i, entry in enumerate(entries, 1)]
    if layout == "html":
        lines = ["".join(f"<th>{cell}</th>" for cell in head)]
        lines += ["".join(f"<td>{cell}</td>" for cell in row) for row in cells]
        return ["<table>", *(f"<tr>{line}</tr>" for line in lines), "</table>"]
    if layout == "markdown":
        return ["| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *cells]]
    if layout == "dashes":
        return [" - ".join(row) for row in [head, *cells]]
    if layout == "assigned":
        return ["; ".join(f"{name}={cell}" for name, cell in zip(head, row, strict=True)) for row in cells]
    if layout == "objects":
        return [json.dumps(dict(zip(head, row, strict=True)), ensure_ascii=False) for row in cells]
    if layout == "turned":
        return ["\t".join([name, *(row[i] for row in cells)]) for i, name in enumerate(head)]
    if layout == "named":
        pairs = [[f"{name} {cell}" for name, cell in zip(head[1:], row[1:], strict=True)] for row in cells]
        return [row[0] + colon + comma.join(pair) for row, pair in zip(cells, pairs, strict=True)]
    columns = [max(width(row[i]) for row in [head, *cells]) for i in range(len(head))]
    if layout in ("grid", "boxes"):
        bar, cross, dash = ("|", "+", "-") if layout == "grid" else ("│", "┼", "─")
        rule = cross + cross.join(dash * (w + 2) for w in columns) + cross
        lines = [
            bar + bar.join(f" {pad(c, w)} " for c, w in zip(row, columns, strict=True)) + bar for row in [head, *cells]
        ]
        return [rule, lines[0], rule, *lines[1:], rule]
    right = layout == "aligned" and lang == "en" and rng.random() < 0.6
    if layout == "padded":
        lines = [
            "| " + " | ".join(pad(c, w) for c, w in zip(row, columns, strict=True)) + " |" for row in [head, *cells]
        ]
        return [lines[0], "|" + "|".join("-" * (w + 2) for w in columns) + "|", *lines[1:]]
    gap = " " * rng.randint(2, 4)
    lines = [
        gap.join(pad(c, w, right and n) for c, w, n in zip(row, columns, numeric, strict=True)).rstrip()
        for row in [head, *cells]
    ]
    if layout == "ruled":
        lines.insert(1, rng.choice("-=_") * max(width(line) for line in lines))
    return lines


def _numeral(number: int) -> str:
    return "零一二三四五六七八九十"[number] if number <= 10 else "十" + "零一二三四五六七八九"[number - 10]

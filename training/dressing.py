"""How a document arrives: quoted, indented, spaced out, as paragraphs of HTML, with marks of a scanner or a mailbox.

Only training documents are dressed so; those that measure are not.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from training import values
from training.documents import Example
from training.tables import spaced

DRESSED_SHARE = 0.25
ABOVE = [
    "CONFIDENTIAL", "Page 1 of 2", "--- scanned document ---", "[external sender]", "COPY", "Begin forwarded message:",
    "Printed by {}", "Forwarded by {}", "*** please do not reply ***", "Attachment: {}.pdf", "File {}", "# Document",
]  # fmt: skip
ABOVE_ZH = [
    "【机密】", "第1页 共2页", "——扫描件——", "[外部邮件]", "副本", "转发：", "打印人 {}", "扫描人 {}", "※请勿直接回复※",
    "附件：{}.pdf", "文件 {}", "# 文档",
]  # fmt: skip
BELOW = ["Page 1 of 1", "-- ", "End of document", "Sent from my phone", "- 1 -", "[1/2]", "*****", "Scanned by {}"]
BELOW_ZH = ["第1页", "-- ", "（完）", "发自我的手机", "- 1 -", "[1/2]", "*****", "打印人 {}"]
WAYS = ["quoted", "indented", "spaced", "paragraphs", "breaks", "narrow", "fence", "marks", "marks", "marks"]


def dress(rng: Random, example: Example) -> Example:
    """``example`` with its text dressed, one time in four; what a line says stays as it is."""
    if rng.random() > DRESSED_SHARE:
        return example
    chinese = example.lang == "zh"
    lines = example.text.split("\n")
    way = rng.choice(WAYS)
    if way == "quoted":
        mark = rng.choice(["> ", "> ", ">", "| ", ">> "])
        lines = [mark + line for line in lines]
    elif way == "indented":
        space = rng.choice(["  ", "    ", "\t", "　　" if chinese else "      "])
        lines = [space + line if line else line for line in lines]
    elif way == "spaced":
        lines = spaced([line for line in lines if line])
    elif way == "paragraphs":
        lines = [f"<p>{line}</p>" for line in lines if line]
    elif way == "breaks":
        lines = [line + rng.choice(["<br>", "<br>", "<br/>"]) for line in lines if line]
    elif way == "narrow":
        lines = [line for line in lines if line]
    elif way == "fence":
        lines = ["```", *lines, "```"]
    if way == "marks" or rng.random() < 0.2:
        if rng.random() < 0.7:
            lines = [_mark(rng, example.lang, ABOVE_ZH if chinese else ABOVE), *[""] * rng.randint(0, 1), *lines]
        if rng.random() < 0.7:
            lines += [*[""] * rng.randint(0, 1), _mark(rng, example.lang, BELOW_ZH if chinese else BELOW)]
    return replace(example, text="\n".join(lines))


def _mark(rng: Random, lang: str, marks: list[str]) -> str:
    name = rng.choice([values.code(rng, lang)[0], values.person(rng, lang)[0]])
    return rng.choice(marks).replace("{}", name)

"""The kinds of documents: those made of blocks or sentences, and those from templates."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from training.catalogue import TEMPLATED, UNSEEN_KINDS
from training.documents import (
    Example,
    Style,
    compose,
    figures,
    form,
    nested,
    question,
    strings,
    table,
)
from training.fields import HEADER
from training.prose import make_chat, make_letter, make_mixed
from training.templates import fill


def make_form(rng: Random, style: Style) -> Example:
    return compose(rng, "form", style, [form(rng, style, rng.sample(HEADER, rng.randint(2, 8)), set())])


def make_invoice(rng: Random, style: Style) -> Example:
    taken: set[str] = set()
    head = form(rng, style, rng.sample(HEADER[:17], rng.randint(2, 5)), taken)
    foot = form(rng, style, rng.sample(HEADER[24:31] + HEADER[38:41], rng.randint(1, 3)), taken)
    return compose(rng, "invoice", style, [head, table(rng, style, taken), foot])


def make_report(rng: Random, style: Style) -> Example:
    taken: set[str] = set()
    extra = form(rng, style, rng.sample(HEADER, rng.randint(1, 3)), taken)
    blocks = [figures(rng, style, taken), extra]
    return compose(rng, "report", style, blocks if rng.random() < 0.5 else blocks[::-1])


def make_list(rng: Random, style: Style) -> Example:
    """A table alone; half of the time the schema is the bare list."""
    block = table(rng, style, set(), max_rows=8)
    example = compose(rng, "list", style, [block])
    (name,) = block.properties
    if rng.random() < 0.5:
        return Example(block.properties[name][0], example.text, block.properties[name][1], "list", style.lang)
    return example


def make_mail(rng: Random, style: Style) -> Example:
    taken: set[str] = set()
    blocks = [form(rng, style, rng.sample(HEADER, rng.randint(2, 4)), taken)]
    for make in rng.sample([strings, question, nested], rng.randint(1, 3)):
        blocks.append(make(rng, style, taken | {key for block in blocks for key in block.properties}))
    rng.shuffle(blocks)
    return compose(rng, "mail", style, blocks)


def make_record(rng: Random, style: Style) -> Example:
    taken: set[str] = set()
    blocks = [form(rng, style, rng.sample(HEADER[12:24] + HEADER[34:], rng.randint(2, 5)), taken)]
    blocks.append(table(rng, style, taken, max_rows=3))
    blocks.append(strings(rng, style, taken))
    return compose(rng, "record", style, blocks)


KINDS: dict[str, Callable[[Random, Style], Example]] = {
    "letter": make_letter,
    "chat": make_chat,
    "notice": make_mixed,
    "form": make_form,
    "invoice": make_invoice,
    "report": make_report,
    "list": make_list,
    "mail": make_mail,
    "record": make_record,
}


BLOCKS_SHARE = 0.35  # of documents, those made of blocks and sentences; the others are from templates


def make_example(
    rng: Random, kind: str | None = None, lang: str | None = None, unseen: bool = False, held_out: bool = False
) -> Example:
    """A random document of a random kind and language.

    ``unseen`` names its fields and ``held_out`` lays it out as no training document does.
    """
    if kind is None:
        kind = rng.choice(sorted(KINDS) if rng.random() < BLOCKS_SHARE else sorted(TEMPLATED))
    style = Style.draw(rng, lang, unseen, held_out)
    return KINDS[kind](rng, style) if kind in KINDS else fill(rng, (TEMPLATED | UNSEEN_KINDS)[kind], style)


def make_unseen_kind(rng: Random) -> Example:
    """A document of a kind that no training document is of."""
    return make_example(rng, rng.choice(sorted(UNSEEN_KINDS)))


# By what is new in them; each is measured apart.
GROUPS: dict[str, Callable[[Random], Example]] = {
    "documents": make_example,
    "unseen names": lambda rng: make_example(rng, unseen=True),
    "unseen layouts": lambda rng: make_example(rng, held_out=True),
    "unseen kinds": make_unseen_kind,
}

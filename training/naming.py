"""Exercises in names: forms all of whose entries are asked for under other names, as many to a row as go in.

That "seller" is what a document calls its vendor, or 销售方, a model must learn by heart, and documents say it a few
times in some hundred tokens.
"""

from __future__ import annotations

from random import Random

from training import tables
from training.catalogue import TEMPLATED
from training.documents import Example, Style
from training.fields import HEADER, spell
from training.slots import Slot
from training.spelling import Spelling
from training.templates import Filling

COPIED = frozenset(  # makers of what a form has as it is asked for
    "date money number percent int pick time month code url person company city address email phone item digits".split()
)
MOST = 10
ALIKE = 0.25  # how often a key and a label that turn out the same stay so


def make_naming(rng: Random) -> Example:
    style = Style.draw(rng)
    entries = _of_kind(rng, style) if rng.random() < 0.75 else _of_header(rng, style)
    text = tables.labelled(rng, style.lang, [(label, said) for label, said in entries.values()])
    asked = rng.sample(list(entries), len(entries))
    schema = {"additionalProperties": {"type": "string"}, "type": "object"}
    return Example(schema, "\n".join(text), {key: entries[key][1] for key in asked}, "naming", style.lang)


def _of_kind(rng: Random, style: Style) -> dict[str, tuple[str, str]]:
    """Label and text by key, of the slots of one kind of document."""
    filling = Filling(rng, TEMPLATED[rng.choice(sorted(TEMPLATED))], style, Spelling.draw(rng, style.lang))
    filling.make()
    slots = [slot for name, slot in filling.kind.slots.items() if filling.raw.get(name) and slot.maker in COPIED]
    entries: dict[str, tuple[str, str]] = {}
    for slot in rng.sample(slots, min(MOST, len(slots))):
        key, label = _names(rng, style, slot)
        if key:
            entries.setdefault(key, (label, filling.spell(slot, filling.raw[slot.name])))
    return entries if len(entries) > 1 else _of_header(rng, style)


def _names(rng: Random, style: Style, slot: Slot) -> tuple[str, str]:
    """A key, empty where it says too little by itself, and a label."""
    for _ in range(2):
        key, vague = slot.key(rng, style.key_lang, style.unseen)
        label = slot.label(rng, style.lang, style.unseen)
        if key != label or rng.random() < ALIKE:
            break
    key = key if style.key_lang == "zh" else spell(key, style.key_style)
    return "" if vague else key, label[0].upper() + label[1:]


def _of_header(rng: Random, style: Style) -> dict[str, tuple[str, str]]:
    """The same for fields of any document."""
    fields = rng.sample([one for one in HEADER if "enum" not in one.schema], rng.randint(2, MOST))
    return {
        one.key(rng, style.key_lang, style.key_style): (one.label(rng, style.lang), one.make(rng, style.lang)[1])
        for one in fields
    }

"""Short exercises in copying and looking up, which a small model must learn before documents teach it anything."""

from __future__ import annotations

import json
import string
from random import Random

from training import values

Exercise = tuple[str, str]  # (text to read, text to answer)


def scrap(rng: Random) -> str:
    """A short string of no meaning: letters, digits, made-up words, Chinese characters, a real-looking value."""
    shape = rng.randrange(7)
    if shape == 0:
        return "".join(rng.choice(string.digits) for _ in range(rng.randint(1, 8)))
    if shape == 1:
        return "".join(rng.choice(string.ascii_letters) for _ in range(rng.randint(1, 6)))
    if shape == 2:
        return values.characters(rng, 1, 6)
    if shape == 3:
        return " ".join(values.pseudo_word(rng, rng.random() < 0.5) for _ in range(rng.randint(1, 3)))
    maker = rng.choice(
        [values.person, values.company, values.item, values.code, values.email, values.phone, values.address]
    )
    return maker(rng, rng.choice(["en", "zh"]))[1]


def repeat(rng: Random) -> Exercise:
    """Say it again."""
    text = rng.choice([" ", ", ", "\n", " | "]).join(scrap(rng) for _ in range(rng.randint(2, 8)))
    return text, text


def look_up(rng: Random) -> Exercise:
    """``key: value`` lines in; the values of some keys, in another order, out."""
    keys = {values.pseudo_word(rng, False) if rng.random() < 0.5 else scrap(rng) for _ in range(rng.randint(2, 8))}
    pairs = {key: scrap(rng) for key in sorted(keys)}
    lines = list(pairs)
    rng.shuffle(lines)
    colon = rng.choice([": ", "：", " = ", " | ", "  "])
    asked = rng.sample(lines, rng.randint(1, len(lines)))
    answer = json.dumps({key: pairs[key] for key in asked}, ensure_ascii=False)
    order = json.dumps(asked, ensure_ascii=False, separators=(",", ":"))
    return order + "\n" + "\n".join(key + colon + pairs[key] for key in lines), answer


def rows(rng: Random) -> Exercise:
    """Rows of cells in; the rows as JSON out, all columns or one."""
    num_columns = rng.randint(2, 4)
    heads = [values.pseudo_word(rng, False) for _ in range(num_columns)]
    table = [[scrap(rng) for _ in heads] for _ in range(rng.randint(1, 4))]
    mark = rng.choice([" | ", "  ", "\t", ";"])
    asked = sorted(rng.sample(range(num_columns), rng.randint(1, num_columns)))
    answer = json.dumps([{heads[i]: row[i] for i in asked} for row in table], ensure_ascii=False)
    order = json.dumps([heads[i] for i in asked], ensure_ascii=False, separators=(",", ":"))
    return order + "\n" + "\n".join(mark.join(row) for row in [heads, *table]), answer


def make_exercise(rng: Random) -> Exercise:
    return rng.choice([repeat, look_up, look_up, rows])(rng)

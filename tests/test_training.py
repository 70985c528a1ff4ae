"""The generator of training data: what it asks for can be answered from what it shows."""

from __future__ import annotations

import json
from random import Random

import jsonschema
import pytest

from training.batches import batches
from training.copying import make_exercise
from training.documents import KINDS, Example, make_example
from training.variants import MAKERS, make_variant, original

SEEDS = range(40)


def strings_of(value):
    """Every string and number in a JSON value."""
    if isinstance(value, dict):
        return [scalar for child in value.values() for scalar in strings_of(child)]
    if isinstance(value, list):
        return [scalar for child in value for scalar in strings_of(child)]
    return [] if value is None or isinstance(value, bool) else [value]


def is_shown(value, text: str) -> bool:
    """Whether ``text`` holds the value as it is, or, for a date, number or enum member, as people spell it."""
    if isinstance(value, str) and (value in text or text.count(value[:4]) > 0 and value[4:5] == "-"):
        return True
    if isinstance(value, str):
        return False
    decimals = [f"{value:,.1f}", f"{value:,.2f}"]
    return any(spelled in text for spelled in [str(value), *decimals])


def check(example: Example) -> None:
    jsonschema.validate(example.value, example.schema)
    for value in strings_of(example.value):
        assert is_shown(value, example.text), (value, example.text)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_documents_show_every_value(kind):
    for seed in SEEDS:
        check(make_example(Random(seed), kind))


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_variants_show_every_value(name):
    for seed in SEEDS:
        check(make_variant(Random(seed), name))
    check(original(name))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_same_seed_makes_the_same_document(lang):
    assert make_example(Random(7), lang=lang) == make_example(Random(7), lang=lang)
    assert make_example(Random(7), lang=lang) != make_example(Random(8), lang=lang)


def test_keys_stand_in_the_order_of_the_schema():
    for seed in SEEDS:
        example = make_variant(Random(seed), "invoice")
        assert list(example.value) == list(example.schema["properties"])


def test_exercises_are_answered_from_what_is_read():
    for seed in SEEDS:
        read, answer = make_exercise(Random(seed))
        if answer[0] in "{[" and read != answer:
            assert all(value in read for value in strings_of(json.loads(answer)))


def test_batches_are_the_same_after_a_resume():
    tokenizers = pytest.importorskip("tokenizers")
    from qwen_struct import prompt

    path = prompt.__file__.replace("prompt.py", "mini/tokenizer.json")
    tokenizer = tokenizers.Tokenizer.from_file(path)
    whole, resumed = batches(tokenizer, 1, 0, 512, 900), batches(tokenizer, 1, 3, 512, 900)
    for _ in range(3):
        next(whole)
    for _ in range(6):
        (ids, weights), (ids_again, weights_again) = next(whole), next(resumed)
        assert ids.equal(ids_again) and weights.equal(weights_again)

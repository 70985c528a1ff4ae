"""The generator of training data: what it asks for can be answered from what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import jsonschema
import pytest

from qwen_struct.decode.chat import encode_chat
from qwen_struct.prompt import build_messages
from qwen_struct.schema.inputs import load_schema
from training.batches import batches, example_row
from training.copying import make_exercise
from training.documents import KINDS, Example, make_example
from training.variants import CLASSES, FOLDER, MAKERS, make_variant, original

MINI = Path(__file__).resolve().parent.parent / "qwen_struct" / "mini"
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


@pytest.fixture(scope="module")
def tokenizer():
    return pytest.importorskip("transformers").AutoTokenizer.from_pretrained(MINI)


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_training_reads_the_prompt_that_the_extractor_sends(tokenizer, name):
    asked = load_schema(f"{FOLDER}/{name}.py:{CLASSES[name]}")
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    sent = encode_chat(tokenizer, build_messages(asked.json_schema, text, None))
    row = example_row(tokenizer.backend_tokenizer, original(name))
    assert row.ids[: len(sent)] == sent
    assert min(row.weights[len(sent) :]) == 1.0 and 1.0 not in row.weights[: len(sent)]


def test_the_tokenizer_is_lossless_on_any_text(tokenizer):
    rng = Random(3)
    for _ in range(300):
        points = [rng.choice([rng.randrange(0x80), rng.randrange(0x110000)]) for _ in range(rng.randint(1, 30))]
        text = "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text

"""The evaluation documents: every answer fits its schema, can be decoded, and stands in its text.

They were written by hand, one at a time; nothing is trained or tuned on them. A file lists under ``derived`` the JSON
Pointers of answers that a reader has to work out: numbers in words, other units, clock times in another notation.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from qwen_struct.constraint import Vocabulary, compile_schema

DATA = Path(__file__).parent / "data" / "documents"
DOCUMENTS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DATA.glob("*.json"))}
NUMBER = re.compile(r"\d+(?:[.,]\d+| \d{3})*")


@pytest.fixture(scope="module")
def octets() -> Vocabulary:
    return Vocabulary([bytes([byte]) for byte in range(256)])


def subschema(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follows a reference within the file, and takes the arm of a union that is not null."""
    if "$ref" in schema:
        return subschema(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "anyOf" in schema:
        return subschema(next(arm for arm in schema["anyOf"] if arm != {"type": "null"}), root)
    return schema


def leaves(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> Iterator[tuple[str, Any, dict]]:
    """JSON Pointer, value and subschema of all that is neither an object nor an array."""
    schema = subschema(schema, root)
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, schema["properties"][key], root, f"{at}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, schema["items"], root, f"{at}/{index}")
    else:
        yield at, value, schema


def keys(schema: dict[str, Any], root: dict[str, Any]) -> Iterator[str]:
    schema = subschema(schema, root)
    for key, item in schema.get("properties", {}).items():
        yield key
        yield from keys(item, root)
    if "items" in schema:
        yield from keys(schema["items"], root)


def numbers(text: str) -> Iterator[Decimal]:
    """All that the digits in ``text`` may mean: 1,204.16 and 1.204,16, 1 204 and 26,4, and the cells of a CSV line."""
    for run in NUMBER.findall(unicodedata.normalize("NFKC", text)):
        for part in {run, *run.split(" "), *run.split(",")}:
            for spelled in (part, part.translate(str.maketrans(".,", ",."))):
                if spelled.count(".") <= 1:
                    yield Decimal(spelled.replace(",", "").replace(" ", ""))


def test_there_are_enough_of_many_kinds() -> None:
    languages = Counter(document["language"] for document in DOCUMENTS.values())
    kinds = Counter(document["kind"] for document in DOCUMENTS.values())
    assert languages.keys() == {"en", "zh"}
    assert min(languages.values()) >= 30
    assert len(kinds) >= 15 and min(kinds.values()) >= 2


def test_no_two_are_alike() -> None:
    assert len({document["text"] for document in DOCUMENTS.values()}) == len(DOCUMENTS)
    schemas = {tuple(keys(document["schema"], document["schema"])) for document in DOCUMENTS.values()}
    assert len(schemas) == len(DOCUMENTS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_file_is_in_order(name: str) -> None:
    document = DOCUMENTS[name]
    assert document.keys() - {"derived"} == {"kind", "language", "text", "schema", "value"}
    assert re.fullmatch(rf"{document['kind']}-{document['language']}-\d", name)
    assert 60 <= len(document["text"]) <= 1500
    written = (DATA / f"{name}.json").read_text(encoding="utf-8")
    assert written == json.dumps(document, ensure_ascii=False, indent=2) + "\n"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_answer_fits_the_schema(name: str, octets: Vocabulary) -> None:
    document = DOCUMENTS[name]
    Draft202012Validator.check_schema(document["schema"])
    checker = Draft202012Validator.FORMAT_CHECKER
    jsonschema.validate(document["value"], document["schema"], Draft202012Validator, format_checker=checker)
    text = json.dumps(document["value"], ensure_ascii=False)
    for key_order in ("any", "schema"):
        assert compile_schema(document["schema"], octets, key_order=key_order).accepts(text)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_text_holds_the_answer(name: str) -> None:
    document = DOCUMENTS[name]
    found = list(leaves(document["value"], document["schema"], document["schema"]))
    numbers_in_text = set(numbers(document["text"]))
    derived = set(document.get("derived", ()))
    assert derived <= {at for at, _, _ in found}
    for at, value, schema in found:
        if at in derived or value is None or isinstance(value, bool) or "enum" in schema or "format" in schema:
            continue
        if isinstance(value, str):
            assert value in document["text"], at
            assert value == value.strip(), at
        else:
            assert abs(Decimal(repr(value))) in numbers_in_text, at

"""How well mini extracts, greedily and under the constraint: ``python -m training.evaluate [--count N]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from random import Random
from typing import Any

from qwen_struct import Extractor
from qwen_struct.errors import QwenStructError
from training.documents import KINDS, Example, make_example
from training.variants import MAKERS, make_variant, original


def fields(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every scalar of a JSON value with its place."""
    if isinstance(value, dict):
        for key, child in value.items():
            yield from fields(child, f"{path}/{key}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from fields(child, f"{path}/{index}")
    else:
        yield path, value


def field_matches(wanted: Any, given: Any) -> tuple[int, int]:
    """How many of the wanted fields were given exactly, and how many are wanted."""
    found, pairs = dict(fields(given)), list(fields(wanted))
    return sum(path in found and found[path] == value for path, value in pairs), len(pairs)


def score(extractor: Extractor, examples: list[Example]) -> dict[str, float | int]:
    """Exact match of fields and of whole documents, and how many answers were finished, hence valid, JSON."""
    right = wanted = whole = finished = 0
    for example in examples:
        given: Any = None
        try:
            given = json.loads(extractor.run(example.text, example.schema, max_tokens=600).text)
            finished += 1
        except QwenStructError:
            pass  # the answer did not end within its tokens; every field counts as wrong
        matches, count = field_matches(example.value, given)
        right, wanted, whole = right + matches, wanted + count, whole + (given == example.value)
    num = len(examples)
    return {"documents": num, "fields": right / wanted, "whole": whole / num, "finished": finished / num}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=4, help="documents of each kind")
    options = parser.parse_args()
    extractor = Extractor("mini")
    groups = {"samples": [original(name) for name in sorted(MAKERS)]}
    for name in sorted(MAKERS):
        groups[f"variants of {name}"] = [make_variant(Random(f"test-{i}"), name) for i in range(options.count)]
    for kind in sorted(KINDS):
        groups[f"documents: {kind}"] = [make_example(Random(f"test-{i}"), kind) for i in range(options.count)]
    for title, examples in groups.items():
        print(json.dumps({"group": title, **score(extractor, examples)}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

"""How well a model extracts, greedily and under the constraint: ``python -m training.evaluate [--model FOLDER]``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from transformers import AutoTokenizer, Qwen2ForCausalLM

from qwen_struct import Extractor
from qwen_struct.errors import QwenStructError
from training.catalogue import TEMPLATED, UNSEEN_KINDS
from training.copying import make_exercise
from training.documents import Example
from training.kinds import GROUPS, KINDS, make_example
from training.variants import MAKERS, make_variant, original


@dataclass
class Score:
    """Counts of scalars at their places, and of answers."""

    right: int = 0
    wanted: int = 0
    given: int = 0
    documents: int = 0
    whole: int = 0
    finished: int = 0

    def add(self, wanted: Any, given: Any, finished: bool) -> None:
        asked, answered = dict(fields(wanted)), dict(fields(given)) if finished else {}
        self.right += sum(path in answered and same(answered[path], value) for path, value in asked.items())
        self.wanted, self.given = self.wanted + len(asked), self.given + len(answered)
        self.documents, self.finished = self.documents + 1, self.finished + finished
        self.whole += finished and given == wanted

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, self.wanted + self.given)

    def summary(self) -> dict[str, float | int]:
        return {
            "documents": self.documents,
            "field_f1": round(self.f1, 4),
            "whole": round(self.whole / max(1, self.documents), 4),
            "finished": round(self.finished / max(1, self.documents), 4),
        }


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


def same(given: Any, wanted: Any) -> bool:
    """Equal, true not being 1."""
    return bool(given == wanted) and isinstance(given, bool) == isinstance(wanted, bool)


def score(extractor: Extractor, examples: list[Example], max_tokens: int = 600) -> Score:
    """An answer that does not end within its tokens counts as no field given."""
    counts = Score()
    for example in examples:
        given, finished = None, False
        try:
            result = extractor.run(
                example.text, example.schema, max_tokens=max_tokens, instructions=example.instructions
            )
            given, finished = json.loads(result.text), True
        except QwenStructError:
            pass
        counts.add(example.value, given, finished)
    return counts


def quick_score(model: Qwen2ForCausalLM, tokenizer: Path, count: int = 8) -> dict[str, float]:
    """Field F1 of a few held-out documents of each group; for the training's log."""
    extractor = Extractor((model.eval(), AutoTokenizer.from_pretrained(tokenizer)))
    makers: dict[str, Callable[[Random], Example]] = {
        "exercises": make_exercise,
        "variants": make_variant,
        **GROUPS,
    }
    return {
        name: round(score(extractor, [make(Random(f"held-out-{i}")) for i in range(count)], 300).f1, 3)
        for name, make in makers.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--count", type=int, default=4, help="documents of each kind")
    options = parser.parse_args()
    extractor = Extractor(options.model)
    groups = {"samples": [original(name) for name in sorted(MAKERS)]}
    seeds = [Random(f"test-{i}").random() for i in range(options.count)]
    groups["exercises"] = [make_exercise(Random(seed)) for seed in seeds]
    for name in sorted(MAKERS):
        groups[f"variants of {name}"] = [make_variant(Random(seed), name) for seed in seeds]
    for kind in sorted(KINDS | TEMPLATED):
        for lang in ("en", "zh"):
            groups[f"documents: {kind}, {lang}"] = [make_example(Random(seed), kind, lang) for seed in seeds]
    many = [Random(f"test-{i}").random() for i in range(10 * options.count)]
    for lang in ("en", "zh"):
        groups[f"unseen names, {lang}"] = [make_example(Random(seed), lang=lang, unseen=True) for seed in many]
        groups[f"unseen layouts, {lang}"] = [make_example(Random(seed), lang=lang, held_out=True) for seed in many]
        for kind in sorted(UNSEEN_KINDS):
            groups[f"unseen kind: {kind}, {lang}"] = [make_example(Random(seed), kind, lang) for seed in seeds]
    for title, examples in groups.items():
        print(json.dumps({"group": title, **score(extractor, examples).summary()}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

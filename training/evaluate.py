"""How well a model extracts, greedily and under the constraint: ``python -m training.evaluate [--model FOLDER]``."""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
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

HAND_WRITTEN = Path(__file__).parent.parent / "tests" / "data" / "documents"


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

    def merge(self, other: Score) -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, self.wanted + self.given)

    def summary(self) -> dict[str, float | int]:
        return {
            "documents": self.documents,
            "right": self.right,
            "wanted": self.wanted,
            "given": self.given,
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


def hand_written(folder: Path) -> dict[str, list[Example]]:
    """Documents that no generator made, by kind and language."""
    groups: dict[str, list[Example]] = defaultdict(list)
    for path in sorted(folder.glob("*.json")):
        kind, lang, _ = path.stem.rsplit("-", 2)
        document = json.loads(path.read_text(encoding="utf-8"))
        groups[f"hand-written: {kind}, {lang}"].append(
            Example(document["schema"], document["text"], document["value"], kind, lang)
        )
    return groups


def all_groups(count: int) -> dict[str, list[Example]]:
    """What is measured, by a title whose part before a colon or comma groups are summed up by."""
    groups = {"samples": [original(name) for name in sorted(MAKERS)], **hand_written(HAND_WRITTEN)}
    seeds = [Random(f"test-{i}").random() for i in range(count)]
    groups["exercises"] = [make_exercise(Random(seed)) for seed in seeds]
    for name in sorted(MAKERS):
        groups[f"variants of {name}"] = [make_variant(Random(seed), name) for seed in seeds]
    for kind in sorted(KINDS | TEMPLATED):
        for lang in ("en", "zh"):
            groups[f"documents: {kind}, {lang}"] = [make_example(Random(seed), kind, lang) for seed in seeds]
    many = [Random(f"test-{i}").random() for i in range(10 * count)]
    for lang in ("en", "zh"):
        groups[f"unseen names, {lang}"] = [make_example(Random(seed), lang=lang, unseen=True) for seed in many]
        groups[f"unseen layouts, {lang}"] = [make_example(Random(seed), lang=lang, held_out=True) for seed in many]
        for kind in sorted(UNSEEN_KINDS):
            groups[f"unseen kind: {kind}, {lang}"] = [make_example(Random(seed), kind, lang) for seed in seeds]
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--count", type=int, default=4, help="documents of each kind")
    parser.add_argument("--part", default="0/1", help="n/m: every m-th group from the n-th on, to share the work")
    options = parser.parse_args()
    extractor = Extractor(options.model)
    first, step = map(int, options.part.split("/"))
    sums: dict[str, Score] = defaultdict(Score)
    for title, examples in list(all_groups(options.count).items())[first::step]:
        counts = score(extractor, examples)
        print(json.dumps({"group": title, **counts.summary()}, ensure_ascii=False), flush=True)
        group = re.split("[:,]| of ", title)[0]
        sums[group].merge(counts)
        languages = {example.lang for example in examples}
        if len(languages) == 1:
            sums[f"{group}, {languages.pop()}"].merge(counts)
    for title, counts in sums.items():
        print(json.dumps({"all": title, **counts.summary()}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

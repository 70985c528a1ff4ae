"""The tables of decode.py: what was measured, by variant, and beside the floors that it is held to."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from typing import Any

from common import print_table
from decode_ways import Run

DRAFTS, KEPT, FORCED, PLAIN = "qwen_struct", "qwen_struct, prefix kept", "qwen_struct, no drafts", "qwen_struct, plain"
PROCESSOR = "qwen_struct in generate()"
SIDE_BY_SIDE = "documents/s, batch of 16 / one by one"
FLOORS = {  # name: (figure, whether a lower one is better)
    "forward passes per output token": (0.40, True),
    "time per document, ours / fastest rival's": (0.5, True),
    SIDE_BY_SIDE: (2.5, False),
    "constraint's share of decode time": (0.02, True),
    "time to first token, second / first document": (1 / 3, True),
}
Runs = dict[str, list[list[Run]]]  # by variant: for each document its rounds


def median(rounds: Sequence[Run], figure: Callable[[Run], float]) -> float:
    """Of a document's rounds without the first."""
    return statistics.median(figure(run) for run in rounds[1:] or rounds)


def summary(runs: Runs, valid_only: bool) -> dict[str, dict[str, Any]]:
    """For each variant its counts; and its figures on the documents for which it has an answer, a valid one if asked.

    A mean is over documents, of the medians of their rounds.
    """
    kept = {name: [_kept(rounds, valid_only) for rounds in found] for name, found in runs.items()}
    common = [i for i, _ in enumerate(runs[DRAFTS]) if all(kept[name][i] for name in kept)]
    return {name: _figures(name, runs, kept, common) for name in runs}


def _kept(rounds: list[Run], valid_only: bool) -> list[Run]:
    return [] if valid_only and rounds and not rounds[0].valid else rounds


def _figures(name: str, runs: Runs, kept: Runs, common: Sequence[int]) -> dict[str, Any]:
    rounds = [each for each in kept[name] if each]
    tokens = sum(each[0].num_tokens for each in rounds)
    passes = sum(each[0].num_passes for each in rounds)
    times = [median(each, lambda r: r.total) for each in rounds]
    decode = sum(median(each, lambda r: r.decode) for each in rounds)
    return {
        "ran": sum(map(bool, runs[name])),
        "valid": sum(bool(each) and each[0].valid for each in runs[name]),
        "same text": sum(bool(a) and a[0].text == b[0].text for a, b in zip(runs[name], runs[DRAFTS], strict=True)),
        "answers": len(rounds),
        "tokens": tokens,
        "passes/token": _ratio(passes, tokens),
        "tokens/s": _ratio(tokens, sum(times)),
        "ms/token": _ratio(1e3 * sum(times), tokens),
        "ms/pass": _ratio(1e3 * decode, passes - len(rounds)),
        "median ms": _ms(statistics.median, times),
        "mean ms": _ms(statistics.mean, times),
        "CPU ms": _ms(statistics.mean, [median(each, lambda r: r.cpu) for each in rounds]),
        "first time ms": _ms(statistics.mean, [each[0].total + each[0].compile for each in rounds]),
        "compile ms": _ms(statistics.mean, [each[0].compile for each in rounds]),
        "first token ms": _ms(statistics.mean, [median(each, lambda r: r.first_token) for each in rounds]),
        "constraint": _ratio(sum(median(each, lambda r: r.constraint) for each in rounds), decode),
        "ours/theirs": compared(kept, name, lambda r: r.total),
        "CPU": compared(kept, name, lambda r: r.cpu),
        "a token": compared(kept, name, lambda r: r.total / max(1, r.num_tokens)),
        "same text, time": compared(_same_text(kept), name, lambda r: r.total),
        "same text, CPU": compared(_same_text(kept), name, lambda r: r.cpu),
        "common": len(common),
        "mean ms, common": _ms(statistics.mean, [median(kept[name][i], lambda r: r.total) for i in common]),
    }


def _same_text(kept: Runs) -> Runs:
    """Without the answers that are not what qwen_struct wrote."""
    return {
        name: [a if a and b and a[0].text == b[0].text else [] for a, b in zip(found, kept[DRAFTS], strict=True)]
        for name, found in kept.items()
    }


def compared(kept: Runs, name: str, figure: Callable[[Run], float]) -> float | None:
    """Ours over ``name``'s, summed over the documents that both have answers for."""
    both = [(median(a, figure), median(b, figure)) for a, b in zip(kept[DRAFTS], kept[name], strict=True) if a and b]
    return _ratio(sum(a for a, _ in both), sum(b for _, b in both))


def _ratio(a: float, b: float) -> float | None:
    return a / b if b else None


def _ms(mean: Callable[[list[float]], float], seconds: list[float]) -> float | None:
    return 1e3 * mean(seconds) if seconds else None


def show(tables: dict[str, dict[str, Any]]) -> None:
    head = list(next(iter(tables.values())))
    fine = {"passes/token", "constraint", "ours/theirs", "CPU", "a token", "same text, time", "same text, CPU"}
    rows = [[name, *(_cell(table[key], key in fine) for key in head)] for name, table in tables.items()]
    print_table(["", *head], rows)


def _cell(value: float | int | None, fine: bool) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if fine else f"{value:,.1f}" if isinstance(value, float) else f"{value:,}"


def judge(figures: dict[str, float | None]) -> bool:
    """Prints the floors that were measured; whether all of them are met."""
    rows, good = [], True
    for name, (floor, lower) in FLOORS.items():
        figure = figures.get(name)
        if figure is None:
            continue
        met = figure <= floor if lower else figure >= floor
        good = good and met
        rows.append([name, f"{'<=' if lower else '>='} {floor:.3g}", f"{figure:.3f}", "met" if met else "MISSED"])
    print_table(["floor", "wanted", "measured", ""], rows)
    return good


def fastest_rival(tables: dict[str, dict[str, Any]], num_documents: int) -> float | None:
    """Our time over the fastest rival's for the same text, among those that write it for a quarter of the documents."""
    ratios = [
        table["same text, time"]
        for name, table in tables.items()
        if not name.startswith("qwen_struct") and 4 * table["same text"] >= num_documents
    ]
    return max((ratio for ratio in ratios if ratio is not None), default=None)

"""Draw a run's learning curve: ``python -m training.curve --run build/mini --picture qwen_struct/mini/curve.svg``."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "qwen_struct"  # the same picture each time

from matplotlib import pyplot  # noqa: E402


def read_curves(log: Path, name: str, before: float) -> dict[str, list[tuple[float, float]]]:
    """What ``log`` has under ``name`` for each group: pairs of millions of tokens and figure."""
    curves: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line in log.read_text().splitlines():
        record = json.loads(line)
        for group, figure in record.get(name, {}).items():
            curves[group].append((before + record["tokens"] / 1e6, figure))
    return curves


def draw(log: Path, picture: Path, before: float = 0.0) -> None:
    """Loss of held-out answers by group, and field F1 where it was measured, over the tokens trained on."""
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    sides = [
        ("held_out", "loss of held-out answers, nats a token"),
        ("fields", "field F1, a few documents of each group"),
    ]
    for axis, (name, title) in zip(axes, sides, strict=True):
        for group, points in read_curves(log, name, before).items():
            axis.plot(*zip(*points, strict=True), label=group, marker=".")
        axis.set(title=title, xlabel="million tokens", ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(picture, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("build/mini"))
    parser.add_argument("--picture", type=Path, default=Path("qwen_struct/mini/curve.svg"))
    parser.add_argument("--before", type=float, default=0.0, help="million tokens behind its first weights")
    options = parser.parse_args()
    draw(options.run / "log.jsonl", options.picture, options.before)


if __name__ == "__main__":
    main()

"""The repetition guard on sequences made up for it."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest

from qwen_struct.decode.loops import Loop, LoopGuard


def watch(tokens: Iterable[int], **settings: int) -> LoopGuard:
    guard = LoopGuard(**settings)
    for token in tokens:
        guard.add(token)
    return guard


@pytest.mark.parametrize("period", [1, 2, 3, 4, 5, 17, 60])
def test_a_stretch_written_again_and_again_is_a_loop(period: int) -> None:
    before, stretch = list(range(1000, 1100)), list(range(period))
    found = watch(before + 80 * stretch).loop
    assert found is not None and found.period == period and found.start == 100
    assert found.num_tokens == 80 * period and found.num_repeats == 80


def test_it_says_so_at_once_and_no_longer_after_the_end() -> None:
    guard = LoopGuard(min_repeats=3, min_tokens=9)
    said = [guard.add(token) for token in [7, 8, 9] * 5 + [1, 2, 3, 4, 5]]
    assert said == [False] * 8 + [True] * 7 + [False] * 5
    assert guard.loop == Loop(0, 3, 15)


def test_rows_that_differ_in_one_token_are_no_loop() -> None:
    rows = [token for row in range(200) for token in (1, 2, 3, 1000 + row, 4, 5, 6, 7)]
    assert watch(rows).loop is None


def test_a_few_equal_rows_are_no_loop() -> None:
    assert watch(list(range(20)) * 7).loop is None
    assert watch([5] * 60).loop is None


def test_forced_tokens_are_no_evidence() -> None:
    guard = LoopGuard()
    for _ in range(30):
        for token in range(10):
            guard.add(token, forced=token != 3)
    assert guard.loop is None
    for _ in range(40):
        for token in range(10):
            guard.add(token, forced=token != 3)
    assert guard.loop is not None


def test_a_loop_inside_of_a_loop() -> None:
    found = watch(([1] * 20 + [2]) * 30).loop
    assert found is not None and found.period == 21 and found.num_repeats >= 28


def test_text_at_random_is_no_loop() -> None:
    rng = Random(0)
    assert watch(rng.choices(range(3), k=20_000)).loop is None


def test_the_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="min_repeats"):
        LoopGuard(min_repeats=1)

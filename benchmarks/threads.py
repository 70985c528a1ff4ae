"""Do threads share a vocabulary safely, and what does a batch of 64 matchers cost on one thread and on two?

64 matchers follow documents of several schemas. First every mask is compared with that of a vocabulary used by one
thread alone. Then a step of the whole batch is timed: masks written as rows, and as numbers of rows (four bytes each).
Warm steps are Python and hold the interpreter's lock, so that two threads cannot be faster than one there; what is
timed is what sharing costs. Last, one thread steps a warm batch while another compiles schemas that are new: the
kernels that walk the vocabulary release the lock.

    python benchmarks/threads.py
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from common import finish, load_vocabulary, print_table, token_ids

from qwen_struct import Vocabulary, allocate_token_bitmask, compile_schema

BATCH, ROUNDS = 64, 9
SCHEMAS: list[tuple[Any, Any]] = [
    (
        {"type": "object", "properties": {"name": {"type": "string"}, "year": {"type": "integer"}}},
        {"name": "Ada Lovelace", "year": 1815},
    ),
    ({"type": "array", "items": {"type": "string", "maxLength": 40}}, ["one", "two and a half", "three"] * 4),
    ({"type": "string", "pattern": "^[A-Za-z ]{3,60}$"}, "the quick brown fox jumps over the lazy dog"),
    ({"type": "object", "additionalProperties": {"type": "number"}}, {"alpha": 1.5, "beta": 2, "gamma": -3.25}),
    ({"type": "array", "items": {"format": "date"}, "uniqueItems": True}, ["2026-01-31", "2024-02-29"]),
]  # fmt: skip


def documents(vocabulary: Vocabulary) -> list[tuple[Any, list[int]]]:
    pairs = [(s, token_ids(vocabulary, json.dumps(d, ensure_ascii=False).encode())) for s, d in SCHEMAS]
    return [pairs[i % len(pairs)] for i in range(BATCH)]


def follow(vocabulary: Vocabulary, batch: list[tuple[Any, list[int]]], each: Callable[..., None]) -> int:
    """Steps all of ``batch`` together; ``each(matcher, i)`` is called before every token. How many tokens."""
    matchers = [compile_schema(schema, vocabulary).matcher() for schema, _ in batch]
    num_tokens = 0
    for step in range(max(len(ids) for _, ids in batch)):
        for i, (matcher, (_, ids)) in enumerate(zip(matchers, batch, strict=True)):
            if step < len(ids):
                each(matcher, i)
                assert matcher.accept_token(ids[step])
                num_tokens += 1
    assert all(matcher.is_accepting() for matcher in matchers)
    return num_tokens


def check(vocabulary: Vocabulary, batch: list[tuple[Any, list[int]]]) -> None:
    """The same masks from two threads, on a vocabulary that knows nothing yet, as from one."""
    expected: list[list[bytes]] = [[] for _ in batch]
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)

    def note(matcher: Any, i: int) -> None:
        matcher.fill_next_token_bitmask(bitmask)
        expected[i].append(bitmask[0].tobytes())

    follow(vocabulary, batch, note)
    shared, found = load_vocabulary(), [[[] for _ in batch] for _ in range(2)]  # type: ignore[var-annotated]

    def one(number: int) -> None:
        own = allocate_token_bitmask(1, shared.n_vocab)

        def keep(matcher: Any, i: int) -> None:
            matcher.fill_next_token_bitmask(own)
            found[number][i].append(own[0].tobytes())
            assert (shared.mask_pool[matcher.mask_id()] == own[0]).all()

        follow(shared, batch, keep)

    in_threads([lambda: one(0), lambda: one(1)])
    assert found[0] == found[1] == expected


def in_threads(works: list[Callable[[], None]]) -> float:
    """Seconds until all are done."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return time.perf_counter() - start


def timed(vocabulary: Vocabulary, batch: list[tuple[Any, list[int]]], num_threads: int, rows: bool) -> float:
    """Microseconds a token, the best of some rounds."""
    bitmask = allocate_token_bitmask(BATCH, vocabulary.n_vocab)
    numbers = np.zeros(BATCH, np.int32)
    fill: Callable[[Any, int], None] = lambda matcher, i: matcher.fill_next_token_bitmask(bitmask, i)  # noqa: E731

    def number(matcher: Any, i: int) -> None:
        numbers[i] = matcher.mask_id()

    parts = [batch[n::num_threads] for n in range(num_threads)]
    num_tokens = sum(len(ids) for _, ids in batch)
    seconds = min(
        in_threads([lambda part=part: follow(vocabulary, part, fill if rows else number) for part in parts])  # type: ignore[misc]
        for _ in range(ROUNDS)
    )
    return 1e6 * seconds / num_tokens


def beside_compiling(vocabulary: Vocabulary, batch: list[tuple[Any, list[int]]]) -> dict[str, float]:
    """The longest step of a warm batch, in ms, alone and while another thread compiles and masks new schemas."""
    bitmask = allocate_token_bitmask(BATCH, vocabulary.n_vocab)
    longest: list[float] = []
    stop = threading.Event()

    def step() -> None:
        def fill(matcher: Any, i: int) -> None:
            start = time.perf_counter()
            matcher.fill_next_token_bitmask(bitmask, i)
            longest.append(time.perf_counter() - start)

        for _ in range(ROUNDS):
            follow(vocabulary, batch, fill)
        stop.set()

    def learn() -> None:
        own, number = allocate_token_bitmask(1, vocabulary.n_vocab), 0
        while not stop.is_set():
            number += 1
            schema = {"type": "string", "pattern": f"^[A-Za-z0-9_ -]{{{number},{number + 50}}}$"}
            compile_schema(schema, vocabulary).matcher().fill_next_token_bitmask(own)

    in_threads([step])
    alone = np.percentile(longest, [50, 99])
    longest.clear()
    stop.clear()
    in_threads([step, learn])
    beside = np.percentile(longest, [50, 99])
    keys = ("alone_p50_us", "alone_p99_us", "beside_p50_us", "beside_p99_us")
    return {k: round(float(v) * 1e6, 2) for k, v in zip(keys, [*alone, *beside], strict=True)}


def main() -> None:
    vocabulary = load_vocabulary()
    batch = documents(vocabulary)
    check(vocabulary, batch)
    results: dict[str, Any] = {"batch": BATCH}
    table = []
    for num_threads in (1, 2, 4):
        rows, numbers = (round(timed(vocabulary, batch, num_threads, rows), 2) for rows in (True, False))
        results[f"threads_{num_threads}"] = {"us_per_token_rows": rows, "us_per_token_numbers": numbers}
        table.append([num_threads, rows, numbers])
    print("masks are the same from one thread and from two")
    print_table(["threads", "us a token, rows", "us a token, numbers"], table)
    results["steps_beside_compiling"] = beside_compiling(vocabulary, batch)
    print(results["steps_beside_compiling"])
    finish("threads", results)


if __name__ == "__main__":
    main()

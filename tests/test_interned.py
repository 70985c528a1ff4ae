"""Tables in which equal things are one object while somebody holds it."""

from __future__ import annotations

import gc
from threading import Barrier, Thread

from qwen_struct.language import interned
from qwen_struct.language.interned import Interned


class Thing:
    def __init__(self, key: int) -> None:
        self.key = key


def test_what_is_held_is_found_and_what_is_not_is_made_anew() -> None:
    table: Interned[int, Thing] = Interned()
    first = table.enter(1, Thing(1))
    assert table.get(1) is first
    assert table.enter(1, Thing(1)) is first
    del first
    gc.collect()
    assert table.get(1) is None
    again = Thing(1)
    assert table.enter(1, again) is again
    assert table.get(1) is again


def test_what_is_gone_is_swept_out_before_the_table_has_doubled(monkeypatch) -> None:
    monkeypatch.setattr(interned, "_SWEPT_FROM", 8)
    table: Interned[int, Thing] = Interned()
    held = [table.enter(key, Thing(key)) for key in range(20)]
    for key in range(20, 2_000):
        table.enter(key, Thing(key))
        assert len(table) <= 2 * len(held) + 1
    assert [table.get(key) for key in range(20)] == held
    del held[5:]
    table.sweep()
    assert len(table) == 5


def test_threads_get_the_same_object() -> None:
    table: Interned[int, Thing] = Interned()
    barrier, found = Barrier(4), list[list[Thing]]()

    def work() -> None:
        barrier.wait()
        found.append([table.enter(key, Thing(key)) for key in range(2_000)])

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for things in zip(*found, strict=True):
        assert len(set(things)) == 1

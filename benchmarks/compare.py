"""Constraint engines side by side on MaskBench: which schemas they get right, and how long masks take.

    python benchmarks/compare.py --limit 300
    python benchmarks/compare.py --engines qwen_struct llguidance --warm
    python benchmarks/compare.py --engines qwen_struct --restore --limit 0

For each schema an engine compiles it and computes the first mask; then, for each instance, it computes a mask and
accepts the instance's next token until one is refused. An instance is accepted when all its tokens are and the
end-of-sequence token is allowed after them. Every schema runs in a worker process, which is replaced when it crashes
or takes longer than --timeout. With --warm each schema is run twice and the second run is reported. With --restore the
keywords that MaskBench hides (``_uniqueItems``, ``_format``) get their names back, and what is valid is asked again of
jsonschema-rs. An accepted invalid instance of qwen_struct ends the script with an error.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import queue
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from engines import ENGINES, EOS, Engine, installed
from record import save

SHARED = Path(__file__).resolve().parents[2] / "shared"
HIDDEN = {"_uniqueItems": "uniqueItems", "_format": "format"}
PERCENTILES = (50, 99, 99.9)


def load(path: Path, skip: int, limit: int, restore: bool) -> list[dict]:
    """The rows of a MaskBench file; of a restored one, only those with a hidden keyword."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    if restore:
        rows = [_judged(row, restored) for row in rows if (restored := _restored(row["schema"])) != row["schema"]]
    return rows[skip : skip + limit if limit else None]


def _restored(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {HIDDEN.get(key, key): _restored(value) for key, value in schema.items()}
    return [_restored(item) for item in schema] if isinstance(schema, list) else schema


def _judged(row: dict, schema: Any) -> dict:
    import jsonschema_rs

    try:
        is_valid = jsonschema_rs.validator_for(schema, validate_formats=True).is_valid
    except (ValueError, jsonschema_rs.ValidationError):  # a schema that the validator does not take
        return {**row, "schema": schema}
    tests = [{**t, "valid": t["valid"] and is_valid(t["data"])} for t in row["tests"]]
    return {**row, "schema": schema, "tests": tests}


def replay(engine: Engine, row: dict, tokenize: Any) -> dict:
    """One schema and its instances; times in microseconds."""
    clock = time.perf_counter_ns
    began = clock()
    try:
        engine.compile(row["schema"])
        engine.start()
        engine.fill()
    except Exception as error:
        return {"refused": f"{type(error).__name__}: {error}"[:200]}
    result: dict[str, Any] = {"first_mask": (clock() - began) / 1e3, "steps": [], "wrong": 0, "rejected": 0}
    for test in row["tests"]:
        engine.start()
        accepted = True
        for token in tokenize(json.dumps(test["data"], ensure_ascii=False)):
            before = clock()
            engine.fill()
            accepted = engine.allows(token)
            if accepted:
                engine.accept(token)
            result["steps"].append((clock() - before) / 1e3)
            if not accepted:
                break
        if accepted:
            engine.fill()
            accepted = engine.allows(EOS)
        result["wrong"] += accepted and not test["valid"]
        result["rejected"] += test["valid"] and not accepted
    return result


def _work(name: str, tokenizer: str, warm: bool, inbox: Any, outbox: Any) -> None:
    from tokenizers import Tokenizer

    if name != "qwen_struct":
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # some write a warning or a traceback for each schema
    encoder = Tokenizer.from_file(f"{tokenizer}/tokenizer.json")
    engine = ENGINES[name][1](Path(tokenizer))
    outbox.put("ready")
    while (row := inbox.get()) is not None:
        for _ in range(1 + warm):
            try:
                result = replay(engine, row, lambda text: encoder.encode(text, add_special_tokens=False).ids)
            except Exception as error:
                result = {"error": f"{type(error).__name__}: {error}"[:200]}
        outbox.put(result)


class Worker:
    """An engine in a process of its own, which is replaced when it dies or hangs."""

    def __init__(self, name: str, tokenizer: Path, warm: bool) -> None:
        self._arguments = name, str(tokenizer), warm
        self._spawn()

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._inbox, self._outbox = context.Queue(), context.Queue()
        self._process = context.Process(target=_work, args=(*self._arguments, self._inbox, self._outbox), daemon=True)
        self._process.start()
        assert self._outbox.get(timeout=600) == "ready"

    def run(self, row: dict, timeout: float) -> dict:
        self._inbox.put(row)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                return self._outbox.get(timeout=0.2)
            except queue.Empty:
                if not self._process.is_alive():
                    self._spawn()
                    return {"crash": True}
        self._process.kill()
        self._spawn()
        return {"timeout": True}

    def close(self) -> None:
        self._inbox.put(None)


def summary(results: dict[str, dict], common: set[str]) -> dict[str, Any]:
    """Counts over all schemas; times over those that every engine compiled."""
    ran = [r for r in results.values() if "first_mask" in r]
    timed = [results[i] for i in common]
    steps = np.array([t for r in timed for t in r["steps"]] or [np.nan])
    first = np.array([r["first_mask"] for r in timed] or [np.nan])
    table: dict[str, Any] = {
        "schemas": len(results),
        "passing": sum(not r["wrong"] and not r["rejected"] for r in ran),
        "refused": sum("refused" in r for r in results.values()),
        "timeouts": sum("timeout" in r for r in results.values()),
        "crashes and errors": sum("crash" in r or "error" in r for r in results.values()),
        "rejecting a valid instance": sum(r["rejected"] > 0 for r in ran),
        "accepting an invalid instance": sum(r["wrong"] > 0 for r in ran),
        "timed schemas": len(timed),
        "mask + accept, average us": steps.mean(),
    }
    table |= {f"mask + accept, p{p} us": np.percentile(steps, p) for p in PERCENTILES}
    return table | {f"compile + first mask, p{p} us": np.percentile(first, p) for p in (50, 99)}


def show(tables: dict[str, dict[str, Any]]) -> None:
    names = list(tables)
    print(f"{'':34}" + "".join(f"{name:>20}" for name in names))
    for key in next(iter(tables.values())):
        cells = [tables[name][key] for name in names]
        print(f"{key:34}" + "".join(f"{c:20,.1f}" if isinstance(c, float) else f"{c:20,}" for c in cells))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "maskbench" / "dev.jsonl.gz")
    parser.add_argument("--tokenizer", type=Path, default=SHARED / "qwen2.5-tokenizer")
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=installed())
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--limit", type=int, default=300, help="schemas; 0: all of them")
    parser.add_argument("--timeout", type=float, default=30, help="seconds a schema")
    parser.add_argument("--warm", action="store_true")
    parser.add_argument("--restore", action="store_true")
    parser.add_argument("--record", metavar="NAME", help="write the table to benchmarks/record/NAME.json")
    args = parser.parse_args()

    rows = load(args.data, args.skip, args.limit, args.restore)
    results: dict[str, dict[str, dict]] = {name: {} for name in args.engines}
    workers = {name: Worker(name, args.tokenizer, args.warm) for name in args.engines}
    for number, row in enumerate(rows):
        for name, worker in workers.items():  # schema by schema, so that a noisy minute hits all of them
            results[name][row["id"]] = worker.run(row, args.timeout)
        if number % 100 == 99:
            print(f"{number + 1} of {len(rows)}", file=sys.stderr, flush=True)
    for worker in workers.values():
        worker.close()

    common = {row["id"] for row in rows if all("first_mask" in found[row["id"]] for found in results.values())}
    tables = {name: summary(found, common) for name, found in results.items()}
    show(tables)
    for name, found in results.items():
        for what in ("wrong", "rejected", "refused", "timeout", "crash", "error"):
            ids = [i for i, r in found.items() if r.get(what)]
            if ids and name == "qwen_struct":
                print(f"{what}: {', '.join(ids[:40])}{' ...' if len(ids) > 40 else ''}")
    if args.record:
        save(args.record, {"arguments": vars(args), "tables": tables})
    return int(tables.get("qwen_struct", {}).get("accepting an invalid instance", 0) > 0)


if __name__ == "__main__":
    sys.exit(main())

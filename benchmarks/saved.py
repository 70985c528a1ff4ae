"""How warm does a process start that loads the cache of another?

Four processes run the same MaskBench schemas at Qwen2.5's vocabulary: one without a cache, which saves what it learnt
from the first half of each schema's documents; one that loads this and runs the same documents; one that loads it and
runs the other half; and one that runs the other half without. Each prints the time of compiling with the first mask
(TTFM) and of one mask with its token (TBM). All must accept the same documents.

    python benchmarks/saved.py [--limit 200] [--skip 1000]
"""

from __future__ import annotations

import argparse
import gzip
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import SHARED, finish, load_vocabulary, print_table

from qwen_struct import allocate_token_bitmask, compile_schema
from qwen_struct.errors import SchemaError

RUNS = {  # name -> (half of the documents, whether the cache is loaded)
    "cold": (0, False),
    "loaded, same documents": (0, True),
    "loaded, other documents": (1, True),
    "cold, other documents": (1, False),
}


def work(cache: Path, half: int, load: bool, skip: int, limit: int) -> dict[str, Any]:
    """One process: the figures of all schemas."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(SHARED / "qwen2.5-tokenizer" / "tokenizer.json"))
    with gzip.open(SHARED / "maskbench" / "dev.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][skip : skip + limit]
    vocabulary = load_vocabulary()
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    compile_schema({"type": ["string", "number"]}, vocabulary).matcher().fill_next_token_bitmask(bitmask)  # kernels
    start = time.perf_counter()
    loaded = vocabulary.load_cache(cache) if load else 0
    loading = time.perf_counter() - start
    first: list[float] = []
    steps: list[float] = []
    accepted = 0
    for row in rows:
        start = time.perf_counter()
        try:
            grammar = compile_schema(row["schema"], vocabulary)
        except SchemaError:
            continue
        grammar.matcher().fill_next_token_bitmask(bitmask)
        first.append(time.perf_counter() - start)
        for test in row["tests"][half::2]:
            ids = tokenizer.encode(json.dumps(test["data"], ensure_ascii=False), add_special_tokens=False).ids
            matcher = grammar.matcher()
            for token in ids:
                start = time.perf_counter()
                matcher.fill_next_token_bitmask(bitmask)
                allowed = bitmask[0, token >> 5] >> (token & 31) & 1 and matcher.accept_token(token)
                steps.append(time.perf_counter() - start)
                if not allowed:
                    break
            else:
                matcher.fill_next_token_bitmask(bitmask)
                accepted += matcher.is_accepting()
    figures: dict[str, Any] = {"grammars": len(first), "accepted": accepted, "tokens": len(steps), "loaded": loaded}
    figures["load_ms"] = 1e3 * loading
    for name, times in (("ttfm", first), ("tbm", steps)):
        figures[f"{name}_avg_us"] = 1e6 * float(np.mean(times))
        for share in (50, 99, 99.9):
            figures[f"{name}_p{share}_us"] = 1e6 * float(np.percentile(times, share))
    if not load and half == 0:
        start = time.perf_counter()
        vocabulary.save_cache(cache)
        figures |= {"save_ms": 1e3 * (time.perf_counter() - start), "file_kb": cache.stat().st_size / 1e3}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--skip", type=int, default=1_000)
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)  # cache, half, load
    options = parser.parse_args()
    if options.work:
        cache, half, load = options.work
        print(json.dumps(work(Path(cache), int(half), load == "True", options.skip, options.limit)))
        return
    results: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, (half, load) in RUNS.items():
            command = [sys.executable, __file__, "--skip", str(options.skip), "--limit", str(options.limit)]
            command += ["--work", str(Path(folder) / "cache"), str(half), str(load)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results[name] = json.loads(done.stdout.splitlines()[-1])
    for one, other in (("cold", "loaded, same documents"), ("cold, other documents", "loaded, other documents")):
        assert results[one]["accepted"] == results[other]["accepted"]
        assert results[one]["tokens"] == results[other]["tokens"]
    figures = list(dict.fromkeys(figure for result in results.values() for figure in result))
    print_table(["", *results], [[f, *(results[name].get(f, "") for name in results)] for f in figures])
    finish("saved", results)


if __name__ == "__main__":
    main()

"""How do time and memory grow with the schema, and with the document?

Each family is compiled at several sizes for a vocabulary that has compiled small schemas before. Measured are compiling
with the first mask, the steps of one document (mask and accept, every position new), and the memory that both
leave behind (tracemalloc, in a second run). Before it counts, the document must be accepted to its end. The exponent is
the slope of log(figure) over log(size) among the larger sizes: 1 is linear. A family ends early when one size takes
longer than --patience seconds.

    python benchmarks/growth.py [--patience 20] [FAMILY ...]
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

from common import exponent, finish, load_vocabulary, print_table, token_ids
from record import save

from qwen_struct import Vocabulary, allocate_token_bitmask, compile_schema
from qwen_struct.errors import SchemaError

Case = tuple[Any, Any, dict[str, Any]]  # schema, document, options
FAMILIES: dict[str, tuple[Callable[[int], Case], list[int]]] = {}


def family(*sizes: int) -> Callable[[Callable[[int], Case]], Callable[[int], Case]]:
    def enter(make: Callable[[int], Case]) -> Callable[[int], Case]:
        FAMILIES[make.__name__] = make, list(sizes)
        return make

    return enter


def _object(n: int, **more: Any) -> dict:
    return {"type": "object", "properties": {f"name{i}": {"type": "integer"} for i in range(n)}, **more}


@family(10, 100, 1_000, 3_000, 10_000)
def properties(n: int) -> Case:
    return _object(n, additionalProperties=False), {f"name{i}": i for i in range(min(n, 50))}, {}


@family(10, 100, 1_000, 3_000, 10_000)
def properties_in_order(n: int) -> Case:
    return _object(n, additionalProperties=False), {f"name{i}": i for i in range(min(n, 50))}, {"key_order": "schema"}


@family(10, 100, 1_000, 3_000, 10_000)
def properties_required_and_open(n: int) -> Case:
    return _object(n, required=[f"name{i}" for i in range(n)]), {f"name{i}": i for i in range(n)}, {}


@family(5, 10, 20, 40, 80, 160)
def nesting(n: int) -> Case:
    schema, document = {"type": "integer"}, 1
    for i in range(n):
        a = "a" if i % 2 else "b"
        schema = {"type": "object", "properties": {a: schema}, "required": [a], "additionalProperties": False}
        document = {a: document}
    return schema, document, {}


@family(10, 100, 1_000, 10_000, 100_000)
def enum(n: int) -> Case:
    return {"enum": [f"value {i * 7919 % n}" for i in range(n)]}, f"value {n // 2}", {}


@family(10, 1_000, 100_000, 1_000_000)
def max_length(n: int) -> Case:
    return {"type": "string", "minLength": n // 10, "maxLength": n}, ("lorem ipsum " * (n // 120 + 1))[:n], {}


@family(10, 1_000, 100_000, 1_000_000)
def pattern_and_max_length(n: int) -> Case:
    return {"type": "string", "pattern": "^[a-z ]*$", "maxLength": n}, "lorem ipsum"[: min(n, 11)], {}


@family(10, 1_000, 100_000, 1_000_000)
def max_items(n: int) -> Case:
    return {"type": "array", "items": {"type": "integer"}, "maxItems": n}, list(range(min(n, 100))), {}


@family(10, 100, 1_000, 10_000)
def items(n: int) -> Case:
    return {"type": "array", "items": {"type": "integer"}, "maxItems": n}, list(range(n)), {}


@family(10, 30, 100, 300)
def unique_items(n: int) -> Case:
    return {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, list(range(n)), {}


@family(10, 30, 100, 300)
def undeclared_names(n: int) -> Case:
    return {"type": "object", "additionalProperties": {"type": "integer"}}, {f"x{i}": i for i in range(n)}, {}


@family(10, 30, 100, 300, 900)
def recursion(n: int) -> Case:
    document: dict = {}
    for _ in range(n):
        document = {"next": document}
    return {"type": "object", "properties": {"next": {"$ref": "#"}}, "additionalProperties": False}, document, {}


@family(2, 4, 8, 16, 32, 64)
def any_of(n: int) -> Case:
    branches = [
        {"properties": {"kind": {"type": "string"}, f"value{i}": {"type": "integer"}}, "required": ["kind"]}
        for i in range(n)
    ]
    return {"type": "object", "anyOf": branches}, {"kind": "some", "value0": 1}, {}


@family(2, 4, 8, 16, 32, 64)
def one_of_with_discriminator(n: int) -> Case:
    branches = [
        {"properties": {"kind": {"const": f"kind {i}"}, "value": {"type": "integer", "minimum": i}},
         "required": ["kind", "value"]}
        for i in range(n)
    ]  # fmt: skip
    return {"type": "object", "oneOf": branches}, {"kind": "kind 1", "value": n}, {}


@family(10, 100, 1_000, 10_000)
def definitions(n: int) -> Case:
    chain = {f"d{i}": _object(2, properties={"next": {"$ref": f"#/$defs/d{(i + 1) % n}"}}) for i in range(n)}
    return {"$ref": "#/$defs/d0", "$defs": chain}, {"next": {"next": {}}}, {}


def run(vocabulary: Vocabulary, case: Case) -> tuple[float, float, int]:
    """Seconds of compiling with the first mask, seconds of the document, and its tokens."""
    schema, document, options = case
    text = json.dumps(document, ensure_ascii=False).encode()
    ids = [*token_ids(vocabulary, text), vocabulary.eos_token_ids[0]]
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    gc.collect()
    start = time.perf_counter()
    grammar = compile_schema(schema, vocabulary, **options)
    matcher = grammar.matcher()
    matcher.fill_next_token_bitmask(bitmask)
    compiled = time.perf_counter()
    for token in ids:
        matcher.fill_next_token_bitmask(bitmask)
        assert bitmask[0, token >> 5] >> (token & 31) & 1, matcher.text[-50:]
        assert matcher.accept_token(token)
    done = time.perf_counter()
    assert matcher.is_finished()
    return compiled - start, done - compiled, len(ids)


def fresh_vocabulary() -> Vocabulary:
    vocabulary = load_vocabulary()
    for case in (({"type": ["object", "integer"]}, {"a": "b"}, {}), ({"maxLength": 3}, "abc", {})):
        run(vocabulary, case)
    return vocabulary


def measure(make: Callable[[int], Case], sizes: list[int], patience: float) -> Iterator[dict[str, Any]]:
    for size in sizes:
        vocabulary = fresh_vocabulary()
        try:
            compiling, stepping, num_tokens = run(vocabulary, make(size))
        except SchemaError as error:
            yield {"size": size, "refused": str(error)[:200]}
            continue
        row: dict[str, Any] = {
            "size": size,
            "compile_ms": 1e3 * compiling,
            "document_ms": 1e3 * stepping,
            "tokens": num_tokens,
            "us_per_token": 1e6 * stepping / num_tokens,
        }
        late = compiling + stepping > patience
        if not late:
            row["memory_kb"] = memory(make(size))
        yield row
        if late:
            return


def memory(case: Case) -> float:
    """What remains allocated, in kB."""
    vocabulary = fresh_vocabulary()
    gc.collect()
    tracemalloc.start()
    run(vocabulary, case)
    gc.collect()
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return taken / 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("families", nargs="*", help=f"some of {', '.join(FAMILIES)}")
    parser.add_argument("--patience", type=float, default=20)
    options = parser.parse_args()
    results = {}
    for name in options.families or FAMILIES:
        print(f"\n{name}")
        found = list(measure(*FAMILIES[name], options.patience))
        figures = ("compile_ms", "document_ms", "us_per_token", "memory_kb")
        timed = [row for row in found if "refused" not in row]
        print_table(
            ["size", *figures, "tokens"],
            [[row["size"], *(row.get(f, float("nan")) for f in figures), row["tokens"]] for row in timed],
        )
        fitted = {f: exponent([r["size"] for r in timed if f in r], [r[f] for r in timed if f in r]) for f in figures}
        print("exponents: " + ", ".join(f"{figure} {value}" for figure, value in fitted.items()))
        for row in found:
            if "refused" in row:
                print(f"refused at {row['size']}: {row['refused']}")
        results[name] = {"rows": found, "exponents": fitted}
        save("growth", results)  # a run may be cut short
    finish("growth", results)


if __name__ == "__main__":
    main()

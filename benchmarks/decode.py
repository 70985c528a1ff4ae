"""What does a document cost, in forward passes and in time, beside other engines in transformers' generate()?

    PYTHONPATH=. python benchmarks/decode.py                   # the bundled model, on documents kept from its training
    PYTHONPATH=. python benchmarks/decode.py --random 0.5b     # random weights of Qwen2.5-0.5B's size, 151,936 tokens
    PYTHONPATH=. python benchmarks/decode.py --random 7b       # CUDA, at most 24 GB of it; with --int4 in GPTQ's format
    PYTHONPATH=. python benchmarks/decode.py --only-batches    # 16 documents side by side against one by one, no rivals

Every engine gets the same network, prompts (token ids) and limit of tokens, and chooses greedily. First the outputs are
checked: qwen_struct's are valid, and the same whether each token takes a pass of its own, forced ones cost none, drafts
are read along, or 16 documents are written side by side. Then document by document, engine by engine, round by round,
so that a noisy minute hits all alike; the median of a document's rounds counts. A time runs from the text to the parsed
value and includes the prompt's encoding, for all of them; compiling the schema is apart, for engines keep what they
compiled. qwen_struct forgets the prompts' common beginnings before each document, except in the row "prefix kept".

An engine that refuses a schema, fails, or is cut off by the limit has no valid output for that document. It is compared
with qwen_struct on those for which both have one ("ours/theirs" by a document's time, "CPU" by the processor's time,
"a token" by the time of a token; less than 1 is faster). Other masks can lead to other and longer texts, so "same text"
compares the documents for which both wrote the same; the floor does. "common" are the documents for which all have a
valid output. Random weights write until the limit cuts them off, so there every answer counts.

OMP_NUM_THREADS=1 and --threads 1 (the default) make figures comparable between machines. torch.compile is off for
everybody, qwen_struct does not use it; with --compile-masks the mask kernels of llguidance and outlines-core use it.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, zip_longest
from typing import Any

import torch
import torch._dynamo
from common import finish
from decode_documents import Document, Limits, held_out, is_valid, long_document, prompt_of
from decode_tables import (
    DRAFTS,
    FORCED,
    KEPT,
    PLAIN,
    PROCESSOR,
    SIDE_BY_SIDE,
    Runs,
    fastest_rival,
    judge,
    show,
    summary,
)
from decode_ways import Ours, PassCounter, Variant, own_processor, rival
from engines_decode import ENGINES, installed
from memory_peak import Peak, read_bandwidth
from random_models import SIZES, random_model, random_quantised
from record import machine

from qwen_struct import Extractor
from qwen_struct.decode.model import Model

BATCH = 16
MEMORY_LIMIT = 24e9  # bytes of a GPU


def check(extractor: Extractor, documents: Sequence[Document], passes: PassCounter, limit: Limits) -> dict[str, int]:
    """Writes all documents in each of our ways; the numbers of answers that differ from the plain loop's.

    They may in a coarse number format, where the rounding depends on how many tokens a pass reads; in float32 that is
    an error here, as is an invalid answer in any.
    """
    ours = Ours(extractor, passes, limit)
    expected = [ours.plain(document).text for document in documents]
    for document, text in zip(documents, expected, strict=True):
        if not is_valid(document, text):
            raise AssertionError(f"document {document.name}: invalid for its schema: {text}")
    answers = {
        FORCED: [ours.forced(document).text for document in documents],
        DRAFTS: [ours.drafts(document).text for document in documents],
        f"batch of {BATCH}": [text for text, _ in batched(extractor, documents, ours)],
    }
    different = {}
    for name, texts in answers.items():
        for document, text in zip(documents, texts, strict=True):
            if not is_valid(document, text):
                raise AssertionError(f"{name}, document {document.name}: invalid for its schema: {text}")
        wrong = [d.name for d, a, b in zip(documents, texts, expected, strict=True) if a != b]
        if wrong and extractor.model.network.dtype == torch.float32:
            raise AssertionError(f"{name}: not what the plain loop writes, for {wrong}")
        different[name] = len(wrong)
    return different


def batched(extractor: Extractor, documents: Sequence[Document], ours: Ours) -> list[tuple[str, int]]:
    """The answers of all documents, 16 side by side, and their numbers of tokens."""
    ours.forget_prefixes()
    found: list[tuple[str, int] | None] = [None] * len(documents)
    groups: dict[tuple[str | None, int], list[int]] = {}  # the options of run_many are for all of its texts
    for i, document in enumerate(documents):
        groups.setdefault((document.instructions, ours.limit(document)), []).append(i)
    for (instructions, limit), numbers in groups.items():
        results = extractor.run_many(
            [documents[i].text for i in numbers],
            [documents[i].schema for i in numbers],
            batch_size=BATCH,
            instructions=instructions,
            max_tokens=limit,
        )
        for i, result in zip(numbers, results, strict=True):
            found[i] = (result.text, result.num_output_tokens)
    return [each for each in found if each is not None]


def measure(variants: dict[str, Variant], documents: Sequence[Document], repeats: int) -> tuple[Runs, dict[str, Any]]:
    """All documents in all ways, ``repeats`` + 1 times; the first time there are schemas and masks to learn.

    Also for each variant why it has no answer, and for how many documents.
    """
    runs: Runs = {name: [[] for _ in documents] for name in variants}
    failures: dict[str, dict[int, str]] = {name: {} for name in variants}
    for round_ in range(repeats + 1):
        for number, document in enumerate(documents):
            for name, variant in variants.items():
                if number in failures[name]:
                    continue
                try:
                    run = variant(document)
                except Exception as error:
                    if name.startswith("qwen_struct"):
                        raise
                    failures[name][number] = f"{type(error).__name__}: {error}".splitlines()[0][:60]
                    runs[name][number] = []
                else:
                    runs[name][number].append(replace(run, valid=is_valid(document, run.text)))
        print(f"round {round_} of {repeats}", file=sys.stderr, flush=True)
    return runs, {name: dict(Counter(found.values())) for name, found in failures.items() if found}


def measure_batches(
    extractor: Extractor, documents: Sequence[Document], ours: Ours, passes: PassCounter, repeats: int
) -> dict[str, float]:
    """All documents one by one and 16 side by side, in turns; medians. Schemas and masks are known."""
    alone: list[tuple[float, float, int]] = []
    together: list[tuple[float, float, int]] = []
    for _ in range(repeats):
        with _lap(alone, passes):
            runs = [ours.drafts(document) for document in documents]
        with _lap(together, passes):
            many_runs = batched(extractor, documents, ours)
        if extractor.model.network.dtype == torch.float32 and [r.text for r in runs] != [text for text, _ in many_runs]:
            raise AssertionError("side by side other answers than one by one")
    (one, one_cpu, one_passes), (many, many_cpu, many_passes) = map(_medians, (alone, together))
    return {
        "documents/s one by one": len(documents) / one,
        f"documents/s batch of {BATCH}": len(documents) / many,
        "speed-up": one / many,
        "tokens of an answer": sum(run.num_tokens for run in runs) / len(documents),
        "tokens of a prompt": sum(len(prompt_of(extractor.model, d)) for d in documents) / len(documents),
        "speed-up in CPU time": one_cpu / many_cpu,
        "passes one by one": one_passes,
        f"passes batch of {BATCH}": many_passes,
    }


@contextmanager
def _lap(laps: list[tuple[float, float, int]], passes: PassCounter) -> Iterator[None]:
    before, start, cpu = passes.count, time.perf_counter(), time.process_time()
    yield
    laps.append((time.perf_counter() - start, time.process_time() - cpu, passes.count - before))


def _medians(laps: list[tuple[float, float, int]]) -> tuple[float, float, int]:
    seconds, cpu, passes = zip(*laps, strict=True)
    return statistics.median(seconds), statistics.median(cpu), int(statistics.median(passes))


def measure_second(extractor: Extractor, ours: Ours, repeats: int) -> dict[str, float]:
    """Milliseconds to the first token for two documents of a schema that is known, its prefix new for the first."""
    first, second = (long_document(extractor.model, number) for number in range(2))
    ours.drafts(first), ours.kept(second)
    laps = [(ours.drafts(first).first_token, ours.kept(second).first_token) for _ in range(repeats)]
    return {
        "prompt tokens": len(prompt_of(extractor.model, first)),
        "first ms": 1e3 * statistics.median(a for a, _ in laps),
        "second ms": 1e3 * statistics.median(b for _, b in laps),
        "second / first": statistics.median(b / a for a, b in laps),
    }


def measure_memory(
    extractor: Extractor, variants: dict[str, Variant], documents: Sequence[Document], ours: Ours
) -> dict[str, float]:
    """Megabytes that a variant takes at its peak beyond what was taken before; for the longest prompt."""
    longest = max(documents, key=lambda document: len(document.text))
    ways: dict[str, Callable[[], object]] = {
        name: (lambda variant=variant: variant(longest)) for name, variant in variants.items()
    }
    if len(documents) >= BATCH:
        ways[f"qwen_struct, batch of {BATCH}"] = lambda: batched(extractor, [longest] * BATCH, ours)
    found = {}
    for name, way in ways.items():
        ours.forget_prefixes()
        gc.collect()
        try:
            with Peak(extractor.model.device) as peak:
                way()
        except Exception:  # a rival that refuses this schema
            continue
        if peak.bytes is not None:
            found[name] = peak.bytes / 1e6
    return found


def against_bandwidth(model: Model, table: dict[str, Any]) -> dict[str, float]:
    """Passes a second of the decoding, and what the memory's bandwidth allows: each pass reads all weights once."""
    tensors = [*model.network.parameters(), *model.network.buffers()]  # GPTQ's weights are buffers
    weights = sum({t.data_ptr(): t.numel() * t.element_size() for t in tensors}.values())
    bandwidth = read_bandwidth(model.device)
    return {
        "weights GB": weights / 1e9,
        "bandwidth GB/s": bandwidth / 1e9,
        "passes/s at best": bandwidth / weights,
        "passes/s": 1e3 / (table["ms/pass"] or float("inf")),  # none after the prefill where answers are so short
        "tokens/s": table["tokens/s"],
    }


def load(args: argparse.Namespace) -> Model:
    device = torch.device("cuda" if torch.cuda.is_available() and not args.cpu else "cpu")
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, MEMORY_LIMIT / total))
    if args.random is None:
        return Extractor(args.model, device=device).model
    if args.int4:
        return random_quantised(args.random, device=device)
    dtype = torch.float32 if args.float32 else torch.bfloat16
    return random_model(args.random, device=device, dtype=dtype)


def main() -> int:
    args = options()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(args.threads)
    torch._dynamo.config.disable = not args.compile_masks
    model = load(args)
    on_gpu = model.device.type == "cuda"
    documents = held_out(args.documents or (40 if not args.random else BATCH if on_gpu else 3), args.seed)
    max_tokens = args.max_tokens or (48 if args.random else 600)
    figures = {
        "arguments": vars(args),
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "documents": len(documents),
        "max_tokens": max_tokens,
        **measure_all(args, model, documents, max_tokens),
    }
    judge(figures["floors"])
    if on_gpu:
        print("the part of this script for GPUs was written where there was none: read its figures with care")
    if args.record:
        finish(args.record, figures)
    else:
        print(json.dumps({"machine": machine(), **figures}, default=str))
    return 0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", help="a checkpoint")
    parser.add_argument("--random", choices=list(SIZES), help="random weights in place of a checkpoint")
    parser.add_argument("--int4", action="store_true", help="random weights in GPTQ's 4 bits")
    parser.add_argument("--float32", action="store_true", help="random weights in float32 in place of bfloat16")
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    parser.add_argument("--documents", type=int, help="default 40, with random weights 3, or 16 on a GPU")
    parser.add_argument("--seed", default="decode")
    parser.add_argument("--max-tokens", type=int, help="of an answer; default 600, with random weights 48")
    parser.add_argument("--repeats", type=int, help="rounds that count, after one that does not; default 3, or 1")
    parser.add_argument("--rivals", nargs="*", choices=list(ENGINES), default=installed(), metavar="ENGINE")
    parser.add_argument("--only-batches", action="store_true", help="nothing but documents one by one and 16 at a time")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile-masks", action="store_true", help="let rivals' mask kernels use torch.compile")
    parser.add_argument("--record", metavar="NAME", help="write the figures to benchmarks/record/NAME.json")
    return parser.parse_args()


def measure_all(
    args: argparse.Namespace, model: Model, documents: Sequence[Document], max_tokens: int
) -> dict[str, Any]:
    """All figures, printed as they come."""
    repeats = args.repeats or (1 if args.random else 3)
    pair, passes = (model.network, model.tokenizer), PassCounter(model.network)
    checker = Extractor(pair)
    limit = Limits(checker.vocabulary, max_tokens)
    if args.only_batches:
        ours = Ours(checker, passes, limit)
        batched(checker, documents, ours)  # schemas and masks to learn
        batches = measure_batches(checker, documents, ours, passes, repeats)
        show_part("batches", batches)
        return {"batches": batches, "floors": {SIDE_BY_SIDE: batches["speed-up"]}}
    figures: dict[str, Any] = {"different answers": check(checker, documents, passes, limit)}
    print("answers that differ from the plain loop's:", figures["different answers"], flush=True)

    extractor = Extractor(pair)  # another one, which knows no schema yet
    ours = Ours(extractor, passes, limit)
    variants = all_variants(extractor, ours, passes, args.rivals)
    warm_up(variants)
    runs, figures["failures"] = measure(variants, documents, repeats)
    figures["variants"] = tables = summary(runs, valid_only=args.random is None)
    show(tables)
    for name, reasons in figures["failures"].items():
        print(f"{name}: " + "; ".join(f"{count} x {reason}" for reason, count in reasons.items()))

    figures["memory MB"] = measure_memory(extractor, variants, documents, ours)
    if len(documents) >= BATCH:
        figures["batches"] = measure_batches(extractor, documents, ours, passes, repeats)
    if not args.random or model.device.type == "cuda":  # 2,000 tokens take a CPU half a minute
        figures["second document"] = measure_second(extractor, ours, repeats)
    if args.random:
        figures["bandwidth"] = against_bandwidth(model, tables[DRAFTS])
    for part in ("memory MB", "batches", "second document", "bandwidth"):
        if part in figures:
            show_part(part, figures[part])
    figures["floors"] = {
        "forward passes per output token": None if args.random else tables[DRAFTS]["passes/token"],
        "time per document, ours / fastest rival's": None if args.random else fastest_rival(tables, len(documents)),
        SIDE_BY_SIDE: figures.get("batches", {}).get("speed-up"),
        "constraint's share of decode time": tables[DRAFTS]["constraint"] if args.random else None,
        "time to first token, second / first document": figures.get("second document", {}).get("second / first"),
    }
    return figures


def show_part(name: str, figures: dict[str, float]) -> None:
    print(f"{name}: " + ", ".join(f"{key} {value:,.2f}" for key, value in figures.items()))


def all_variants(extractor: Extractor, ours: Ours, passes: PassCounter, rivals: Sequence[str]) -> dict[str, Variant]:
    """In the order in which they run: ours and the rivals' in turns."""
    own = {
        DRAFTS: ours.drafts,
        KEPT: ours.kept,  # right after the one before, whose prefix it finds
        FORCED: ours.forced,
        PLAIN: ours.plain,
        PROCESSOR: own_processor(extractor, ours, passes),
    }
    others = {
        name: rival(ENGINES[name][1](extractor.model, extractor.vocabulary), extractor.model, passes, ours.limit)
        for name in rivals
    }
    first, *rest = ([DRAFTS, KEPT], [FORCED], [PLAIN], [PROCESSOR])
    turns = chain.from_iterable(zip_longest([first, *rest], [[name] for name in rivals], fillvalue=[]))
    return {name: {**own, **others}[name] for name in chain.from_iterable(turns)}


def warm_up(variants: dict[str, Variant]) -> None:
    """Imports, and kernels that are compiled at first sight."""
    for name, variant in variants.items():
        try:
            variant(Document({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}, "a is 1"))
        except Exception as error:
            print(f"{name}, warming up: {type(error).__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

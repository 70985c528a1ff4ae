"""The ways in which decode.py has an answer written, each with its times: qwen_struct's, and generate() with others."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import torch
from decode_documents import Document, Limits, grammar_of, prompt_of
from engines_decode import Engine, MakeProcessor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from qwen_struct import Extractor, allocate_token_bitmask
from qwen_struct.decode.model import Model
from qwen_struct.decode.sampling import masked
from qwen_struct.decode.slots import Slots
from qwen_struct.decode.spelling import Spelling
from qwen_struct.integrations.transformers import SchemaLogitsProcessor


@dataclass(frozen=True)
class Run:
    """One document's answer; times in seconds. ``compile`` is not in ``total``, and zero where it was done before."""

    text: str
    num_tokens: int
    num_passes: int
    total: float
    cpu: float
    compile: float
    first_token: float
    constraint: float
    decode: float  # the passes after the prefill, with what constrains them
    valid: bool = False


Variant = Callable[[Document], Run]


class PassCounter:
    """Counts the forward passes of a network."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.count = 0
        network.register_forward_pre_hook(self._note)

    def _note(self, *_: object) -> None:
        self.count += 1


class Ours:
    """qwen_struct, in the ways in which it can spend passes."""

    def __init__(self, extractor: Extractor, passes: PassCounter, limit: Limits) -> None:
        self._extractor, self._passes, self.limit = extractor, passes, limit
        self._spelling = Spelling(extractor.model.tokenizer)

    def drafts(self, document: Document) -> Run:
        self.forget_prefixes()
        return self._run(document, True)

    def kept(self, document: Document) -> Run:
        return self._run(document, True)

    def forced(self, document: Document) -> Run:
        self.forget_prefixes()
        return self._run(document, False)

    def forget_prefixes(self) -> None:
        self._extractor.clear_prefixes()

    def _run(self, document: Document, drafts: bool) -> Run:
        before, cpu = self._passes.count, time.process_time()
        found = self._extractor.run(
            document.text,
            document.schema,
            instructions=document.instructions,
            max_tokens=self.limit(document),
            drafts=drafts,
        )
        times = found.timings
        return Run(
            found.text,
            found.num_output_tokens,
            self._passes.count - before,
            times.total - times.compile,
            time.process_time() - cpu,
            times.compile,
            times.first_token - times.compile,
            times.mask,
            times.decode,
        )

    def plain(self, document: Document) -> Run:
        """A loop of the plainest kind: a pass for each token, the forced ones among them."""
        limit, model = self.limit(document), self._extractor.model
        matcher = grammar_of(document, self._extractor.vocabulary).matcher()
        before, start, cpu = self._passes.count, time.perf_counter(), time.process_time()
        slots, bitmask = Slots(model), allocate_token_bitmask(1, model.n_vocab)
        logits = slots.read_prompt(slots.add(), prompt_of(model, document))
        prefilled, first, constraint, num_tokens = time.perf_counter(), 0.0, 0.0, 0
        while True:
            began = time.perf_counter()
            matcher.fill_next_token_bitmask(bitmask, 0)
            if matcher.is_accepting() and num_tokens == limit:
                break
            forced = self._spelling.forced(matcher)
            token = forced[0] if forced else int(masked(logits[None], [bitmask[0]]).argmax())
            assert matcher.accept_token(token)
            if matcher.min_tokens > limit - num_tokens - 1 and token not in model.eos_token_ids:
                matcher.rollback(1)  # not in time: the best of what is
                matcher.fill_within(bitmask, 0, limit - num_tokens)
                token = int(masked(logits[None], [bitmask[0]]).argmax())
                assert matcher.accept_token(token)
            ended = time.perf_counter()
            first, constraint = first or ended - start, constraint + ended - began
            if token in model.eos_token_ids:
                break
            num_tokens += 1
            logits = slots.read([[token]], [[0]])[0]
        text = matcher.text.decode()
        json.loads(text)
        end = time.perf_counter()
        passes = self._passes.count - before
        total, used = end - start, time.process_time() - cpu
        return Run(text, num_tokens, passes, total, used, 0.0, first, constraint, end - prefilled)


class InGenerate:
    """An engine in transformers' generate()."""

    def __init__(self, model: Model, passes: PassCounter, limit: Limits) -> None:
        self._model, self._passes, self._limit = model, passes, limit
        self._compiled: dict[str, MakeProcessor | Exception] = {}

    def run(self, document: Document, compile_: Callable[[Document], MakeProcessor]) -> Run:
        """Raises what the engine raises."""
        make, seconds = self._make(document, compile_)
        before, start, cpu = self._passes.count, time.perf_counter(), time.process_time()
        prompt = torch.tensor([prompt_of(self._model, document)], device=self._model.device)
        processor, clock = _Timed(make()), _FirstToken()
        generating = time.perf_counter()
        output = self._model.network.generate(
            input_ids=prompt,
            attention_mask=torch.ones_like(prompt),
            logits_processor=LogitsProcessorList([processor]),
            streamer=clock,
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=self._limit(document),
                eos_token_id=list(self._model.eos_token_ids),
                pad_token_id=self._model.eos_token_ids[0],
            ),
        )
        generated = time.perf_counter()
        tokens = [t for t in output[0, prompt.shape[1] :].tolist() if t not in self._model.eos_token_ids]
        text = self._model.tokenizer.decode(tokens)
        with suppress(ValueError):  # counted as invalid
            json.loads(text)
        return Run(
            text,
            len(tokens),
            self._passes.count - before,
            time.perf_counter() - start,
            time.process_time() - cpu,
            seconds,
            clock.first - start,
            processor.seconds,
            generated - max(clock.first, generating),
        )

    def _make(self, document: Document, compile_: Callable[[Document], MakeProcessor]) -> tuple[MakeProcessor, float]:
        key, start = json.dumps(document.schema), time.perf_counter()
        if key not in self._compiled:
            try:
                self._compiled[key] = compile_(document)
            except Exception as error:
                self._compiled[key] = error
        found = self._compiled[key]
        if isinstance(found, Exception):
            raise found
        return found, time.perf_counter() - start


class _Timed(LogitsProcessor):
    """A processor, and the seconds spent in it."""

    def __init__(self, processor: LogitsProcessor) -> None:
        self._processor, self.seconds = processor, 0.0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        start = time.perf_counter()
        scores = self._processor(input_ids, scores)
        self.seconds += time.perf_counter() - start
        return scores


class _FirstToken:
    """A streamer that notes when the first token comes: the prompt is put first."""

    def __init__(self) -> None:
        self.first, self._num_put = 0.0, 0

    def put(self, _: torch.Tensor) -> None:
        self._num_put += 1
        if self._num_put == 2:
            self.first = time.perf_counter()

    def end(self) -> None:
        pass


def rival(engine: Engine, model: Model, passes: PassCounter, limit: Limits) -> Variant:
    loop = InGenerate(model, passes, limit)
    return lambda document: loop.run(document, lambda d: engine.compile(d.schema))


def own_processor(extractor: Extractor, ours: Ours, passes: PassCounter) -> Variant:
    """Our engine in generate(), as the others are."""
    loop = InGenerate(extractor.model, passes, ours.limit)

    def compile_(document: Document) -> MakeProcessor:
        grammar = grammar_of(document, extractor.vocabulary)
        limit = ours.limit(document)
        return lambda: SchemaLogitsProcessor(grammar, extractor.vocabulary, max_new_tokens=limit)

    return lambda document: loop.run(document, compile_)

"""Other engines as logits processors for transformers' generate(), all behind one call.

``compile(schema)`` gives a function that makes a processor for one answer, or raises what the engine raises when it
refuses the schema. All are set to the whitespace that json.dumps writes (``", "`` and ``": "``) as far as they can be:
llguidance and XGrammar write exactly that; outlines-core allows a space or none at each place, lm-format-enforcer one
white space character or none.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from typing import Any, Protocol

import torch
from transformers import LogitsProcessor, PrefixConstrainedLogitsProcessor

from qwen_struct import Vocabulary
from qwen_struct.decode.model import Model

SEPARATORS = (", ", ": ")
X_GUIDANCE = {"whitespace_flexible": False, "item_separator": SEPARATORS[0], "key_separator": SEPARATORS[1]}
MakeProcessor = Callable[[], LogitsProcessor]


class Engine(Protocol):
    def compile(self, schema: Any) -> MakeProcessor:
        """Compiles ``schema`` for the model; the result is called once for each answer."""


class LLGuidance:
    def __init__(self, model: Model, vocabulary: Vocabulary) -> None:
        import llguidance.hf

        self._n_vocab, self._matcher_type = model.n_vocab, llguidance.LLMatcher
        self._tokenizer = llguidance.hf.from_tokenizer(model.tokenizer, n_vocab=model.n_vocab)

    def compile(self, schema: Any) -> MakeProcessor:
        grammar = self._matcher_type.grammar_from_json_schema(json.dumps(schema), overrides=X_GUIDANCE)
        first = self._matcher_type(self._tokenizer, grammar)
        if first.is_error():
            raise ValueError(first.get_error())
        return lambda: _LLGuidanceProcessor(first.deep_copy(), self._n_vocab)


class _LLGuidanceProcessor(LogitsProcessor):
    def __init__(self, matcher: Any, n_vocab: int) -> None:
        import llguidance.torch

        self._torch, self._matcher, self._begun = llguidance.torch, matcher, False
        self._mask = llguidance.torch.allocate_token_bitmask(1, n_vocab)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if self._begun:
            self._matcher.consume_token(int(input_ids[0, -1]))
        self._begun = True
        self._torch.fill_next_token_bitmask(self._matcher, self._mask)
        self._torch.apply_token_bitmask_inplace(scores, self._mask.to(scores.device))
        return scores


class XGrammar:
    def __init__(self, model: Model, vocabulary: Vocabulary) -> None:
        from xgrammar.contrib.hf import LogitsProcessor as Processor

        self._compiler, self._processor = _xgrammar_compiler(model), Processor

    def compile(self, schema: Any) -> MakeProcessor:
        grammar = _xgrammar_grammar(self._compiler, schema)
        return lambda: self._processor(grammar)


def _xgrammar_compiler(model: Model) -> Any:
    import xgrammar

    info = xgrammar.TokenizerInfo.from_huggingface(
        model.tokenizer, vocab_size=model.n_vocab, stop_token_ids=[model.tokenizer.eos_token_id]
    )
    return xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)


def _xgrammar_grammar(compiler: Any, schema: Any) -> Any:
    return compiler.compile_json_schema(json.dumps(schema), any_whitespace=False, separators=SEPARATORS)


class LMFormatEnforcer:
    """Its own adapter does not import with transformers 5; this is what it does."""

    def __init__(self, model: Model, vocabulary: Vocabulary) -> None:
        from lmformatenforcer.tokenenforcer import TokenEnforcerTokenizerData

        texts = vocabulary.tokens
        regular = [(t, text.decode(errors="replace"), False) for t, text in enumerate(texts) if text is not None]

        def decode(tokens: list[int]) -> str:
            return b"".join(texts[t] or b"" for t in tokens).decode(errors="replace").rstrip("\ufffd")

        eos = model.tokenizer.eos_token_id
        self._data = TokenEnforcerTokenizerData(regular, decode, eos, False, model.n_vocab)

    def compile(self, schema: Any) -> MakeProcessor:
        from lmformatenforcer import CharacterLevelParserConfig, JsonSchemaParser, TokenEnforcer

        config = CharacterLevelParserConfig(max_consecutive_whitespaces=1, force_json_field_order=True)
        JsonSchemaParser(schema, config=config)  # what it refuses, it refuses here

        def make() -> LogitsProcessor:
            enforcer = TokenEnforcer(self._data, JsonSchemaParser(schema, config=config))
            return PrefixConstrainedLogitsProcessor(
                lambda _, ids: enforcer.get_allowed_tokens(ids.tolist()).allowed_tokens, num_beams=1
            )

        return make


class Outlines:
    """Outlines' own processors, as its Generator makes them for one of its backends."""

    backend: str

    def __init__(self, model: Model, vocabulary: Vocabulary) -> None:
        import outlines

        self._outlines = outlines
        self._model = outlines.from_transformers(model.network, model.tokenizer)

    def compile(self, schema: Any) -> MakeProcessor:
        asked = self._outlines.types.JsonSchema(json.dumps(self._worded(schema)))
        processor: Any = self._outlines.Generator(self._model, asked, backend=self.backend).logits_processor

        def make() -> LogitsProcessor:
            processor.reset()
            return processor

        return make

    def _worded(self, schema: Any) -> Any:
        return schema


class OutlinesCore(Outlines):
    backend = "outlines_core"


class OutlinesLLGuidance(Outlines):
    backend = "llguidance"

    def _worded(self, schema: Any) -> Any:
        return {**schema, "x-guidance": X_GUIDANCE}


class OutlinesXGrammar(Outlines):
    """With a compiler for all of the model's logits: the backend's own covers the tokenizer only, and then fails."""

    def __init__(self, model: Model, vocabulary: Vocabulary) -> None:
        super().__init__(model, vocabulary)
        self._compiler = _xgrammar_compiler(model)

    def compile(self, schema: Any) -> MakeProcessor:
        from outlines.backends.xgrammar import XGrammarLogitsProcessor

        grammar = _xgrammar_grammar(self._compiler, schema)
        return lambda: XGrammarLogitsProcessor(grammar, "torch")


ENGINES: dict[str, tuple[tuple[str, ...], Callable[[Model, Vocabulary], Engine]]] = {  # name: (packages, engine)
    "llguidance": (("llguidance",), LLGuidance),
    "xgrammar": (("xgrammar",), XGrammar),
    "outlines/outlines_core": (("outlines",), OutlinesCore),
    "outlines/llguidance": (("outlines", "llguidance"), OutlinesLLGuidance),
    "outlines/xgrammar": (("outlines", "xgrammar"), OutlinesXGrammar),
    "lm-format-enforcer": (("lmformatenforcer",), LMFormatEnforcer),
}


def installed() -> list[str]:
    """The names of the engines whose packages are there."""
    return [name for name, (packages, _) in ENGINES.items() if all(map(importlib.util.find_spec, packages))]

"""Constraint engines behind one interface: compile a schema, then step through the tokens of an instance.

Each needs its package (``pip install qwen-struct[bench]``); :func:`installed` tells which are there.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

N_VOCAB = 152_064  # the width of Qwen2.5-7B's logits
EOS = 151_645  # <|im_end|>


class Engine(Protocol):
    """One schema and one output at a time."""

    def compile(self, schema: Any) -> None:
        """Compiles ``schema`` for the vocabulary. Raises whatever the engine raises when it refuses."""

    def start(self) -> None:
        """Begins a new output of the compiled schema."""

    def fill(self) -> None:
        """Computes the mask of the next token."""

    def allows(self, token: int) -> bool:
        """Whether the mask allows ``token``."""

    def accept(self, token: int) -> None:
        """Goes on with ``token``."""


class _BitmaskEngine:
    mask: np.ndarray

    def allows(self, token: int) -> bool:
        return bool(int(self.mask[0, token >> 5]) >> (token & 31) & 1)


class QwenStruct(_BitmaskEngine):
    def __init__(self, tokenizer: Path) -> None:
        from qwen_struct.constraint import Vocabulary, allocate_token_bitmask, compile_schema

        self._compile = compile_schema
        self._vocabulary = Vocabulary.from_tokenizer(tokenizer, n_vocab=N_VOCAB, eos_token_ids=[EOS])
        self.mask = allocate_token_bitmask(1, N_VOCAB)

    def compile(self, schema: Any) -> None:
        self._grammar = self._compile(schema, self._vocabulary)

    def start(self) -> None:
        self._matcher = self._grammar.matcher()

    def fill(self) -> None:
        self._matcher.fill_next_token_bitmask(self.mask, 0)

    def accept(self, token: int) -> None:
        self._matcher.accept_token(token)


class LLGuidance(_BitmaskEngine):
    def __init__(self, tokenizer: Path) -> None:
        import llguidance
        import llguidance.hf
        import llguidance.numpy

        self._llguidance, self._numpy = llguidance, llguidance.numpy
        self._tokenizer = llguidance.hf.from_tokenizer(_hf_tokenizer(tokenizer), n_vocab=N_VOCAB)
        self.mask = llguidance.numpy.allocate_token_bitmask(1, N_VOCAB)

    def compile(self, schema: Any) -> None:
        grammar = self._llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema))
        self._first = self._llguidance.LLMatcher(self._tokenizer, grammar)
        if self._first.is_error():
            raise ValueError(self._first.get_error())

    def start(self) -> None:
        self._matcher = self._first.deep_copy()

    def fill(self) -> None:
        self._numpy.fill_next_token_bitmask(self._matcher, self.mask, 0)

    def accept(self, token: int) -> None:
        self._matcher.consume_token(token)


class XGrammar(_BitmaskEngine):
    def __init__(self, tokenizer: Path) -> None:
        import xgrammar

        self._xgrammar = xgrammar
        info = xgrammar.TokenizerInfo.from_huggingface(
            _hf_tokenizer(tokenizer), vocab_size=N_VOCAB, stop_token_ids=[EOS]
        )
        self._compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
        self._tensor = xgrammar.allocate_token_bitmask(1, N_VOCAB)
        self.mask = self._tensor.numpy()

    def compile(self, schema: Any) -> None:
        self._grammar = self._compiler.compile_json_schema(json.dumps(schema))

    def start(self) -> None:
        self._matcher = self._xgrammar.GrammarMatcher(self._grammar)

    def fill(self) -> None:
        self._matcher.fill_next_token_bitmask(self._tensor)

    def accept(self, token: int) -> None:
        self._matcher.accept_token(token)


class OutlinesCore(_BitmaskEngine):
    def __init__(self, tokenizer: Path) -> None:
        import outlines_core

        self._outlines_core = outlines_core
        ids: dict[bytes, list[int]] = {}
        for token, text in enumerate(_token_bytes(tokenizer)):
            if text is not None:
                ids.setdefault(text, []).append(token)
        self._vocabulary = outlines_core.Vocabulary(EOS, ids)
        self.mask = np.zeros((1, -(-N_VOCAB // 32)), np.int32)

    def compile(self, schema: Any) -> None:
        from outlines_core.json_schema import build_regex_from_schema

        pattern = build_regex_from_schema(json.dumps(schema), "[ ]?")
        self._index = self._outlines_core.Index(pattern, self._vocabulary)

    def start(self) -> None:
        self._guide = self._outlines_core.Guide(self._index)

    def fill(self) -> None:
        self._guide.write_mask_into(self.mask.ctypes.data, self.mask.size, 4)

    def accept(self, token: int) -> None:
        self._guide.advance(token, return_tokens=False)


class LMFormatEnforcer:
    def __init__(self, tokenizer: Path) -> None:
        from lmformatenforcer.tokenenforcer import TokenEnforcerTokenizerData

        texts = _token_bytes(tokenizer)
        regular = [(t, text.decode(errors="replace"), False) for t, text in enumerate(texts) if text is not None]

        def decode(tokens: list[int]) -> str:
            return b"".join(texts[t] or b"" for t in tokens).decode(errors="replace")

        self._data = TokenEnforcerTokenizerData(regular, decode, EOS, False, N_VOCAB)

    def compile(self, schema: Any) -> None:
        from lmformatenforcer import JsonSchemaParser, TokenEnforcer

        self._enforcer = TokenEnforcer(self._data, JsonSchemaParser(schema))

    def start(self) -> None:
        self._tokens: list[int] = []

    def fill(self) -> None:
        self._allowed = set(self._enforcer.get_allowed_tokens(self._tokens).allowed_tokens)

    def allows(self, token: int) -> bool:
        return token in self._allowed

    def accept(self, token: int) -> None:
        self._tokens = [*self._tokens, token]


ENGINES: dict[str, tuple[str, Any]] = {  # name: (package, class)
    "qwen_struct": ("qwen_struct", QwenStruct),
    "llguidance": ("llguidance", LLGuidance),
    "xgrammar": ("xgrammar", XGrammar),
    "outlines-core": ("outlines_core", OutlinesCore),
    "lm-format-enforcer": ("lmformatenforcer", LMFormatEnforcer),
}


def installed() -> list[str]:
    """The names of the engines whose packages are there."""
    return [name for name, (package, _) in ENGINES.items() if importlib.util.find_spec(package) is not None]


def _hf_tokenizer(folder: Path) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), eos_token="<|im_end|>")


def _token_bytes(folder: Path) -> tuple[bytes | None, ...]:
    from qwen_struct.constraint import Vocabulary

    return Vocabulary.from_tokenizer(folder, n_vocab=N_VOCAB, eos_token_ids=[EOS]).tokens

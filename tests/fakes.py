"""Small stand-ins: a tokenizer, checkpoints of a few kilobytes, a network with fixed logits, a matcher with a script.

The checkpoints are real ones for transformers: Qwen2 architecture, random weights, made here so that no test needs a
download. The others are for tests of the loop alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from qwen_struct.decode.chat import CHATML
from qwen_struct.decode.model import Model

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CORPUS = [
    '{"name": "Ada", "total": 12.50, "lines": [{"item": "paper", "price": 3}]}',
    "the invoice of the company",
    "发票号码",
]


def toy_tokenizer(num_merges: int = 40) -> PreTrainedTokenizerFast:
    """Byte-level BPE with all 256 bytes, a few merges, Qwen's control tokens and its chat format."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=256 + num_merges, initial_alphabet=alphabet, min_frequency=1, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(SPECIAL)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=CHATML
    )


def tiny_network(n_vocab: int, *, seed: int = 0, **settings: Any) -> Qwen2ForCausalLM:
    """A Qwen2 with random weights, large enough for its choices to depend on the whole prefix."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=n_vocab,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=False,
        initializer_range=0.4,  # far from uniform, so that greedy choices have no near ties
        **{"max_position_embeddings": 4096, **settings},
    )
    return Qwen2ForCausalLM(config).eval()


def save_checkpoint(folder: Path, *, n_vocab: int = 384, seed: int = 0, **settings: Any) -> Path:
    """A whole checkpoint on disk; ``n_vocab`` is wider than its tokenizer, as Qwen2.5's is."""
    tokenizer = toy_tokenizer()
    network = tiny_network(n_vocab, seed=seed, **settings)
    network.generation_config.eos_token_id = [
        tokenizer.convert_tokens_to_ids("<|im_end|>"),
        tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    ]
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def edit_json(path: Path, **changes: Any) -> None:
    """Set members of a JSON file; None removes one."""
    members = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in members.items() if value is not None}))


class FixedNetwork:
    """A network that gives the same logits after every token, and remembers what it was asked to read."""

    def __init__(self, logits: torch.Tensor) -> None:
        self.logits = logits  # (n_vocab,)
        self.config = Qwen2Config(vocab_size=len(logits), num_hidden_layers=1)
        self.read: list[list[int]] = []  # one list a forward pass

    def __call__(self, *, input_ids: torch.Tensor, logits_to_keep: torch.Tensor, **_: Any) -> SimpleNamespace:
        self.read.append(input_ids[0].tolist())
        return SimpleNamespace(logits=self.logits.expand(1, len(logits_to_keep), -1))


def fixed_model(logits: torch.Tensor, eos_token_ids: Sequence[int]) -> Model:
    """A :class:`Model` around a :class:`FixedNetwork`, without a tokenizer."""
    network: Any = FixedNetwork(logits)
    tokenizer: Any = None
    return Model("fixed", network, tokenizer, len(logits), tuple(eos_token_ids), 4096, torch.device("cpu"))


class ScriptedMatcher:
    """A matcher that allows a given set of tokens at each step, whatever came before.

    ``accepting`` lists the steps before which the answer could end; with the last step it is finished.
    """

    def __init__(self, steps: Sequence[Iterable[int]], accepting: Iterable[int] = ()) -> None:
        self._steps = [frozenset(step) for step in steps]
        self._accepting = frozenset(accepting)
        self.accepted: list[int] = []

    def fill_next_token_bitmask(self, bitmask: np.ndarray, row: int) -> None:
        bitmask[row] = 0
        for token in self._steps[len(self.accepted)]:
            bitmask[row, token >> 5] |= np.uint32(1 << (token & 31)).astype(np.int32)

    min_tokens = 0  # it never objects to a limit

    def fill_within(self, bitmask: np.ndarray, row: int, num_tokens: int) -> None:
        self.fill_next_token_bitmask(bitmask, row)

    def rollback(self, num_tokens: int) -> None:
        del self.accepted[len(self.accepted) - num_tokens :]

    def accept_token(self, token_id: int) -> bool:
        allowed = token_id in self._steps[len(self.accepted)]
        if allowed:
            self.accepted.append(token_id)
        return allowed

    def is_accepting(self) -> bool:
        return len(self.accepted) in self._accepting

    def is_finished(self) -> bool:
        return len(self.accepted) == len(self._steps)

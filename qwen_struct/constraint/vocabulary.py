"""A tokenizer's vocabulary as byte strings in a trie, and what is remembered about it across schemas."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from threading import RLock
from typing import Any

from ..errors import ModelError
from ..language.lexemes import END
from ..language.positions import Position
from .bitmask import Bitmask
from .cache import DEFAULT_LIMIT, Cache, CacheInfo
from .masks import Mask, MaskBuilder
from .pool import MaskPool
from .saved import SavedGrammar, load, save
from .tails import PlainTokens, Quotes
from .trie import TokenTrie
from .words import Words

# What only some schemas need, a twentieth of a second in all: better now than when one waits for its first mask.
_NEEDED_BY_SOME = ("idna", "regex", "referencing.jsonschema", "jsonschema_specifications")


class Vocabulary:
    """The tokens that a model chooses among, as bytes.

    ``tokens[i]`` is the text of token ``i``, or None for one that is never text (special tokens, padding). ``n_vocab``
    is the width of the model's logits, often more than the tokenizer has; the surplus is masked always.
    ``eos_token_ids`` end a document. Shareable between threads and schemas. What has been learnt about schemas is
    remembered here, up to ``cache_limit`` bytes; see :meth:`cache_info`, :meth:`save_cache` and :class:`.MaskPool`.
    """

    def __init__(
        self,
        tokens: Sequence[bytes | None],
        *,
        n_vocab: int | None = None,
        eos_token_ids: Sequence[int] = (),
        cache_limit: int = DEFAULT_LIMIT,
    ) -> None:
        self.n_vocab = max([len(tokens), *(t + 1 for t in eos_token_ids)]) if n_vocab is None else n_vocab
        self.eos_token_ids = tuple(sorted(set(eos_token_ids)))
        out_of_range = [t for t in self.eos_token_ids if not 0 <= t < self.n_vocab]
        if len(tokens) > self.n_vocab or out_of_range:
            raise ValueError(
                f"n_vocab={self.n_vocab} must cover the tokenizer's {len(tokens)} tokens and the end-of-sequence "
                f"tokens {list(self.eos_token_ids)}; pass the width of the model's logits"
            )
        ends = set(self.eos_token_ids)
        self.tokens: tuple[bytes | None, ...] = tuple(
            None if i in ends or not token else bytes(token) for i, token in enumerate(tokens)
        )
        self.quotes, self.plain = Quotes(self.tokens), PlainTokens(self.tokens)
        self.num_words = -(-self.n_vocab // 32)  # int32 words in a mask row
        self.trie = TokenTrie(self.tokens)
        self.lock = RLock()  # held while something new is learnt
        for name in _NEEDED_BY_SOME:
            import_module(name)
        self.masks = MaskBuilder(self)  # reads off here what strings have in common, rather than at the first mask
        self.words = Words(self.tokens, self.trie, self.n_vocab)
        self.mask_pool = MaskPool(self.num_words)  # another one when the cache has dropped what was not used for long
        self.finished = Position(None, ((END, None),))  # type: ignore[arg-type]  # after an end-of-sequence token
        self.saved: dict[str, list[SavedGrammar]] = {}  # loaded and not yet asked for, see saved.py
        self.cache = Cache(self, cache_limit)

    @property
    def cache_limit(self) -> int:
        """The bytes that what is remembered may take, beside the vocabulary itself."""
        return self.cache.limit

    @cache_limit.setter
    def cache_limit(self, limit: int) -> None:
        with self.lock:
            self.cache.limit = limit
            self.cache.trim()

    def cache_info(self) -> CacheInfo:
        """What is remembered at the moment, and how much memory it takes."""
        with self.lock:
            return self.cache.info()

    def save_cache(self, path: str | os.PathLike[str]) -> int:
        """Writes the masks and steps of the grammars in use to a file for :meth:`load_cache`; how many grammars.

        The file appears whole or not at all.
        """
        with self.lock:
            return save(self, Path(path))

    def load_cache(self, path: str | os.PathLike[str]) -> int:
        """Takes over what :meth:`save_cache` wrote, also in another process: how many grammars.

        Compiling one of their schemas then costs a look-up, and where documents have been before, masks are there.

        Raises:
            CacheError: not such a file, damaged, or made with another tokenizer or another version of the package.
        """
        with self.lock:
            number = load(self, Path(path))
            self.cache.trim()
        return number

    def mask(self, position: Position) -> Mask:
        """The mask of ``position``, which is new."""
        with self.lock:
            found: Any = position.info
            mask: Mask = found or self.masks.mask(position)
            self.cache.grew()
        return mask

    def add_row(self, pool: MaskPool, row: Bitmask) -> int:
        """The number of ``row`` in ``pool``."""
        number = pool.add(row)
        with self.lock:
            self.cache.grew()
        return number

    def missing_bytes(self) -> tuple[int, ...]:
        """Byte values that no token spells by itself; with any missing, a viable text might have no viable token."""
        single = {token[0] for token in self.tokens if token is not None and len(token) == 1}
        return tuple(b for b in range(256) if b not in single)

    def fingerprint(self) -> str:
        """A hash of everything that masks depend on."""
        digest = hashlib.sha256(f"{self.n_vocab} {self.eos_token_ids}".encode())
        for token in self.tokens:
            digest.update(b"\x00" if token is None else len(token).to_bytes(4, "little") + token)
        return digest.hexdigest()

    @classmethod
    def from_tokenizer(
        cls,
        tokenizer: Any,
        *,
        n_vocab: int | None = None,
        eos_token_ids: Sequence[int] | None = None,
        cache_limit: int = DEFAULT_LIMIT,
    ) -> Vocabulary:
        """The vocabulary of a byte-level BPE tokenizer such as Qwen2.5's.

        ``tokenizer`` is a ``tokenizer.json``, a folder that holds one, or a fast tokenizer of transformers or
        tokenizers. ``n_vocab`` is the width of the model's logits (default: the tokenizer's own size).
        ``eos_token_ids`` default to ``<|im_end|>`` and ``<|endoftext|>`` where the tokenizer has them.

        Raises:
            ModelError: no tokenizer there, or one that is not byte-level.
        """
        document = _load(tokenizer)
        model = document.get("model", {})
        if model.get("type") != "BPE" or not _is_byte_level(document):
            raise ModelError(
                f"the tokenizer's model is {model.get('type')!r} and not byte-level BPE; "
                "qwen_struct works with tokenizers such as Qwen2.5's, whose tokens are byte strings"
            )
        to_byte = {character: byte for byte, character in enumerate(byte_alphabet())}
        added = {entry["content"]: entry for entry in document.get("added_tokens", ())}
        size = 1 + max([*model["vocab"].values(), *(entry["id"] for entry in added.values())])
        tokens: list[bytes | None] = [None] * size
        for text, index in model["vocab"].items():
            if text not in added:
                try:
                    tokens[index] = bytes([to_byte[c] for c in text])
                except KeyError:
                    tokens[index] = None  # not spelled in the byte alphabet: never produced from text
        if eos_token_ids is None:
            eos_token_ids = [added[t]["id"] for t in ("<|im_end|>", "<|endoftext|>") if t in added]
        return cls(
            tokens,
            n_vocab=size if n_vocab is None else n_vocab,
            eos_token_ids=eos_token_ids,
            cache_limit=cache_limit,
        )


def _load(tokenizer: Any) -> dict:
    if isinstance(tokenizer, str | Path):
        path = Path(tokenizer)
        path = path / "tokenizer.json" if path.is_dir() else path
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError(
                f"no tokenizer at {path}: {error}; pass a tokenizer.json or the folder that holds it"
            ) from error
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "to_str"):
        raise ModelError(
            f"{type(tokenizer).__name__} is no fast tokenizer; "
            "load it with AutoTokenizer.from_pretrained(..., use_fast=True)"
        )
    return json.loads(backend.to_str())


def _is_byte_level(document: dict) -> bool:
    def types(part: Any) -> list[str]:
        if not isinstance(part, dict):
            return []
        inner = [*part.get("pretokenizers", ()), *part.get("decoders", ())]
        return [part.get("type", ""), *(t for p in inner for t in types(p))]

    return "ByteLevel" in types(document.get("decoder")) or "ByteLevel" in types(document.get("pre_tokenizer"))


def byte_alphabet() -> list[str]:
    """The character that byte-level BPE writes for each byte: printable ones as they are, the others from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    alphabet, shifted = [], 0x100
    for byte in range(256):
        alphabet.append(chr(byte if byte in printable else shifted))
        shifted += byte not in printable
    return alphabet

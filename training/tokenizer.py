"""Train mini's tokenizer on generated documents: ``python -m training.tokenizer FOLDER``.

Byte-level BPE on Qwen2.5's pieces, so that transformers loads it like any Qwen tokenizer. Within those pieces merges
are learned only where copying allows: a word never joins the space or quote before it, a digit and a Chinese character
stand alone, JSON's punctuation joins. So a value has the same tokens in the text, in a table and in JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from qwen_struct.prompt import SYSTEM, build_messages
from training import values, words
from training.copying import make_exercise
from training.kinds import make_example
from training.variants import make_variant

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
N_VOCAB = 2048
QWEN_PIECES = (  # transformers' Qwen2Tokenizer puts the same ones in place of whatever tokenizer.json says
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
MERGED = (  # within Qwen's pieces, what may become one token
    r"\p{Han}|[\p{L}&&[^\p{Han}]]+|\p{N}"  # a Chinese character, a word, a digit
    r'| ?[{}\[\],:"]+'  # JSON's punctuation, as in `",` and ` {"`
    r"|-+|\n+| +|[\s\S]"  # rules, ends of lines, runs of spaces; any other character alone
)
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def corpus(num_examples: int, seed: int = 0) -> Iterator[str]:
    """Prompts and answers as the model will see them; the fixed instructions less often than they stand there."""
    rng = Random(seed)
    lists = [words.SURNAMES_ZH, words.GIVEN_ZH, *words.CITIES_ZH, *words.BRANDS_ZH, *words.ITEMS_ZH, *words.NOISE_ZH]
    common = sorted(set(words.COMMON_ZH.join(lists)))
    for i in range(num_examples):
        make = make_variant if i % 5 == 0 else make_exercise if i % 5 == 1 else make_example
        example = make(rng)
        yield build_messages(example.schema, example.text)[1]["content"]
        yield json.dumps(example.value, ensure_ascii=False)
        yield "".join(rng.choice(values.HANZI) for _ in range(20))  # the first two bytes of any character
        yield "".join(rng.choice(common) for _ in range(60))
        if i % 4 == 0:
            yield from (SYSTEM, "system", "user", "assistant")


def train(num_examples: int = 12000) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(QWEN_PIECES), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    inner = pre_tokenizers.Split(Regex(MERGED), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, inner, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=N_VOCAB - len(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(num_examples), trainer)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    tokenizer.add_special_tokens(SPECIAL_TOKENS)  # after the rest, as Qwen's stand
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.json and its configuration for AutoTokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": 4096,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "unk_token": None,
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    save(train(), target)
    print(f"tokenizer with {N_VOCAB} entries written to {target}")

"""Train mini's tokenizer on generated documents: ``python -m training.tokenizer [FOLDER]``.

Byte-level BPE in pieces that read the same wherever they stand, which is what copying needs: a word never carries the
space before it, a digit is a piece of its own, so is a Chinese character, and JSON's punctuation is kept together.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from qwen_struct.prompt import SYSTEM, build_messages
from training.copying import make_exercise
from training.documents import make_example
from training.variants import make_variant

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
N_VOCAB = 1024
PIECES = (
    r"\p{N}|\p{Han}|[\p{L}&&[^\p{Han}]]+"  # a digit, a Chinese character, a word
    r'|[{}\[\],:"]+(?: [{}\[\]"]*)?'  # JSON's punctuation, as in `": "` and `"}, {"`
    r'|[^\s\p{L}\p{N}{}\[\],:"]+|\n+| +|\s'  # other punctuation, ends of lines, runs of spaces
)
CHAT_TEMPLATE = (
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def corpus(num_examples: int, seed: int = 0) -> Iterator[str]:
    """Prompts and answers as the model will see them; the fixed instructions less often than they stand there."""
    rng = Random(seed)
    for i in range(num_examples):
        example = make_variant(rng) if i % 5 == 0 else make_example(rng, lang=("en", "zh")[i % 2])
        yield build_messages(example.schema, example.text)[1]["content"]
        yield json.dumps(example.value, ensure_ascii=False)
        yield from (SYSTEM, "system", "user", "assistant") if i % 4 == 0 else make_exercise(rng)


def train(num_examples: int = 12000) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=N_VOCAB - len(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(num_examples), trainer)
    tokenizer.add_special_tokens(SPECIAL_TOKENS)  # after the rest, as Qwen's stand
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path) -> None:
    """Write tokenizer.json and the configuration that makes AutoTokenizer load it as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "TokenizersBackend",
        # For model_type qwen2, AutoTokenizer puts Qwen's own pieces in place of tokenizer.json's, unless an auto_map
        # stands here; without trust_remote_code it then takes the class above and reads the file as it is.
        "auto_map": {"AutoTokenizer": [None, "none.None"]},
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
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("qwen_struct/mini")
    save(train(), target)
    print(f"tokenizer with {N_VOCAB} entries written to {target}")

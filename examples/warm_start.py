"""What one process has learnt about its schemas, taken over by the next: masks come from the file, nothing is compiled.

$ python examples/warm_start.py
saved 1 grammar
loaded 1 grammar
["red", "blue"]: accepted
["red", "red"]: refused after ["red", "
"""

import tempfile
from pathlib import Path

import qwen_struct
from qwen_struct import Vocabulary, allocate_token_bitmask, compile_schema

MODEL = Path(qwen_struct.__file__).parent / "mini"
COLOURS = {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "uniqueItems": True, "minItems": 2}


def try_bytes(vocabulary: Vocabulary, text: str) -> str:
    """Steps through ``text`` byte by byte, with a mask before each as a decoder has it."""
    by_text = {token: i for i, token in enumerate(vocabulary.tokens) if token}
    bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)
    matcher = compile_schema(COLOURS, vocabulary).matcher()
    for byte in text.encode():
        matcher.fill_next_token_bitmask(bitmask)
        if not matcher.accept_token(by_text[bytes([byte])]):
            return f"refused after {matcher.text.decode()}"
    return "accepted" if matcher.is_accepting() else "not complete"


def plural(number: int) -> str:
    return f"{number} grammar{'s' * (number != 1)}"


with tempfile.TemporaryDirectory() as folder:
    cache = Path(folder) / "colours.cache"
    first = Vocabulary.from_tokenizer(MODEL, cache_limit=100_000_000)  # bytes; what was used least recently goes first
    try_bytes(first, '["red", "blue"]')
    print("saved", plural(first.save_cache(cache)))

    second = Vocabulary.from_tokenizer(MODEL)
    print("loaded", plural(second.load_cache(cache)))
    for text in ('["red", "blue"]', '["red", "red"]'):
        print(f"{text}: {try_bytes(second, text)}")

"""The constraint engine on its own, for a decoder of yours: which tokens may come next, one mask a step.

Here the "model" likes every token equally, so the text is nonsense; that it is valid JSON is the engine's work.

$ python examples/masks.py
/type: enforced
/properties/mood/enum: enforced
/properties/score/type: enforced
/properties/score/minimum: enforced
/properties/score/maximum: enforced
/properties: enforced
/required: enforced
/additionalProperties: enforced
  2 of 2048 tokens allowed, took b'{'
  1 of 2048 tokens allowed, took b'"'
  1 of 2048 tokens allowed, took b'm'
  2 of 2048 tokens allowed, took b'o'
  2 of 2048 tokens allowed, took b'od'
  2 of 2048 tokens allowed, took b'":'
  2 of 2048 tokens allowed, took b' "'
  3 of 2048 tokens allowed, took b'ba'
  1 of 2048 tokens allowed, took b'd'
  2 of 2048 tokens allowed, took b'"'
  1 of 2048 tokens allowed, took b','
  2 of 2048 tokens allowed, took b' "'
  1 of 2048 tokens allowed, took b's'
  4 of 2048 tokens allowed, took b'core'
  2 of 2048 tokens allowed, took b'":'
  1 of 2048 tokens allowed, took b' '
  9 of 2048 tokens allowed, took b'8'
  2 of 2048 tokens allowed, took b'}'
  2 of 2048 tokens allowed, took 'the end'
"""

import random
from pathlib import Path

import numpy as np

import qwen_struct
from qwen_struct import Vocabulary, allocate_token_bitmask, compile_schema

SCHEMA = {
    "type": "object",
    "properties": {"mood": {"enum": ["good", "bad"]}, "score": {"type": "integer", "minimum": 1, "maximum": 10}},
    "required": ["mood", "score"],
    "additionalProperties": False,
}

vocabulary = Vocabulary.from_tokenizer(Path(qwen_struct.__file__).parent / "mini")  # any Qwen2.5 folder works the same
grammar = compile_schema(SCHEMA, vocabulary, key_order="schema")  # share it between threads and outputs
for use in grammar.report:
    print(f"{use.pointer}: {use.status}")

matcher = grammar.matcher()  # one for each output
bitmask = allocate_token_bitmask(1, vocabulary.n_vocab)  # int32 (batch, ceil(n_vocab / 32))
dice = random.Random(1)
while not matcher.is_finished():
    matcher.fill_next_token_bitmask(bitmask, 0)
    allowed = np.flatnonzero(np.unpackbits(bitmask.view(np.uint8), bitorder="little"))  # bit t of word t >> 5
    token_id = int(dice.choice(allowed))
    assert matcher.accept_token(token_id)
    took = vocabulary.tokens[token_id] or "the end"
    print(f"{len(allowed):3} of {vocabulary.n_vocab} tokens allowed, took {took!r}")

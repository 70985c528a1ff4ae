"""SchemaLogitsProcessor in transformers' own generate() and pipelines: the bundled model, and small random ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest
import torch
from fakes import tiny_network, toy_tokenizer
from pydantic import BaseModel, Field
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, Qwen2ForCausalLM, pipeline

import qwen_struct
from qwen_struct import BudgetError, Extractor, InvalidSchemaError, ModelError, Vocabulary, compile_schema, validate
from qwen_struct.decode.chat import encode_chat
from qwen_struct.integrations.transformers import SchemaLogitsProcessor, vocabulary_of
from qwen_struct.prompt import build_messages

ROOT = Path(__file__).resolve().parent.parent
MINI = Path(qwen_struct.__file__).parent / "mini"
INVOICE = f"{ROOT}/schemas/invoice.py:Invoice"
N_VOCAB = 384  # wider than the toy tokenizer, as Qwen2.5's logits are wider than its own


class Item(BaseModel):
    colour: Literal["red", "green", "深蓝"]
    count: int = Field(ge=0, le=99)
    fresh: bool


PAIR = {
    "type": "object",
    "properties": {"a": {"enum": [1, "two", None]}, "b": {"type": "boolean"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
NUMBERS = {"type": "array", "items": {"type": "integer", "minimum": 10, "maximum": 99}, "minItems": 2, "maxItems": 4}
PROMPTS = ["the invoice", "the invoice of the company, which is a much longer prompt than the first"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    tokenizer = toy_tokenizer()
    tokenizer.padding_side = "left"
    return tokenizer


@pytest.fixture(scope="module")
def network(tokenizer: PreTrainedTokenizerBase) -> Qwen2ForCausalLM:
    network = tiny_network(N_VOCAB)
    network.generation_config.eos_token_id = [
        tokenizer.convert_tokens_to_ids("<|im_end|>"),
        tokenizer.convert_tokens_to_ids("<|endoftext|>"),
    ]
    network.generation_config.pad_token_id = tokenizer.pad_token_id
    return network


@pytest.fixture(scope="module")
def mini() -> tuple[Any, PreTrainedTokenizerBase]:
    model = AutoModelForCausalLM.from_pretrained(MINI, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(MINI)


def answers(tokenizer: Any, output: torch.Tensor, prompt: torch.Tensor) -> list[str]:
    return tokenizer.batch_decode(output[:, prompt.shape[1] :], skip_special_tokens=True)


def generate(
    network: Any, tokenizer: Any, processor: SchemaLogitsProcessor, prompts: list[str], **options: Any
) -> list[str]:
    inputs = tokenizer(prompts, return_tensors="pt", padding=True)
    settings = {"max_new_tokens": 120, "do_sample": False, **options}
    output = network.generate(**inputs, logits_processor=[processor], **settings)
    return answers(tokenizer, output, inputs["input_ids"])


# What comes out


def test_greedy_on_the_bundled_model_is_what_extract_says(mini: tuple[Any, PreTrainedTokenizerBase]) -> None:
    model, tokenizer = mini
    text = (ROOT / "schemas" / "invoice.txt").read_text(encoding="utf-8")
    from qwen_struct.schema.inputs import load_schema

    prompt = torch.tensor([encode_chat(tokenizer, build_messages(load_schema(INVOICE).json_schema, text))])
    output = model.generate(
        prompt, logits_processor=[SchemaLogitsProcessor(INVOICE, tokenizer, model)], max_new_tokens=500, do_sample=False
    )
    (answer,) = answers(tokenizer, output, prompt)
    assert answer == Extractor((model, tokenizer)).run(text, INVOICE, drafts=False).text


def test_without_the_processor_the_answer_is_no_json(network: Any, tokenizer: Any) -> None:
    inputs = tokenizer(PROMPTS[:1], return_tensors="pt")
    output = network.generate(**inputs, max_new_tokens=60, do_sample=False)
    with pytest.raises(ValueError):
        json.loads(answers(tokenizer, output, inputs["input_ids"])[0])


@pytest.mark.parametrize("seed", range(5))
def test_sampling(network: Any, tokenizer: Any, seed: int) -> None:
    torch.manual_seed(seed)
    processor = SchemaLogitsProcessor(Item, tokenizer, network)
    for answer in generate(network, tokenizer, processor, PROMPTS, do_sample=True, temperature=1.5, top_k=0):
        validate(json.loads(answer), Item)


def test_sampling_several_sequences_for_each_prompt(network: Any, tokenizer: Any) -> None:
    torch.manual_seed(0)
    processor = SchemaLogitsProcessor([Item, PAIR], tokenizer, network)
    texts = generate(network, tokenizer, processor, PROMPTS, do_sample=True, num_return_sequences=4, top_k=0)
    assert len(texts) == 8
    for answer in texts[:4]:
        validate(json.loads(answer), Item)
    for answer in texts[4:]:
        jsonschema.validate(json.loads(answer), PAIR)


@pytest.mark.parametrize("do_sample", [False, True])
def test_beams(network: Any, tokenizer: Any, do_sample: bool) -> None:
    torch.manual_seed(0)
    processor = SchemaLogitsProcessor([NUMBERS, Item], tokenizer, network)
    options = {"num_beams": 3, "num_return_sequences": 3, "do_sample": do_sample}
    texts = generate(network, tokenizer, processor, PROMPTS, **options)
    for answer in texts[:3]:
        jsonschema.validate(json.loads(answer), NUMBERS)
    for answer in texts[3:]:
        validate(json.loads(answer), Item)
    if not do_sample:
        assert len(set(texts[:3])) > 1  # not 3: two may differ only in the token that ends them


def test_more_beams_than_documents(network: Any, tokenizer: Any) -> None:
    processor = SchemaLogitsProcessor({"enum": ["x", "y"]}, tokenizer, network)
    texts = generate(network, tokenizer, processor, PROMPTS[:1], num_beams=4, num_return_sequences=2)
    assert set(texts) <= {'"x"', '"y"'}


def test_rows_padded_on_the_left_are_what_they_are_alone(network: Any, tokenizer: Any) -> None:
    schemas = [PAIR, Item, NUMBERS]
    prompts = [*PROMPTS, "发票号码"]
    together = generate(network, tokenizer, SchemaLogitsProcessor(schemas, tokenizer, network), prompts)
    alone = [
        generate(network, tokenizer, SchemaLogitsProcessor(schema, tokenizer, network), [prompt])[0]
        for schema, prompt in zip(schemas, prompts, strict=True)
    ]
    assert together == alone
    jsonschema.validate(json.loads(together[0]), PAIR)
    validate(json.loads(together[1]), Item)
    jsonschema.validate(json.loads(together[2]), NUMBERS)


@pytest.mark.parametrize("schema", [Item, PAIR, NUMBERS], ids=["Item", "PAIR", "NUMBERS"])
@pytest.mark.parametrize("num_drafted", [1, 3, 10])
def test_prompt_lookup_gives_the_tokens_of_plain_greedy(
    network: Any, tokenizer: Any, schema: Any, num_drafted: int
) -> None:
    prompt = ['[10, 11, 12, 10, 99]{"colour": "red", "count": 12, "fresh": true}{"a": "two", "b": false}' * 2]
    plain = generate(network, tokenizer, SchemaLogitsProcessor(schema, tokenizer, network), prompt)
    processor = SchemaLogitsProcessor(schema, tokenizer, network)
    looked_up = generate(network, tokenizer, processor, prompt, prompt_lookup_num_tokens=num_drafted)
    assert looked_up == plain


def test_prompt_lookup_saves_passes(mini: tuple[Any, PreTrainedTokenizerBase], monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = mini
    passes = 0
    forward = model.forward

    def counted(*arguments: Any, **keywords: Any) -> Any:
        nonlocal passes
        passes += 1
        return forward(*arguments, **keywords)

    monkeypatch.setattr(model, "forward", counted)
    prompt = torch.tensor([tokenizer.encode('["one", "two", "one", "two"] again: ')])
    schema = {"type": "array", "items": {"enum": ["one", "two"]}, "minItems": 12, "maxItems": 12}
    counts, texts = [], []
    for options in ({}, {"prompt_lookup_num_tokens": 8}):
        passes = 0
        processor = SchemaLogitsProcessor(schema, tokenizer, model)
        output = model.generate(prompt, logits_processor=[processor], max_new_tokens=120, do_sample=False, **options)
        texts += answers(tokenizer, output, prompt)
        counts.append(passes)
    assert texts[0] == texts[1]
    assert counts[1] < 0.7 * counts[0]


def test_an_assistant_model_gives_the_tokens_of_plain_greedy(network: Any, tokenizer: Any) -> None:
    assistant = tiny_network(N_VOCAB, seed=3)
    assistant.generation_config = network.generation_config
    plain = generate(network, tokenizer, SchemaLogitsProcessor(Item, tokenizer, network), PROMPTS[:1])
    processor = SchemaLogitsProcessor(Item, tokenizer, network)
    assert generate(network, tokenizer, processor, PROMPTS[:1], assistant_model=assistant) == plain


def test_an_assistant_with_narrower_logits(network: Any, tokenizer: Any) -> None:
    """As Qwen2.5's small models have; transformers then encodes all text again for the assistant, and back."""
    assistant = tiny_network(N_VOCAB - 20, seed=3)
    assistant.generation_config = network.generation_config
    inputs = tokenizer(PROMPTS[1:], return_tensors="pt")
    texts = []
    for options in ({}, {"assistant_model": assistant, "tokenizer": tokenizer, "assistant_tokenizer": tokenizer}):
        processor = SchemaLogitsProcessor(Item, tokenizer, network)
        output = network.generate(
            **inputs, logits_processor=[processor], max_new_tokens=120, do_sample=False, **options
        )
        texts += answers(tokenizer, output, inputs["input_ids"])
    assert texts[0] == texts[1]


def test_a_text_generation_pipeline(network: Any, tokenizer: Any) -> None:
    pipe = pipeline("text-generation", model=network, tokenizer=tokenizer)
    processor = SchemaLogitsProcessor(Item, tokenizer, network)
    options = {"logits_processor": [processor], "return_full_text": False, "max_new_tokens": 120, "do_sample": False}
    one_by_one = [pipe(prompt, **options)[0]["generated_text"] for prompt in PROMPTS]  # the processor sees each prompt
    for answer in one_by_one:
        validate(json.loads(answer), Item)
    together = pipe(PROMPTS, batch_size=2, **options)
    assert [answer[0]["generated_text"] for answer in together] == one_by_one


def test_the_real_vocabulary(wide_checkpoint: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(wide_checkpoint)
    tokenizer = AutoTokenizer.from_pretrained(wide_checkpoint)
    processor = SchemaLogitsProcessor(Item, tokenizer, model)
    assert (processor.vocabulary.n_vocab, len(tokenizer)) == (152_064, 151_665)
    for answer in generate(model, tokenizer, processor, ["x"], num_beams=2, num_return_sequences=2):
        validate(json.loads(answer), Item)


# A limit

LONG = {
    "type": "object",
    "properties": {"rows": {"type": "array", "items": {"type": "string"}}, "count": {"type": "integer"}},
    "required": ["rows", "count"],
    "additionalProperties": False,
}


@pytest.mark.parametrize("more", [0, 1, 5, 40])
@pytest.mark.parametrize(
    "options",
    [
        {"do_sample": False},
        {"do_sample": True, "top_k": 0, "num_return_sequences": 3},
        {"num_beams": 3, "num_return_sequences": 3},
        {"do_sample": False, "prompt_lookup_num_tokens": 4},
    ],
    ids=["greedy", "sampled", "beams", "lookup"],
)
def test_an_answer_is_complete_at_its_limit(network: Any, tokenizer: Any, more: int, options: dict[str, Any]) -> None:
    torch.manual_seed(more)
    least = SchemaLogitsProcessor(LONG, tokenizer, network).grammars[0].min_tokens
    limit = least + more
    processor = SchemaLogitsProcessor(LONG, tokenizer, network, max_new_tokens=limit)
    prompt = ['{"rows": ["a", "b", "a", "b"], "count": 12} {"rows": ["a", "b", "a"']
    for answer in generate(network, tokenizer, processor, prompt, max_new_tokens=limit, **options):
        jsonschema.validate(json.loads(answer), LONG)


def test_without_a_limit_the_answer_is_cut(network: Any, tokenizer: Any) -> None:
    processor = SchemaLogitsProcessor(LONG, tokenizer, network)
    (answer,) = generate(network, tokenizer, processor, PROMPTS[:1], max_new_tokens=14)
    with pytest.raises(ValueError):
        json.loads(answer)


def test_rows_of_different_schemas_share_the_limit(network: Any, tokenizer: Any) -> None:
    processor = SchemaLogitsProcessor([Item, LONG], tokenizer, network, max_new_tokens=40)
    item, long = generate(network, tokenizer, processor, PROMPTS, max_new_tokens=40)
    validate(json.loads(item), Item)
    jsonschema.validate(json.loads(long), LONG)


def test_a_limit_below_the_shortest_document_is_refused(network: Any, tokenizer: Any) -> None:
    with pytest.raises(
        BudgetError, match=r"max_new_tokens is 5 and the schema's shortest document takes \d+"
    ) as caught:
        SchemaLogitsProcessor([{"enum": ["x"]}, LONG], tokenizer, network, max_new_tokens=5)
    assert caught.value.minimum is not None
    SchemaLogitsProcessor(LONG, tokenizer, network, max_new_tokens=caught.value.minimum)


def test_a_prefix_beyond_the_limit_still_has_a_mask(network: Any, tokenizer: Any, encode: Any) -> None:
    processor = SchemaLogitsProcessor(LONG, tokenizer, network, prompt_length=0, max_new_tokens=20)
    document = encode('{"rows": ["' + "x" * 40)
    for length in range(document.shape[1] + 1):
        assert allowed(processor(document[:, :length], ones()))[0]


# What it promises to generate()


def ones(rows: int = 1) -> torch.Tensor:
    return torch.ones(rows, N_VOCAB)


def allowed(scores: torch.Tensor) -> list[list[int]]:
    return [torch.isfinite(row).nonzero().flatten().tolist() for row in scores]


@pytest.fixture
def encode(tokenizer: Any) -> Callable[..., torch.Tensor]:
    """Token ids of texts of equal length, (rows, tokens)."""

    def encoded(*texts: str) -> torch.Tensor:
        return torch.tensor([tokenizer.encode(text) for text in texts])

    return encoded


def test_scores_are_left_as_they_are(network: Any, tokenizer: Any, encode: Any) -> None:
    scores = ones()
    masked = SchemaLogitsProcessor(PAIR, tokenizer, network)(encode("x"), scores)
    assert torch.equal(scores, ones())
    assert [tokenizer.decode(token) for token in allowed(masked)[0]] == ["{", '{"']
    masked[0, 0] = 1.0  # a processor that comes later may write into them


def test_it_is_a_function_of_the_prefix_alone(network: Any, tokenizer: Any, encode: Any) -> None:
    """Prefixes in any order, those of a draft that was refused among them, have the masks that they have alone."""
    prompt, document = encode("prompt "), encode('{"a": "two", "b": true}')
    ids = torch.cat([prompt, document], dim=1)
    start, end = prompt.shape[1], ids.shape[1]
    processor = SchemaLogitsProcessor(PAIR, tokenizer, network)
    lengths = [start, *range(start, start + 5), *range(start + 2, start + 6), *range(start, end + 1), start + 3]
    seen = [allowed(processor(ids[:, :length], ones())) for length in lengths]
    alone = SchemaLogitsProcessor(PAIR, tokenizer, network, prompt_length=start)
    assert seen == [allowed(alone(ids[:, :length], ones())) for length in lengths]
    vocabulary = processor.vocabulary
    for length, masks in zip(lengths, seen, strict=True):
        matcher = compile_schema(PAIR, vocabulary, key_order="schema", float_integers=False).matcher()
        assert all(matcher.accept_token(token) for token in ids[0, start:length].tolist())
        bitmask = qwen_struct.allocate_token_bitmask(1, vocabulary.n_vocab)
        matcher.fill_next_token_bitmask(bitmask)
        assert masks[0] == [t for t in range(N_VOCAB) if bitmask[0, t >> 5] >> (t & 31) & 1]


def test_one_accepted_token_a_row_and_step(
    network: Any, tokenizer: Any, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qwen_struct.constraint import Matcher

    accepted: list[int] = []
    accept = Matcher.accept_token
    monkeypatch.setattr(Matcher, "accept_token", lambda self, token: accepted.append(token) or accept(self, token))
    documents = encode("[10, 20, 30]", "[11, 21, 31]")
    processor = SchemaLogitsProcessor(NUMBERS, tokenizer, network, prompt_length=0)
    for length in range(documents.shape[1] + 1):
        processor(documents[:, :length], ones(2))
        processor(documents.flip(0)[:, :length], ones(2))  # as beams change places
    shared = 2  # "[" and "1" begin both
    assert len(accepted) <= 2 * documents.shape[1]
    assert len(accepted) >= 2 * documents.shape[1] - shared


def test_a_prefix_that_was_forgotten_is_read_again(
    network: Any, tokenizer: Any, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_struct.integrations.transformers.PREFIXES_KEPT", 2)
    document = encode('{"a": "two", "b": true}')
    processor = SchemaLogitsProcessor(PAIR, tokenizer, network, prompt_length=0)
    first = [allowed(processor(document[:, :n], ones())) for n in range(document.shape[1])]
    assert [allowed(processor(document[:, :n], ones())) for n in range(document.shape[1])] == first
    assert len(processor._prefixes._kept) <= 4


def test_past_the_end_and_off_the_grammar_only_the_end_is_left(network: Any, tokenizer: Any, encode: Any) -> None:
    end, pad = sorted([tokenizer.eos_token_id, tokenizer.pad_token_id]), tokenizer.pad_token_id
    processor = SchemaLogitsProcessor({"enum": ["x"]}, tokenizer, network, prompt_length=0)
    document = encode('"x"')
    after_end = torch.cat([document, torch.tensor([[tokenizer.eos_token_id, pad, pad]])], dim=1)
    for ids in (document, after_end, torch.cat([after_end, document], dim=1), encode("no json")):
        assert allowed(processor(ids, ones())) == [sorted(end)]


def test_a_token_is_left_when_other_processors_forbid_all_that_are_allowed(
    network: Any, tokenizer: Any, encode: Any
) -> None:
    scores = ones()
    scores[:, [tokenizer.eos_token_id, tokenizer.pad_token_id]] = -torch.inf  # as min_new_tokens does
    processor = SchemaLogitsProcessor({"enum": ["x"]}, tokenizer, network, prompt_length=0)
    masked = processor(encode('"x"'), scores)
    assert allowed(masked) == [sorted([tokenizer.eos_token_id, tokenizer.pad_token_id])]
    answer = generate(
        network, tokenizer, SchemaLogitsProcessor({"enum": ["x"]}, tokenizer, network), ["p"], min_new_tokens=10
    )
    assert answer == ['"x"']


def test_a_processor_serves_one_generation_after_another(network: Any, tokenizer: Any) -> None:
    processor = SchemaLogitsProcessor(Item, tokenizer, network)
    fresh = [generate(network, tokenizer, SchemaLogitsProcessor(Item, tokenizer, network), [p])[0] for p in PROMPTS]
    for number in (0, 1, 0, 0, 1):  # shorter, longer, and the same again
        assert generate(network, tokenizer, processor, [PROMPTS[number]]) == [fresh[number]]


def test_a_prompt_that_holds_the_last_answer_is_a_new_one(network: Any, tokenizer: Any) -> None:
    processor = SchemaLogitsProcessor(Item, tokenizer, network)
    (answer,) = generate(network, tokenizer, processor, PROMPTS[:1])
    (again,) = generate(network, tokenizer, processor, [f"{PROMPTS[0]}{answer}<|im_end|>\n"])
    validate(json.loads(again), Item)


def test_an_answer_that_has_begun_is_gone_on_with(network: Any, tokenizer: Any, encode: Any) -> None:
    begun = '{"colour": "green", "count'
    prompt_length = encode(PROMPTS[0]).shape[1]
    processor = SchemaLogitsProcessor(Item, tokenizer, network, prompt_length=prompt_length)
    (rest,) = generate(network, tokenizer, processor, [PROMPTS[0] + begun])
    assert validate(json.loads(begun + rest), Item).colour == "green"
    processor = SchemaLogitsProcessor(Item, tokenizer, network)
    (whole,) = generate(network, tokenizer, processor, [PROMPTS[0] + begun])
    validate(json.loads(whole), Item)


def test_reset_begins_anew(network: Any, tokenizer: Any, encode: Any) -> None:
    processor = SchemaLogitsProcessor({"enum": ["x"]}, tokenizer, network)
    first = allowed(processor(encode("p"), ones()))
    assert allowed(processor(encode('p"'), ones())) != first
    processor.reset()
    assert allowed(processor(encode('p"'), ones())) == first


# What it is made with


def test_a_compiled_grammar_keeps_its_options(network: Any, tokenizer: Any) -> None:
    vocabulary = vocabulary_of(tokenizer, network)
    grammar = compile_schema(PAIR, vocabulary, whitespace="compact", key_order="schema")
    (answer,) = generate(network, tokenizer, SchemaLogitsProcessor(grammar, vocabulary), PROMPTS[:1])
    assert answer == json.dumps(json.loads(answer), separators=(",", ":"))
    other = Vocabulary.from_tokenizer(tokenizer, n_vocab=N_VOCAB)
    with pytest.raises(ValueError, match="compiled for another vocabulary"):
        SchemaLogitsProcessor(grammar, other)


def test_processors_of_one_tokenizer_share_what_they_learn(network: Any, tokenizer: Any) -> None:
    first, second = (SchemaLogitsProcessor(PAIR, tokenizer, network) for _ in range(2))
    assert first.vocabulary is second.vocabulary
    assert first.grammars[0] is second.grammars[0]


def test_the_width_of_the_logits_is_enough(network: Any, tokenizer: Any) -> None:
    processor = SchemaLogitsProcessor(PAIR, tokenizer, N_VOCAB)
    assert processor.vocabulary.eos_token_ids == (tokenizer.eos_token_id,)
    (answer,) = generate(network, tokenizer, processor, PROMPTS[:1])
    jsonschema.validate(json.loads(answer), PAIR)


def test_what_does_not_fit_together_is_refused(network: Any, tokenizer: Any, encode: Any) -> None:
    with pytest.raises(ModelError, match=r"the tokenizer has \d+ tokens and the logits are only 100 wide"):
        SchemaLogitsProcessor(PAIR, tokenizer, 100)
    with pytest.raises(TypeError, match="give the model or the width of its logits"):
        SchemaLogitsProcessor(PAIR, tokenizer)
    with pytest.raises(InvalidSchemaError):
        SchemaLogitsProcessor({"type": "nonsense"}, tokenizer, network)
    with pytest.raises(ValueError, match="empty list"):
        SchemaLogitsProcessor([], tokenizer, network)
    with pytest.raises(ValueError, match="3 rows cannot be shared among 2 schemas"):
        SchemaLogitsProcessor([PAIR, Item], tokenizer, network)(encode("x", "y", "z"), ones(3))
    with pytest.raises(ModelError, match="the logits are only 100 wide"):
        SchemaLogitsProcessor(PAIR, tokenizer, network)(encode("x"), torch.ones(1, 100))
    with pytest.raises(ModelError, match="nothing ends an answer"):
        SchemaLogitsProcessor(PAIR, Vocabulary([b"{", b"}"], n_vocab=N_VOCAB))

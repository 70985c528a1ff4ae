"""The generator of training data: what it asks for can be answered from what it shows."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from random import Random

import jsonschema
import pytest

from qwen_struct.decode.chat import encode_chat
from qwen_struct.prompt import build_messages
from qwen_struct.schema.inputs import load_schema
from training import tables
from training.batches import READ_WEIGHT, batches, example_row, foretold, head_ids
from training.catalogue import TEMPLATED, UNSEEN_KINDS
from training.copying import make_exercise
from training.documents import Example, Style
from training.fields import COLUMNS, HEADER, names
from training.kinds import KINDS, make_example
from training.naming import make_naming
from training.pointing import NOWHERE, START, STRUCTURE, sources_of, weights_of
from training.spelling import DATES, DATES_ZH, SMALL, SMALL_ZH, Spelling, capital_zh
from training.templates import Filling, tidy
from training.variants import CLASSES, FOLDER, MAKERS, make_variant, original

MINI = Path(__file__).resolve().parent.parent / "qwen_struct" / "mini"
SEEDS = range(40)


@pytest.fixture(scope="module")
def tokenizer():
    return pytest.importorskip("transformers").AutoTokenizer.from_pretrained(MINI)


def strings_of(value):
    """Every string and number in a JSON value."""
    if isinstance(value, dict):
        return [scalar for child in value.values() for scalar in strings_of(child)]
    if isinstance(value, list):
        return [scalar for child in value for scalar in strings_of(child)]
    return [] if value is None or isinstance(value, bool) else [value]


def is_shown(value, text: str) -> bool:
    """Whether ``text`` holds the value as it is, or, for a date, number or enum member, as people spell it."""
    if isinstance(value, str) and (value in text or text.count(value[:4]) > 0 and value[4:5] == "-"):
        return True
    if isinstance(value, str):
        return False
    return any(spelled in text for spelled in numbers(value))


def numbers(value) -> set[str]:
    """The ways a document may write a number, without sign."""
    value = abs(value)
    plain = [str(value), *(f"{value:,.{decimals}f}" for decimals in (1, 2) if round(value, decimals) == value)]
    plain += [f"{value:,}", f"{value:.2f}"] if round(value, 2) == value else []
    marks = [(",", "."), ("", "."), (".", ","), (" ", ","), ("'", ".")]
    found = {p.replace(",", "_").replace(".", point).replace("_", group) for p in plain for group, point in marks}
    if value == int(value) and 0 <= value <= 12:
        found |= {SMALL[int(value)], SMALL_ZH[int(value)]}
    millions = f"{value / 1e6:.1f} million"
    return found | {millions, millions.replace(".", ","), f"{value / 10000:.2f}".rstrip("0").rstrip(".") + "万"}


def check(example: Example) -> None:
    jsonschema.validate(example.value, example.schema)
    for value in strings_of(example.value):
        assert is_shown(value, example.text), (value, example.text)


def dates(iso: str) -> set[str]:
    """The ways a document may write a date."""
    plain = Spelling("en", date.today(), "", "", "", "", "")
    return {replace(plain, dates=style).day(date.fromisoformat(iso)) for style in DATES + DATES_ZH}


def check_by_type(value, schema, text: str) -> None:
    """A date, number or copied string stands in the text, spelled as its type allows."""
    if "anyOf" in schema:
        schema = schema["anyOf"][0] | {key: schema[key] for key in schema.keys() & {"description"}}
    if isinstance(value, dict):
        for key, child in value.items():
            check_by_type(child, schema["properties"][key], text)
    elif isinstance(value, list):
        for child in value:
            check_by_type(child, schema["items"], text)
    elif value is None or isinstance(value, bool) or "enum" in schema:
        return
    elif isinstance(value, str):
        said = dates(value) if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else {value}
        assert any(spelled in text for spelled in said), (value, text)
        if schema.get("format") == "date" or schema.get("pattern"):
            date.fromisoformat(value)
    else:
        assert any(spelled in text for spelled in numbers(value)), (value, text)


UNFILLED = re.compile(r"\{!?[a-z_.0-9]+(\([^)]*\))?([?:][^\s{}][^{}]*)?\}")  # a slot; in YAML a space follows a colon


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("kind", sorted(TEMPLATED | UNSEEN_KINDS))
def test_templates_show_every_value(kind, lang, held_out):
    for seed in SEEDS:
        example = make_example(Random(seed), kind, lang, unseen=seed % 2 == 0, held_out=held_out)
        jsonschema.validate(example.value, example.schema)
        check_by_type(example.value, example.schema, example.text)
        assert not re.search("[\0⟨⟩⟦⟧‖¦]", example.text), example.text
        assert not UNFILLED.search(example.text) and example.text.count("{") == example.text.count("}"), example.text


@pytest.mark.parametrize("kind", sorted(TEMPLATED))
def test_templates_and_names_kept_for_testing_are_not_trained_with(kind):
    for lang in ("en", "zh"):
        trained = TEMPLATED[kind].templates(lang, held_out=False)
        (kept,) = TEMPLATED[kind].templates(lang, held_out=True)
        assert len(trained) >= 2 and kept not in trained
    for slot in TEMPLATED[kind].slots.values():
        for lang, keys in (("en", slot.keys), ("zh", slot.keys_zh)):
            assert keys, slot.name
            if len(keys) > 2:
                (unseen,) = {slot.key(Random(seed), lang, unseen=True)[0] for seed in SEEDS}
                assert unseen not in {slot.key(Random(seed), lang, unseen=False)[0] for seed in SEEDS}


def test_layouts_kept_for_testing_are_not_trained_with():
    assert not set(tables.HELD_OUT) & {*tables.LABELLED, *tables.LABELLED_ZH}
    assert not set(tables.HELD_OUT_ROWS) & set(tables.ROWS)
    assert not set(UNSEEN_KINDS) & {*TEMPLATED, *KINDS}
    drawn = {make_example(Random(seed)).kind for seed in range(1000)}
    assert drawn == {*TEMPLATED, *KINDS}


def test_absent_values_are_null_or_left_out():
    schema, value = {}, {}
    for seed in range(200):
        example = make_example(Random(seed), "receipt")
        if isinstance(example.value, dict):
            schema |= {key: child for key, child in example.schema["properties"].items() if key not in example.value}
            value |= {key: child for key, child in example.value.items() if child is None}
    assert schema and value


def test_a_line_that_is_left_out_says_nothing():
    style = Style("en", "en", "snake", 0.0)
    filling = Filling(Random(0), TEMPLATED["receipt"], style, Spelling.draw(Random(0), "en"))
    filling.make()
    filling.raw |= {"time": None, "number": "12-7"}
    assert filling.text("{date}\n{time} ⟦No. {number}⟧\n{store}⟦, {time}⟧") == "\n".join(
        [filling.given["date"].text, filling.given["store"].text]
    )
    assert set(filling.given) == {"date", "store"}


@pytest.mark.parametrize(
    "left, tidied",
    [
        ("Sturdy.  Leave it.", "Sturdy. Leave it."),
        ("By cash. . .", "By cash."),
        ("告知张三。。期限", "告知张三。期限"),
        (", again in room 7", "again in room 7"),
        ("Total   12", "Total   12"),
    ],
)
def test_parts_left_out_leave_no_holes(left, tidied):
    assert tidy(left) == tidied


@pytest.mark.parametrize(
    "amount, capitals",
    [
        (20000, "贰万元整"),
        (12034.5, "壹万贰仟零叁拾肆元伍角整"),
        (100500, "壹拾万零伍佰元整"),
        (7.08, "柒元零捌分"),
    ],
)
def test_amounts_in_chinese_capitals(amount, capitals):
    assert capital_zh(amount) == capitals


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_documents_show_every_value(kind):
    for seed in SEEDS:
        check(make_example(Random(seed), kind))


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_variants_show_every_value(name):
    for seed in SEEDS:
        check(make_variant(Random(seed), name))
    check(original(name))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_same_seed_makes_the_same_document(lang):
    assert make_example(Random(7), lang=lang) == make_example(Random(7), lang=lang)
    assert make_example(Random(7), lang=lang) != make_example(Random(8), lang=lang)


def test_keys_stand_in_the_order_of_the_schema():
    for seed in SEEDS:
        example = make_variant(Random(seed), "invoice")
        assert list(example.value) == list(example.schema["properties"])


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_exercises_show_every_value(lang):
    for seed in range(200):
        check(make_exercise(Random(seed), lang))


def test_some_names_are_kept_for_testing():
    for field in HEADER + COLUMNS:
        for synonyms in (field.english, field.chinese):
            trained, kept = names(synonyms, unseen=False), names(synonyms, unseen=True)
            assert trained and kept
            assert len(synonyms) < 3 or not set(trained) & set(kept)


def test_batches_are_the_same_after_a_resume(tokenizer):
    backend = tokenizer.backend_tokenizer
    whole, resumed = batches(backend, 1, 0), batches(backend, 1, 3)
    for _ in range(3):
        next(whole)
    for _ in range(6):
        one, other = next(whole), next(resumed)
        assert one.ids.equal(other.ids) and one.weights.equal(other.weights) and one.kinds == other.kinds


def test_read_tokens_count_where_the_row_foretells_them():
    assert foretold([1, 2, 3, 1, 2, 3, 1, 2, 4]) == [0, 0, 0, 0, 0, READ_WEIGHT, READ_WEIGHT, READ_WEIGHT, 0]


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_training_reads_the_prompt_that_the_extractor_sends(tokenizer, name):
    asked = load_schema(f"{FOLDER}/{name}.py:{CLASSES[name]}")
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    sent = encode_chat(tokenizer, build_messages(asked.json_schema, text, None))
    row = example_row(tokenizer.backend_tokenizer, original(name))
    head = head_ids(tokenizer.backend_tokenizer)
    assert (head + row.ids)[: len(sent)] == sent
    num_read = len(sent) - len(head)
    assert min(row.weights[num_read:]) > READ_WEIGHT >= max(row.weights[:num_read])


def test_values_point_to_where_they_stand(tokenizer):
    """Each copied token has its twin in the document; what stands more often than it is asked for has none."""
    backend = tokenizer.backend_tokenizer
    text = "Pad 4\nBuyer: Halden AG\nTotal: 12,50\nCity: Köln\nCounty: Köln\nPin: 4711"
    value = {"buyer": "Halden AG", "total": 12.5, "city": "Köln", "pin": "471", "said": 'a "b"', "to": "4711"}
    row = example_row(backend, Example({"type": "object"}, text, value, "form", "en"))
    assert row.sources is not None
    found = [(index, source) for index, source in enumerate(row.sources) if source != NOWHERE]
    assert all(row.ids[index] == row.ids[source] and source < index for index, source in found)
    assert backend.decode([row.ids[index] for index, _ in found]).replace(" ", "") == "HaldenAG1254711"
    twice = example_row(backend, Example({"type": "object"}, text, {"a": "Köln", "b": "Köln"}, "form", "en"))
    assert twice.sources is not None
    pointed = [source for source in twice.sources if source != NOWHERE]
    assert pointed == sorted(pointed) and len(set(pointed)) == 2 * len(backend.encode("Köln").ids)


@pytest.mark.parametrize(
    "value, text, pointed",
    [
        ("2019-03-05", "due 5.3.2019", {0: "2", 3: "9", 6: "3", 9: "5"}),
        ("2019-03-05", "由2019年03月05日起", {0: "2", 5: "0", 6: "3", 8: "0", 9: "5"}),
        ("2019-03-05", "March 5, 2019", {0: "2", 9: "5"}),
        ("2019-03-05", "2019 or 2019-03-05", {}),
        ("1234.5", "sum 1,234.50 EUR", {0: "1", 1: "2", 3: "4", 5: "5"}),
        ("1234", "11234 12345 1.234", {0: "1", 3: "4"}),
        ("12", "12.5 120 0,12", {}),
    ],
)
def test_digits_that_are_spelled_anew_point_too(tokenizer, value, text, pointed):
    backend = tokenizer.backend_tokenizer
    answer, read = f'"{value}"' if "-" in value else value, f"12 1 {text}"
    sources = sources_of(answer, backend.encode(answer), read, backend.encode(read), document=5)
    first, offsets = answer.index(value[0]), backend.encode(read).offsets
    at = {start - first: i for i, (start, _) in enumerate(backend.encode(answer).offsets)}
    whole = value in text and text.count(value) == 1
    assert {i: read[offsets[sources[at[i]]][0]] for i in pointed} == pointed
    assert whole or pointed or set(sources) == {NOWHERE}


def test_values_count_more_than_keys(tokenizer):
    backend = tokenizer.backend_tokenizer
    answer = '{"a": "xy", "b": -12, "c": null, "d": ["z", true]}'
    encoded = backend.encode(answer)
    weights = weights_of(answer, encoded)
    starts = [answer[encoded.offsets[i][0]] for i, weight in enumerate(weights) if weight == START]
    assert starts == ["x", "-", "n", "z", "t"]
    light = [answer[slice(*encoded.offsets[i])] for i, weight in enumerate(weights) if weight == STRUCTURE]
    assert {"a", "b", "c", "d"} < set("".join(light))
    assert "," not in "".join(light) and "]" not in "".join(light)  # what ends a value counts, too


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The tokenizer that training makes, from fewer documents, as transformers loads it."""
    from transformers import AutoTokenizer

    from training.tokenizer import save, train

    folder = tmp_path_factory.mktemp("tokenizer")
    save(train(300), folder)
    return AutoTokenizer.from_pretrained(folder)


def test_transformers_loads_the_trained_tokenizer_as_it_was_saved(small):
    from tokenizers import Tokenizer

    saved = Tokenizer.from_file(f"{small.name_or_path}/tokenizer.json")
    assert type(small).__name__.startswith("Qwen2Tokenizer")
    for seed in SEEDS:
        text = make_example(Random(seed)).text
        assert small.encode(text, add_special_tokens=False) == saved.encode(text).ids
        assert small.decode(small.encode(text)) == text


@pytest.mark.parametrize("value", ["Halden Instruments 42", "云杉办公 GmbH", "A-17/b"])
def test_a_value_has_the_same_tokens_wherever_it_stands(small, value):
    ids = small.encode(value)
    for before, after in [("Company: ", "\n"), ('"company": "', '", "'), ("| ", " |"), ("公司：", "。"), ("\n", ", x")]:
        around = small.encode(before + value + after)
        assert any(around[i : i + len(ids)] == ids for i in range(len(around))), (before, after)


def test_the_lean_forward_pass_is_qwen2s():
    """The head read once, the rows after it: the states that transformers computes for the whole, up to bfloat16."""
    torch = pytest.importorskip("torch")
    from transformers import Qwen2Config

    from training.network import hidden_states, make_model

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=100,
        hidden_size=128,
        intermediate_size=160,
        num_hidden_layers=5,
        num_attention_heads=8,
        num_key_value_heads=8,
    )
    model = make_model(config)
    head, ids = torch.randint(100, (17,)), torch.randint(100, (3, 23))
    with torch.no_grad():
        lean, _ = hidden_states(model, head, ids)
        whole = model.model(input_ids=torch.cat((head.expand(3, -1), ids), 1)).last_hidden_state
    assert (lean - whole[:, len(head) :]).abs().mean() < 0.03 < whole.abs().mean()


def test_a_new_model_repeats_what_it_read(small):
    torch = pytest.importorskip("torch")
    from training.network import losses, make_config, make_model

    torch.manual_seed(0)
    backend = small.backend_tokenizer
    model, head = make_model(make_config(backend)), torch.tensor(head_ids(backend))
    ids = torch.randint(3, backend.get_vocab_size() - 3, (4, 30)).repeat(1, 2)
    weights = torch.cat((torch.zeros(4, 32), torch.ones(4, 28)), 1)
    with torch.no_grad():
        repeated = losses(model, head, ids, weights)[0].mean()
        first = losses(model, head, ids, 1 - weights)[0].mean()
    assert repeated < first - 0.5


def test_pointing_is_judged_by_the_weights_of_attention():
    torch = pytest.importorskip("torch")
    from training.network import pointing_loss

    key = torch.eye(6)[None]
    looks = [(20.0 * 6**0.5 * key[:, [0, 0, 0, 0, 2, 3]], key)]  # at the first four places at the first, then 2 and 3
    weights = torch.tensor([[0.0, 0.0, 0.0, 0.0, 2.0, 1.0]])
    right = pointing_loss(looks, torch.tensor([[-1, -1, -1, -1, 2, 3]]), weights)
    wrong = pointing_loss(looks, torch.tensor([[-1, -1, -1, -1, 2, 4]]), weights)
    assert right < 0.01 < 6 < wrong < 7  # the third of the weight that looks elsewhere misses by 20
    assert pointing_loss(looks, torch.full((1, 6), -1), weights) == 0


def test_attention_is_kept_from_certainty(small):
    torch = pytest.importorskip("torch")
    from training.network import hidden_states, keep_scores_small, make_config, make_model

    torch.manual_seed(0)
    backend = small.backend_tokenizer
    model, head = make_model(make_config(backend)), torch.tensor(head_ids(backend))
    ids = torch.randint(3, backend.get_vocab_size() - 3, (2, 20))
    largest: list = []
    with torch.no_grad():
        model.model.layers[2].self_attn.q_proj.weight *= 1000
        hidden_states(model, head, ids, largest)
        others = [tuple(layer.self_attn.q_proj.weight.flatten()[:9].tolist()) for layer in model.model.layers]
        assert largest[2].max() > 100 > largest[3].max()
        keep_scores_small(model, head, ids, most=50.0)
        after: list = []
        hidden_states(model, head, ids, after)
    assert 45 < after[2].max() < 55 and torch.allclose(after[3], largest[3], rtol=0.3)
    same = [tuple(layer.self_attn.q_proj.weight.flatten()[:9].tolist()) for layer in model.model.layers]
    assert [i for i in range(6) if same[i] != others[i]] == [2]


def test_the_tokenizer_is_lossless_on_any_text(tokenizer):
    rng = Random(3)
    for _ in range(300):
        points = [rng.choice([rng.randrange(0x80), rng.randrange(0x110000)]) for _ in range(rng.randint(1, 30))]
        text = "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_forms_say_what_is_asked_under_other_names():
    differs = 0
    for seed in range(200):
        example = make_naming(Random(seed))
        assert all(text in example.text for text in example.value.values())
        differs += sum(key.replace("_", " ") not in example.text.lower() for key in example.value)
        jsonschema.validate(example.value, example.schema)
    assert differs > 400


def test_fields_are_counted_by_place():
    pytest.importorskip("transformers")
    from training.evaluate import HAND_WRITTEN, Score, hand_written

    counts = Score()
    counts.add({"a": 1, "b": ["x", None]}, {"a": True, "b": ["x"]}, True)
    assert (counts.right, counts.wanted, counts.given, counts.whole) == (1, 3, 2, 0)
    other = Score()
    other.add({"a": 1}, {"a": 1}, True)
    counts.merge(other)
    assert (counts.right, counts.wanted, counts.given, counts.whole, counts.documents) == (2, 4, 3, 1, 2)
    assert counts.f1 == 4 / 7
    assert sum(map(len, hand_written(HAND_WRITTEN).values())) >= 60


def test_gradients_of_the_fused_operations():
    """Beside those that PyTorch derives."""
    torch = pytest.importorskip("torch")
    from torch.nn.functional import rms_norm, silu

    from training.fused import gated, normed, turned

    torch.manual_seed(0)
    states = torch.randn(2, 5, 16, dtype=torch.float64, requires_grad=True)
    angles = torch.rand(5, 8, dtype=torch.float64)
    weights = torch.randn(2, 5, 16, dtype=torch.float64)

    def rotated(heads):
        cos, sin = (torch.cat((part, part), -1) for part in (angles.cos(), angles.sin()))
        first, second = heads.chunk(2, -1)
        return heads * cos + torch.cat((-second, first), -1) * sin

    pairs = [
        (lambda s: turned(s, angles.cos(), angles.sin()), rotated),
        (lambda s: normed(s, 1e-6), lambda s: rms_norm(s, (16,), None, 1e-6)),
        (gated, lambda s: silu(s[..., :8]) * s[..., 8:]),
    ]
    for ours, theirs in pairs:
        results = [operation(states) for operation in (ours, theirs)]
        assert torch.allclose(*results)
        gradients = [torch.autograd.grad((r * weights[..., : r.shape[-1]]).sum(), states)[0] for r in results]
        assert torch.allclose(*gradients)


def test_a_cooldown_goes_on_where_it_was_stopped(small, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    import signal

    from transformers import Qwen2Config

    from training import train
    from training.export import export
    from training.tokenizer import save

    backend = small.backend_tokenizer
    sizes = {"hidden_size": 128, "intermediate_size": 64, "num_hidden_layers": 5, "num_attention_heads": 8}
    config = Qwen2Config(vocab_size=backend.get_vocab_size(), num_key_value_heads=8, **sizes)
    for module in ("train", "export"):
        monkeypatch.setattr(f"training.{module}.make_config", lambda tokenizer: config)
    monkeypatch.setattr(train, "held_out_rows", lambda tokenizer: {})
    monkeypatch.setattr(train, "evaluate", lambda run: None)
    monkeypatch.setattr(train, "WARM_UP", 1)
    handlers, rates = [], []
    monkeypatch.setattr(signal, "signal", lambda number, handler: handlers.append(handler))
    step = train.Run.train_on

    def one_step(run, batch, rate):
        rates.append(rate)
        if run.step == 3:
            handlers[-1](signal.SIGTERM, None)
        return step(run, batch, rate)

    monkeypatch.setattr(train.Run, "train_on", one_step)

    def run_from(name):
        run = train.Run(tmp_path, backend, "reader")
        run.load(tmp_path / name)
        return run

    first = train.Run(tmp_path, backend, "reader")
    train.train(first, 2, 0)
    train.train(run_from("checkpoint.pt"), 0, 4)
    assert not (tmp_path / "cooled.pt").exists()
    resumed = run_from("cooling.pt")
    assert (resumed.step, resumed.until) == (4, 6)
    train.train(resumed, 0, 4)
    assert resumed.step == 6 and rates == [1, 1, 1, 0.75, 0.5, 0.25]
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == ["checkpoint.pt", "cooled.pt"]
    save(backend, tmp_path)
    assert export(tmp_path, tmp_path / "model") > 0

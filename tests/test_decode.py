"""The loop, its masks and its choices, apart from any grammar; the cached loop against one that keeps nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from fakes import FixedNetwork, ScriptedMatcher, fixed_model, tiny_network, toy_tokenizer

from qwen_struct.decode.batch import decode
from qwen_struct.decode.model import Model, load_model, wrap_model
from qwen_struct.decode.sampling import NUCLEUS_GUESS, Sampler, Sampling, allowed_tokens, masked, unpacked
from qwen_struct.decode.sampling import _draw as draw
from qwen_struct.errors import DecodingError, ModelError, TokenRejectedError

GREEDY = Sampling()
CPU = torch.device("cpu")
EOS = 99


@pytest.fixture(scope="module")
def tiny_model() -> Model:
    return wrap_model(tiny_network(384), toy_tokenizer())


def random_steps(seed: int, num_steps: int, n_vocab: int, eos: int) -> list[set[int]]:
    """Allowed sets of all sizes, forced ones among them, and the end of the answer last."""
    random = np.random.default_rng(seed)
    sizes = random.choice([1, 1, 2, 5, 40, 200], size=num_steps)
    ids = np.setdiff1d(np.arange(n_vocab), [eos])
    return [set(random.choice(ids, size=size, replace=False).tolist()) for size in sizes] + [{eos}]


def uncached_greedy(model: Model, prompt: list[int], steps: list[set[int]]) -> list[int]:
    """The obvious decoder: read everything again for each token, and take the best one allowed."""
    tokens: list[int] = []
    for step in steps[:-1]:
        with torch.inference_mode():
            logits = model.network(input_ids=torch.tensor([prompt + tokens])).logits[0, -1]
        tokens.append(max(step, key=lambda token: logits[token].item()))
    return tokens


@pytest.mark.parametrize("seed", range(6))
def test_greedy_tokens_equal_those_of_a_decoder_without_cache(tiny_model: Model, seed: int) -> None:
    steps = random_steps(seed, 40, tiny_model.n_vocab, tiny_model.eos_token_ids[0])
    prompt = list(np.random.default_rng(100 + seed).integers(0, 256, size=30))
    result = decode(tiny_model, prompt, ScriptedMatcher(steps), max_tokens=100, sampling=GREEDY)
    assert list(result.token_ids) == uncached_greedy(tiny_model, prompt, steps)
    assert (result.finish_reason, result.complete) == ("stop", True)


def test_a_forced_token_is_read_with_the_next_pass_and_needs_none_of_its_own() -> None:
    model = fixed_model(torch.arange(100.0), [EOS])
    matcher = ScriptedMatcher([{1, 2}, {3}, {4}, {5, 6}, {7}, {EOS}])
    result = decode(model, [10, 11], matcher, max_tokens=50, sampling=GREEDY)
    assert result.token_ids == (2, 3, 4, 6, 7)
    network: FixedNetwork = model.network  # type: ignore[assignment]
    assert network.read == [[10, 11], [2, 3, 4]]
    assert result.num_forward_passes == 2


@pytest.mark.parametrize(("max_tokens", "accepting", "complete"), [(2, (), False), (2, (2,), True), (1, (2,), False)])
def test_the_limit_ends_an_answer_and_says_whether_it_is_complete(
    max_tokens: int, accepting: tuple[int, ...], complete: bool
) -> None:
    model = fixed_model(torch.arange(100.0), [EOS])
    matcher = ScriptedMatcher([{1, 2}, {3, 4}, {5, 6, EOS}, {7, 8}], accepting)
    result = decode(model, [10], matcher, max_tokens=max_tokens, sampling=GREEDY)
    assert len(result.token_ids) == max_tokens
    assert (result.finish_reason, result.complete) == ("length", complete)


def test_the_end_that_is_forced_at_the_limit_is_no_cut() -> None:
    model = fixed_model(torch.arange(100.0), [EOS])
    result = decode(model, [10], ScriptedMatcher([{1}, {EOS}]), max_tokens=1, sampling=GREEDY)
    assert (result.token_ids, result.finish_reason, result.complete) == ((1,), "stop", True)


def test_any_of_the_end_tokens_ends_the_answer() -> None:
    model = fixed_model(torch.arange(100.0), [EOS, 98])
    matcher = ScriptedMatcher([{1}, {2, 98}])
    result = decode(model, [10], matcher, max_tokens=9, sampling=GREEDY)
    assert (result.token_ids, result.finish_reason) == ((1,), "stop")
    assert matcher.accepted == [1, 98]


def test_times_add_up() -> None:
    model = fixed_model(torch.arange(100.0), [EOS])
    result = decode(model, [10], ScriptedMatcher([{1, 2}] * 20 + [{EOS}]), max_tokens=99, sampling=GREEDY)
    assert 0 < result.mask_seconds < result.prefill_seconds + result.decode_seconds
    assert 0 < result.prefill_seconds <= result.first_token_seconds < result.prefill_seconds + result.decode_seconds


def test_a_matcher_that_refuses_what_its_mask_allowed_is_reported() -> None:
    class Contradiction(ScriptedMatcher):
        def accept_token(self, token_id: int) -> bool:
            return False

    model = fixed_model(torch.arange(100.0), [EOS])
    with pytest.raises(TokenRejectedError, match="refused token 2, which its mask had allowed"):
        decode(model, [10], Contradiction([{1, 2}]), max_tokens=9, sampling=GREEDY)


def test_a_mask_without_a_token_is_reported() -> None:
    model = fixed_model(torch.arange(100.0), [EOS])
    with pytest.raises(DecodingError, match="allows no token here"):
        decode(model, [10], ScriptedMatcher([set()]), max_tokens=9, sampling=GREEDY)


# Masks


@pytest.mark.parametrize("n_vocab", [31, 32, 33, 384, 1000])
def test_bits_become_booleans_one_for_one(n_vocab: int) -> None:
    random = np.random.default_rng(n_vocab)
    row = random.integers(-(2**31), 2**31, size=(n_vocab + 31) // 32, dtype=np.int64).astype(np.int32)
    expected = [bool(int(row[token >> 5]) >> (token & 31) & 1) for token in range(n_vocab)]
    assert allowed_tokens(row, n_vocab, CPU).tolist() == expected
    assert unpacked(torch.from_numpy(row[None]), n_vocab).tolist() == [expected]


def test_a_mask_leaves_only_the_logits_that_it_allows() -> None:
    masks = [np.array([0b0110], np.int32), np.array([0b1001], np.int32)]
    scores = masked(torch.tensor([[1.0, 2.0, 3.0, 4.0]] * 2, dtype=torch.bfloat16), masks)
    assert scores.dtype == torch.float32
    assert scores.tolist() == [[-math.inf, 2.0, 3.0, -math.inf], [1.0, -math.inf, -math.inf, 4.0]]


# Choices


def allowed(*tokens: int, n_vocab: int = 8) -> torch.Tensor:
    return torch.tensor([token in tokens for token in range(n_vocab)])


LOGITS = torch.tensor([9.0, 1.0, 2.0, 0.0, 1.5, -1.0, 0.5, 8.0])


def choose(sampler: Sampler, logits: torch.Tensor, mask: torch.Tensor) -> int:
    scores = logits.float().masked_fill(~mask, -math.inf)
    best, token = scores.max(-1)
    return sampler.choose(scores, best.item(), int(token))


def draws(sampling: Sampling, mask: torch.Tensor, num: int) -> list[int]:
    sampler = Sampler(sampling)
    return [choose(sampler, LOGITS, mask) for _ in range(num)]


def test_greedy_takes_the_best_token_allowed() -> None:
    assert draws(GREEDY, allowed(1, 2, 3), 1) == [2]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax_under_the_mask(temperature: float) -> None:
    mask, num = allowed(1, 2, 3, 4, 6), 20_000
    counts = np.bincount(draws(Sampling(temperature, seed=7), mask, num), minlength=8)
    weights = torch.softmax((LOGITS / temperature).masked_fill(~mask, -math.inf), -1).double().numpy()
    assert counts[~mask.numpy()].sum() == 0
    expected = num * weights[mask.numpy()]
    chi_square = ((counts[mask.numpy()] - expected) ** 2 / expected).sum()
    assert chi_square < 18.47  # the 99.9th percentile at 4 degrees of freedom


def test_top_p_keeps_the_fewest_tokens_that_hold_it_under_the_mask() -> None:
    mask = allowed(1, 2, 3, 4)  # probabilities 0.20, 0.53, 0.07, 0.20 before the cut; ties do not matter here
    probabilities = torch.softmax(LOGITS.masked_fill(~mask, -math.inf), -1)
    assert probabilities[2] < 0.6 < probabilities[2] + probabilities[4]
    num = 4000
    counts = np.bincount(draws(Sampling(1.0, top_p=0.6, seed=1), mask, num), minlength=8)
    assert set(counts.nonzero()[0]) == {2, 4}
    share = (probabilities[2] / (probabilities[2] + probabilities[4])).item()
    assert abs(counts[2] / num - share) < 4 * math.sqrt(share * (1 - share) / num)


def test_top_p_is_right_where_the_nucleus_is_wider_than_guessed() -> None:
    num_tokens = 3 * NUCLEUS_GUESS
    sampler = Sampler(Sampling(1.0, top_p=0.5, seed=1))
    falling = -torch.arange(num_tokens) * 1e-4
    everything = torch.ones(num_tokens, dtype=torch.bool)
    seen = {choose(sampler, falling, everything) for _ in range(6000)}
    cumulated = torch.softmax(falling.double(), -1).cumsum(-1)
    edge = int((cumulated < 0.5).sum())  # the token that crosses the line
    assert NUCLEUS_GUESS < edge < num_tokens
    assert max(seen) <= edge
    assert len(seen) > 0.99 * edge


def test_a_temperature_near_zero_is_nearly_greedy() -> None:
    assert draws(Sampling(1e-30, seed=1), allowed(1, 2, 3), 5) == [2] * 5


def test_the_ends_of_the_draw_are_tokens_with_weight() -> None:
    weights = torch.tensor([0.0, 0.25, 0.0, 0.75, 0.0])
    assert [draw(weights, uniform) for uniform in (0.0, 0.2499, 0.2501, 1 - 2**-53)] == [1, 1, 3, 3]


def test_a_seed_repeats_a_run_and_another_one_does_not() -> None:
    mask = allowed(1, 2, 3, 4)
    first = draws(Sampling(1.0, seed=3), mask, 50)
    assert first == draws(Sampling(1.0, seed=3), mask, 50)
    assert first != draws(Sampling(1.0, seed=4), mask, 50)
    assert draws(Sampling(1.0), mask, 50) != draws(Sampling(1.0), mask, 50)


def test_draws_do_not_touch_the_global_generator() -> None:
    before = torch.random.get_rng_state()
    draws(Sampling(1.0, seed=3), allowed(1, 2), 10)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_a_model_error(bad: float, temperature: float) -> None:
    logits = LOGITS.half().clone()
    logits[3] = bad
    with pytest.raises(ModelError, match="not finite; load it with dtype='float32'"):
        choose(Sampler(Sampling(temperature)), logits, allowed(1, 2, 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": -1.0}, "temperature must be a finite number of at least 0, not -1.0"),
        ({"temperature": math.inf}, "temperature must be"),
        ({"top_p": 0.0}, "top_p must be above 0 and at most 1, not 0.0"),
        ({"top_p": 1.5}, "top_p must be"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampling(**settings)


def test_a_loaded_checkpoint_decodes_as_it_did_before_it_was_saved(tiny_checkpoint: object) -> None:
    loaded = load_model(str(tiny_checkpoint))
    steps = random_steps(1, 20, loaded.n_vocab, loaded.eos_token_ids[0])
    original = wrap_model(tiny_network(384), toy_tokenizer())
    assert (
        decode(loaded, [1, 2, 3], ScriptedMatcher(steps), max_tokens=99, sampling=GREEDY).token_ids
        == decode(original, [1, 2, 3], ScriptedMatcher(steps), max_tokens=99, sampling=GREEDY).token_ids
    )

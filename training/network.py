"""The network as it is trained: Qwen2's forward pass, lean on a CPU, with the prompt's constant head read once a batch.

The parameters are those of a ``Qwen2ForCausalLM``; what differs is cost. Every prompt opens with the same
instructions, so the batch holds only what follows them and attends to one copy of the head. Weights are cast once a
step, query, key and value come from one product, and logits are reckoned only where there is a loss.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

from training.fused import gated, normed, turned

LOOK_BACK = 4  # heads of the first layer that begin as views of the tokens 1, 2, 3 and 4 places back
CONTEXTS = (1, 1, 1, 2, 2, 2, 3, 3)  # how many tokens each head of the second layer begins by matching
SHARPNESS, MATCHING, PASSING_ON = 5.0, 3.0, 0.2  # of looking back, comparing and copying
POINTING = {3: 4, 4: 2}  # layers whose first heads are trained to point, and how many of them
# bfloat16 only where the processor multiplies it: elsewhere it is five times slower than float32
PRECISION = torch.bfloat16 if torch.cpu.get_capabilities().get("avx512_bf16") else torch.float32
FAST, SLOW = 5, 7  # rotary frequencies below the first tell neighbours apart, those from the second on tell no places


def make_config(tokenizer: Tokenizer) -> Qwen2Config:
    end, pad_id = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    return Qwen2Config(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=256,
        intermediate_size=640,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=8,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 1e6},
        bos_token_id=None,
        eos_token_id=end,
        pad_token_id=pad_id,
    )


def make_model(config: Qwen2Config) -> Qwen2ForCausalLM:
    model = Qwen2ForCausalLM(config)
    begin_with_copying(model)
    return model


@torch.no_grad()
def begin_with_copying(model: Qwen2ForCausalLM) -> None:
    """Initial weights in which the first two layers repeat what followed the same tokens earlier.

    Copying is what extraction consists of, and from random weights it takes millions of tokens to appear. Heads of the
    first layer look a fixed number of places back and write down a sketch of what stands there; those of the second
    compare the sketches before each place with the latest tokens, and pass on the token at the best match.
    """
    config = model.config
    width, num_heads = config.hidden_size, config.num_attention_heads
    head_dim = width // num_heads
    places = [slice(head * head_dim, (head + 1) * head_dim) for head in range(num_heads)]
    for layer in model.model.layers:
        for matrix in (layer.self_attn.o_proj.weight, layer.mlp.down_proj.weight):
            matrix *= (2 * config.num_hidden_layers) ** -0.5
    first, second = model.model.layers[0].self_attn, model.model.layers[1].self_attn
    inner, outer = _orthogonal(width), _orthogonal(width)
    sketch = inner[places[-1]]  # (head_dim, width)
    for head in range(LOOK_BACK):
        _look_back(first, places[head], head + 1, inverse_frequencies(config))
        first.v_proj.weight[places[head]] = sketch
        first.o_proj.weight[:, places[head]] = 0.02 * outer[:, places[head]]
    reads = [sketch, *(outer[:, place].T for place in places[:LOOK_BACK])]  # of the token here, one back, two back, ...
    slow = torch.arange(SLOW, head_dim // 2)
    slow = torch.cat((slow, slow + head_dim // 2))
    for head, context in enumerate(CONTEXTS[:num_heads]):
        parts = [_orthogonal(head_dim)[: len(slow)] for _ in range(context)]
        for projection, shift in ((second.q_proj, 0), (second.k_proj, 1)):
            projection.weight[places[head]] *= 0.2
            rows = sum(part @ reads[back + shift] for back, part in enumerate(parts))
            projection.weight[places[head].start + slow] = MATCHING * rows
        second.v_proj.weight[places[head]] = inner[places[head]]
        second.o_proj.weight[:, places[head]] = PASSING_ON * inner[places[head]].T
    for index, count in POINTING.items():
        pointing = model.model.layers[index].self_attn
        for head in range(count):
            pointing.v_proj.weight[places[head]] = inner[places[head]]
            pointing.o_proj.weight[:, places[head]] = PASSING_ON * inner[places[head]].T


def _orthogonal(size: int) -> Tensor:
    return torch.linalg.qr(torch.randn(size, size))[0]


def _look_back(attention: Any, place: slice, offset: int, frequencies: Tensor) -> None:
    """A head that sees what stands ``offset`` tokens back.

    With rotary positions, constants in the biases of query and key make a score of the distance alone, and turning the
    query's puts the maximum at the wanted distance.
    """
    chosen = (torch.arange(len(frequencies)) < FAST).float()
    angle = -offset * frequencies
    attention.k_proj.bias[place] = SHARPNESS * torch.cat((chosen, torch.zeros_like(chosen)))
    attention.q_proj.bias[place] = SHARPNESS * torch.cat((chosen * angle.cos(), chosen * angle.sin()))
    for projection in (attention.k_proj, attention.q_proj):
        projection.weight[place] *= 0.2


def inverse_frequencies(config: Qwen2Config) -> Tensor:
    head_dim = config.hidden_size // config.num_attention_heads
    assert isinstance(config.rope_parameters, dict)
    base = float(config.rope_parameters["rope_theta"] or 0)
    return 1.0 / base ** (torch.arange(0, head_dim, 2).float() / head_dim)


def hidden_states(
    model: Qwen2ForCausalLM, head: Tensor, ids: Tensor, largest: list[Tensor] | None = None
) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Of ``head`` (num_head,) and ``ids`` (rows, length) the last layer's states, normed: (rows, length, width).

    Beside them queries (rows, length, head_dim) and keys (rows, length, head_dim) of the heads that point. ``largest``
    gets, for each layer, its heads' largest scores.
    """
    pointers = []
    config = model.config
    num_head, length = head.shape[0], ids.shape[1]
    positions = torch.arange(num_head + length)[:, None] * inverse_frequencies(config)
    cos, sin = (part.to(PRECISION)[:, None, None] for part in (positions.cos(), positions.sin()))
    mask = torch.full((num_head + length, num_head + length), float("-inf"), dtype=PRECISION).triu(1)
    first, states = model.model.embed_tokens(head)[None], model.model.embed_tokens(ids)
    for index, layer in enumerate(model.model.layers):
        block = _Block(layer, config)
        query, key, value = block.attended(first, cos[:num_head], sin[:num_head])
        queries, keys, values = block.attended(states, cos[num_head:], sin[num_head:])
        pointers += [(queries[:, number], keys[:, number]) for number in range(POINTING.get(index, 0))]
        shape = (len(ids), -1, -1, -1)
        keys = torch.cat((key.expand(shape), keys), 2)
        values = torch.cat((value.expand(shape), values), 2)
        if largest is not None:
            largest.append(_largest_score(queries, keys, mask[num_head:]))
        first = block.rest(first, attention(query, key, value, mask[:num_head, :num_head]))
        states = block.rest(states, attention(queries, keys, values, mask[num_head:]))
    return normed(states, config.rms_norm_eps) * model.model.norm.weight, pointers


class _Block:
    """A layer's weights, put together with those of the norms before them and cast once, for the head and the rows."""

    def __init__(self, layer: Any, config: Qwen2Config) -> None:
        attn, mlp = layer.self_attn, layer.mlp
        self.config = config
        projections = [attn.q_proj, attn.k_proj, attn.v_proj]
        to_qkv = torch.cat([p.weight for p in projections]) * layer.input_layernorm.weight
        up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * layer.post_attention_layernorm.weight
        self.to_qkv, self.up = to_qkv.to(PRECISION), up.to(PRECISION)
        self.qkv_bias = torch.cat([p.bias for p in projections]).to(PRECISION)
        self.out, self.down = attn.o_proj.weight.to(PRECISION), mlp.down_proj.weight.to(PRECISION)

    def attended(self, states: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value, each (rows, heads, length, head_dim), the first two turned by their positions."""
        mixed = F.linear(self._normed(states), self.to_qkv, self.qkv_bias)
        mixed = mixed.view(*mixed.shape[:2], 3, self.config.num_attention_heads, -1)
        query, key = turned(mixed[:, :, :2], cos, sin).permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, mixed[:, :, 2].transpose(1, 2)

    def rest(self, states: Tensor, heads: Tensor) -> Tensor:
        states = states + F.linear(heads.transpose(1, 2).flatten(2), self.out)
        return states + F.linear(gated(F.linear(self._normed(states), self.up)), self.down)

    def _normed(self, states: Tensor) -> Tensor:
        return normed(states, self.config.rms_norm_eps).to(PRECISION)


def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """Plain products in bfloat16, where they beat the fused kernel; in float32 that one is three times as fast."""
    if PRECISION is torch.float32:
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    rows, heads, length, head_dim = query.shape
    num_keys = key.shape[2]
    scores = torch.baddbmm(
        mask.expand(rows * heads, length, num_keys),
        query.reshape(-1, length, head_dim),
        key.reshape(-1, num_keys, head_dim).transpose(1, 2),
        alpha=head_dim**-0.5,
    )
    return torch.bmm(scores.softmax(-1), value.reshape(-1, num_keys, head_dim)).view(query.shape)


@torch.no_grad()
def keep_scores_small(model: Qwen2ForCausalLM, head: Tensor, ids: Tensor, most: float = 60.0) -> None:
    """Scales down query and key of each head whose scores of attention go beyond ``most`` for ``ids``.

    Muon lets them grow without end, and a head that looks at one place with certainty learns nothing more. Source:
    "Kimi K2: Open Agentic Intelligence" (2025), QK-Clip.
    """
    largest: list[Tensor] = []
    hidden_states(model, head, ids, largest)
    head_dim = model.config.hidden_size // model.config.num_attention_heads
    for layer, of_heads in zip(model.model.layers, largest, strict=True):
        factor = (most / of_heads).clamp(max=1).sqrt().repeat_interleave(head_dim)
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj):
            projection.weight *= factor[:, None]
            projection.bias *= factor


def _largest_score(query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    """Of each head, the score farthest from 0: (heads,)."""
    scores = query.float() @ key.float().transpose(-1, -2) * query.shape[-1] ** -0.5
    return scores.masked_fill(mask < 0, 0.0).abs().amax((0, 2, 3))


def losses(
    model: Qwen2ForCausalLM, head: Tensor, ids: Tensor, weights: Tensor, sources: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of each token with a weight, where those stand, and the loss of pointing.

    Shapes: (num,), (rows, length - 1) of booleans, ().
    """
    counted = weights[:, 1:] > 0
    states, pointers = hidden_states(model, head, ids[:, :-1])
    logits = F.linear(states[counted].to(PRECISION), model.lm_head.weight.to(PRECISION)).float()
    each = F.cross_entropy(logits, ids[:, 1:][counted], reduction="none")
    if sources is None:
        return each, counted, torch.zeros(())
    return each, counted, pointing_loss(pointers, sources[:, 1:], weights[:, 1:])


def pointing_loss(pointers: list[tuple[Tensor, Tensor]], sources: Tensor, weights: Tensor) -> Tensor:
    """How far each pointing head is, before an answer's token, from looking at the token that it repeats.

    ``sources`` and ``weights`` are those of the tokens to come: (rows, length).
    """
    length = sources.shape[1]
    known = sources >= 0
    total = torch.zeros(())
    if not bool(known.any()):
        return total
    row, place = known.nonzero(as_tuple=True)
    weight = weights[known]
    later = torch.full((length, length), float("-inf")).triu(1)
    for query, key in pointers:
        scores = torch.bmm(query, key.transpose(1, 2))[row, place].float() * query.shape[-1] ** -0.5
        chances = F.log_softmax(scores + later[place], -1)
        total = total - (chances.gather(1, sources[known][:, None])[:, 0] * weight).sum() / weight.sum()
    return total / len(pointers)

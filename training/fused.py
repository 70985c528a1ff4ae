"""Operations with gradients of few passes over memory, on which a CPU spends as long as on products."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def turned(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions applied: ``heads`` (..., head_dim); ``cos``, ``sin`` (..., head_dim / 2), broadcast."""
    result: Tensor = _Turned.apply(heads, cos, sin)  # type: ignore[no-untyped-call]
    return result


def normed(states: Tensor, epsilon: float) -> Tensor:
    """``states`` (..., width) by their root mean square, without a weight."""
    result: Tensor = _Normed.apply(states, epsilon)  # type: ignore[no-untyped-call]
    return result


def gated(states: Tensor) -> Tensor:
    """``silu`` of the first half of ``states`` (..., 2 width) times the second."""
    result: Tensor = _Gated.apply(states)  # type: ignore[no-untyped-call]
    return result


class _Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        return _turn(heads, cos, sin)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        cos, sin = ctx.saved_tensors
        return _turn(gradient, cos, -sin), None, None


def _turn(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = heads.chunk(2, -1)
    result = torch.empty(heads.shape, dtype=heads.dtype)
    left, right = result.chunk(2, -1)
    torch.mul(first, cos, out=left).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=right).addcmul_(first, sin)
    return result


class _Normed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor, epsilon: float) -> Tensor:
        length = torch.linalg.vector_norm(states, dim=-1, keepdim=True)
        scale = length.square_().div_(states.shape[-1]).add_(epsilon).rsqrt_()
        result = states * scale
        ctx.save_for_backward(result, scale)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        result, scale = ctx.saved_tensors
        along = torch.linalg.vecdot(gradient, result)[..., None].div_(gradient.shape[-1])
        return torch.addcmul(gradient, result, along, value=-1).mul_(scale), None


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Tensor) -> Tensor:
        ctx.save_for_backward(states)
        gate, up = states.chunk(2, -1)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (states,) = ctx.saved_tensors
        gate, up = states.chunk(2, -1)
        result = torch.empty_like(states)
        of_gate, of_up = result.chunk(2, -1)
        torch.mul(gradient, F.silu(gate), out=of_up)
        torch.ops.aten.silu_backward.grad_input(gradient * up, gate, grad_input=of_gate)
        return result

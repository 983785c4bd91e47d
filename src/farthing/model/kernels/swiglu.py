"""SwiGLU: silu(gate) * up, on one tensor that holds gate and up side by side."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from farthing.model.kernels.native import call, usable


def swiglu(gate_up: Tensor) -> Tensor:
    """(..., 2F), gate then up, to silu(gate) * up, (..., F).

    Raises:
        ValueError: the last dimension is odd.
    """
    if usable(gate_up):
        if gate_up.shape[-1] % 2:
            raise ValueError(
                f"a last dimension of {gate_up.shape[-1]}: gate and up are equally wide"
            )
        return _SwiGlu.apply(gate_up)  # type: ignore[no-any-return, no-untyped-call]
    return plain_swiglu(gate_up)


def plain_swiglu(gate_up: Tensor) -> Tensor:
    """The same in torch's operators."""
    gate, up = gate_up.chunk(2, dim=-1)
    return F.silu(gate) * up


class _SwiGlu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate_up: Tensor) -> Tensor:  # noqa: ANN401
        gate_up = gate_up.contiguous()
        inner = gate_up.shape[-1] // 2
        hidden = gate_up.new_empty(*gate_up.shape[:-1], inner)
        rows, bf16 = hidden.shape[:-1].numel(), gate_up.dtype == torch.bfloat16
        call("swiglu_forward", gate_up, hidden, rows, inner, bf16)
        ctx.save_for_backward(gate_up)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:  # noqa: ANN401
        (gate_up,) = ctx.saved_tensors
        grad, d_gate_up = grad.contiguous(), torch.empty_like(gate_up)
        inner, bf16 = grad.shape[-1], gate_up.dtype == torch.bfloat16
        rows = grad.shape[:-1].numel()
        call("swiglu_backward", grad, gate_up, None, d_gate_up, None, None, rows, inner, bf16)
        return d_gate_up

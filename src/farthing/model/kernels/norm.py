"""RMSNorm over the last dimension, in float32 whatever comes in."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from farthing.model.kernels.native import call, usable
from farthing.model.kernels.precision import product_dtype

# Rows of one partial sum of the weight's gradient: a fixed number, so a fixed order of additions.
_BLOCK_ROWS = 256


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """`x / sqrt(mean(x**2) + eps) * weight`, (..., D); under autocast in its dtype.

    Args:
        x: (..., D), float32 or lower.
        weight: (D,), float32.
        eps: added under the root.

    Raises:
        ValueError: the weight is not as long as the rows.
    """
    if weight.dtype == torch.float32 and usable(x, weight):
        if weight.shape != x.shape[-1:]:
            raise ValueError(
                f"a weight of shape {tuple(weight.shape)} for rows of {tuple(x.shape)}: "
                "it holds one number for each of the last dimension"
            )
        return _RmsNorm.apply(x, weight, eps)  # type: ignore[no-any-return, no-untyped-call]
    return plain_rms_norm(x, weight, eps)


def plain_rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The same in torch's operators."""
    normed = F.rms_norm(x.to(weight.dtype), weight.shape, weight, eps)
    return normed.to(product_dtype(normed))


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:  # noqa: ANN401
        x, weight = x.contiguous(), weight.contiguous()
        y = torch.empty_like(x, dtype=product_dtype(weight))
        width = x.shape[-1]
        rstd = torch.empty(x.shape[:-1].numel(), dtype=torch.float32)
        bf16 = (x.dtype == torch.bfloat16, y.dtype == torch.bfloat16)
        call("rms_norm_forward", x, weight, y, rstd, len(rstd), width, eps, *bf16)
        ctx.save_for_backward(x, weight, rstd)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        x, weight, rstd = ctx.saved_tensors
        grad, dx = grad.contiguous(), torch.empty_like(x)
        width, rows = x.shape[-1], len(rstd)
        partial = torch.empty(-(-rows // _BLOCK_ROWS), width, dtype=torch.float32)
        bf16 = (grad.dtype == torch.bfloat16, x.dtype == torch.bfloat16)
        call(
            "rms_norm_backward",
            *(grad, x, weight, rstd, dx, partial),
            *(rows, width, len(partial)),
            *bf16,
        )
        return dx, partial.sum(dim=0), None

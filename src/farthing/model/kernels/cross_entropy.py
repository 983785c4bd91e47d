"""Output projection and cross-entropy together: the logits of all tokens never exist at once.

Shapes: N tokens, D hidden width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from farthing.model.kernels.native import call, usable
from farthing.model.kernels.precision import product_dtype

# Logits of one chunk: small enough for a core's cache, large enough for a fast product.
_CHUNK_BYTES = 1 << 21
_LEAST_ROWS = 64


def linear_cross_entropy(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """Mean negative log-likelihood in nats, a float32 scalar (float64 of float64).

    Args:
        hidden_ND: what the output matrix reads.
        weight_VD: the output matrix.
        targets_N: int64 ids, each below V.

    Raises:
        IndexError: a target is no id.
        ValueError: the sizes or dtypes do not fit each other.
    """
    if usable(hidden_ND, weight_VD):
        # Asked here: inside of `apply` it is not known.
        if not (torch.is_grad_enabled() and (hidden_ND.requires_grad or weight_VD.requires_grad)):
            return _mean(linear_token_losses(hidden_ND, weight_VD, targets_N))
        check_rows(hidden_ND, weight_VD, targets_N)
        return _LinearCrossEntropy.apply(hidden_ND, weight_VD, targets_N)  # type: ignore[no-any-return, no-untyped-call]
    return plain_linear_cross_entropy(hidden_ND, weight_VD, targets_N)


def plain_linear_cross_entropy(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """The same in torch's operators; in chunks where torch (2.13) can."""
    # The chunks pay on accelerators, where the logits of a long batch would fill the memory.
    if hidden_ND.device.type != "cpu" and hasattr(F, "linear_cross_entropy"):
        dtype = product_dtype(hidden_ND)
        return F.linear_cross_entropy(
            hidden_ND.to(dtype),
            weight_VD.to(dtype),
            targets_N,
            options=torch.nn.LinearCrossEntropyOptions(),
        ).float()
    return plain_linear_token_losses(hidden_ND, weight_VD, targets_N).mean()


@torch.no_grad()
def linear_token_losses(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """Negative log-likelihood of each target in nats, (N,) float32 (float64 of float64).

    For scoring: no gradient passes. Arguments and errors as for `linear_cross_entropy`.
    """
    if not usable(hidden_ND, weight_VD):
        return plain_linear_token_losses(hidden_ND, weight_VD, targets_N)
    check_rows(hidden_ND, weight_VD, targets_N)
    dtype = product_dtype(hidden_ND)
    losses_N = torch.empty(len(hidden_ND), dtype=torch.float32)
    for _ in _scored_chunks(hidden_ND.to(dtype), weight_VD.to(dtype), targets_N, losses_N, 0.0):
        pass
    return losses_N


def plain_linear_token_losses(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:
    """The same in torch's operators."""
    logits_NV = F.linear(hidden_ND, weight_VD)
    precise = torch.promote_types(logits_NV.dtype, torch.float32)
    return F.cross_entropy(logits_NV.to(precise), targets_N, reduction="none")


class _LinearCrossEntropy(torch.autograd.Function):
    """The gradients are made with the loss, chunk by chunk: logits are read while still in cache.

    So the products of the backward pass are done in the forward one; nothing is computed twice.
    """

    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> Tensor:  # noqa: ANN401
        dtype = product_dtype(hidden_ND)
        weight, hidden = weight_VD.to(dtype), hidden_ND.contiguous().to(dtype)
        losses_N = torch.empty(len(hidden), dtype=torch.float32)
        d_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        d_weight = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None
        share = 1.0 / max(1, len(hidden))
        for part, d_logits in _scored_chunks(hidden, weight, targets_N, losses_N, share):
            if d_hidden is not None:
                torch.mm(d_logits, weight, out=d_hidden[part])
            if d_weight is not None:
                add_product(d_weight, d_logits.T, hidden[part])
        ctx.save_for_backward(d_hidden, d_weight)
        ctx.hidden_dtype = hidden_ND.dtype
        return _mean(losses_N)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:  # noqa: ANN401
        d_hidden, d_weight = ctx.saved_tensors
        return (
            None if d_hidden is None else (d_hidden * grad).to(ctx.hidden_dtype),
            None if d_weight is None else d_weight * grad,
            None,
        )


def _scored_chunks(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, losses_N: Tensor, share: float
) -> Iterator[tuple[slice, Tensor]]:
    """Fill `losses_N` chunk by chunk; of each, its place and its logits' gradient.

    The gradient is of `share` times the loss; with a share of 0 the logits stay what they are.
    """
    tokens, vocab = len(hidden_ND), len(weight_VD)
    chunk = max(_LEAST_ROWS, _CHUNK_BYTES // max(1, vocab * weight_VD.element_size()))
    logits = weight_VD.new_empty(min(chunk, tokens), vocab)
    targets_N = targets_N.contiguous()
    for begin in range(0, tokens, chunk):
        part = slice(begin, min(begin + chunk, tokens))
        rows = part.stop - begin
        block = torch.mm(hidden_ND[part], weight_VD.T, out=logits[:rows])
        call(
            "cross_entropy_in_place",
            *(block, targets_N[part], losses_N[part]),
            *(rows, vocab, share, block.dtype == torch.bfloat16),
        )
        yield part, block


def _mean(losses_N: Tensor) -> Tensor:
    return losses_N.double().mean().float()


def check_rows(hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor) -> None:
    """Refuse what does not fit: errors as for `linear_cross_entropy`."""
    hidden, weight = tuple(hidden_ND.shape), tuple(weight_VD.shape)
    if len(hidden) != 2 or len(weight) != 2 or hidden[1] != weight[1]:
        raise ValueError(
            f"hidden rows {hidden} and an output matrix {weight}: "
            "they are (tokens, width) and (vocabulary, width)"
        )
    if product_dtype(hidden_ND) != product_dtype(weight_VD):
        raise ValueError(
            f"hidden rows of {hidden_ND.dtype}, an output matrix of {weight_VD.dtype}: "
            "convert one, or compute under autocast"
        )
    if targets_N.dtype != torch.int64 or targets_N.shape != hidden[:1]:
        raise ValueError(
            f"targets of {targets_N.dtype} and shape {tuple(targets_N.shape)}: "
            f"one int64 id for each of {hidden[0]} tokens"
        )
    # The kernel reads and writes where the targets point; elsewhere the device's operators look
    # themselves, and nobody waits for the answer.
    tokens, vocab = hidden[0], weight[0]
    for target in targets_N.aminmax() if tokens and targets_N.device.type == "cpu" else ():
        if not 0 <= target < vocab:
            raise IndexError(f"target {int(target)} is out of bounds: the vocabulary is {vocab}")


def add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add left @ right to `total`, the sum over chunks in the total's own precision."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += left @ right

"""From router logits to choices: sigmoid, biased top-k, normalised weights.

Shapes: N tokens, S experts that take part, K chosen per token.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from farthing.model.kernels.native import call, usable

_SMALLEST_SUM = 1e-20


def route(logits_NS: Tensor, bias_S: Tensor, top_k: int, scale: float) -> tuple[Tensor, Tensor]:
    """Chosen places among the S experts (int64) and their weights, both (N, K).

    Args:
        logits_NS: before the sigmoid, float32 or better.
        bias_S: added to the scores for the choice alone.
        top_k: K.
        scale: what the weights of a token sum to.

    Raises:
        ValueError: not so many experts can be chosen, or they have another number of biases.
    """
    if logits_NS.dtype == bias_S.dtype == torch.float32 and usable(logits_NS, bias_S):
        if logits_NS.ndim != 2 or bias_S.shape != logits_NS.shape[1:]:
            raise ValueError(
                f"biases of shape {tuple(bias_S.shape)} for logits of {tuple(logits_NS.shape)}: "
                "logits are (tokens, experts), and each expert has one bias"
            )
        if not 1 <= top_k <= len(bias_S):
            raise ValueError(f"top_k is {top_k}: of {len(bias_S)} experts choose 1 to all")
        return _Route.apply(logits_NS, bias_S, top_k, scale)  # type: ignore[no-any-return, no-untyped-call]
    return plain_route(logits_NS, bias_S, top_k, scale)


def plain_route(
    logits_NS: Tensor, bias_S: Tensor, top_k: int, scale: float
) -> tuple[Tensor, Tensor]:
    """The same in torch's operators."""
    scores_NS = logits_NS.sigmoid()
    ids_NK = (scores_NS.detach() + bias_S).topk(top_k, dim=-1).indices
    return ids_NK, _weigh(scores_NS, ids_NK, scale)


def weigh(logits_NS: Tensor, ids_NK: Tensor, scale: float) -> Tensor:
    """The weights (N, K) of choices that somebody else made; their gradient reaches the logits.

    Args:
        logits_NS: before the sigmoid.
        ids_NK: places among the S experts, each at most once for a token.
        scale: what the weights of a token sum to.
    """
    return _weigh(logits_NS.sigmoid(), ids_NK, scale)


def choice_gap(logits_NS: Tensor, bias_S: Tensor, ids_NK: Tensor) -> Tensor:
    """By how much the best expert left out beats the worst one chosen, (N,); below 0: not at all.

    In units of the biased scores by which `route` chooses: between two computations of the same
    logits that differ by rounding alone, no more than twice that rounding.

    Args:
        logits_NS: before the sigmoid.
        bias_S: as `route` takes it.
        ids_NK: the choices.
    """
    scores_NS = logits_NS.detach().sigmoid() + bias_S
    left_NS = scores_NS.scatter(-1, ids_NK, -torch.inf)
    return left_NS.amax(-1) - scores_NS.gather(-1, ids_NK).amin(-1)


def _weigh(scores_NS: Tensor, ids_NK: Tensor, scale: float) -> Tensor:
    chosen_NK = scores_NS.gather(-1, ids_NK)
    return chosen_NK / (chosen_NK.sum(dim=-1, keepdim=True) + _SMALLEST_SUM) * scale


class _Route(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        logits_NS: Tensor,
        bias_S: Tensor,
        top_k: int,
        scale: float,
    ) -> tuple[Tensor, Tensor]:
        logits_NS, bias_S = logits_NS.contiguous(), bias_S.contiguous()
        ids_NK = torch.empty(len(logits_NS), top_k, dtype=torch.int64)
        chosen_NK = torch.empty(len(logits_NS), top_k)
        weights_NK, scratch_NS = torch.empty_like(chosen_NK), torch.empty_like(logits_NS)
        ctx.sizes = (*logits_NS.shape, top_k, scale)
        call(
            "route_forward",
            *(logits_NS, bias_S, ids_NK, chosen_NK, weights_NK, scratch_NS),
            *ctx.sizes,
        )
        ctx.save_for_backward(ids_NK, chosen_NK)
        ctx.mark_non_differentiable(ids_NK)
        return ids_NK, weights_NK

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, _: Tensor, grad_NK: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        ids_NK, chosen_NK = ctx.saved_tensors
        d_logits_NS = torch.empty(ctx.sizes[:2])
        call(
            "route_backward",
            *(grad_NK.contiguous(), ids_NK, chosen_NK, d_logits_NS),
            *ctx.sizes,
        )
        return d_logits_NS, None, None, None

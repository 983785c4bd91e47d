"""From one projection to attention's heads: norm, RoPE, and the split, in one pass.

Shapes: B sequences, T positions, H query heads, G key/value heads, E head width, P = (H + 2G) E.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from farthing.model.kernels.native import call, usable

# Rows of one partial sum of the norms' gradients: a fixed number, so a fixed order of additions.
_BLOCK_ROWS = 256

Heads = tuple[Tensor, Tensor, Tensor]


def turned_heads(
    rows_BTP: Tensor,
    q_weight_E: Tensor,
    k_weight_E: Tensor,
    rope: tuple[Tensor, Tensor],
    *,
    queries: int,
    eps: float,
) -> Heads:
    """Queries (B, T, H, E), keys and values (B, T, G, E), contiguous, in the dtype of the rows.

    Args:
        rows_BTP: each row is its query heads, its key heads, its value heads.
        q_weight_E: of the queries' RMSNorm; RoPE in half-split form follows it.
        k_weight_E: of the keys'.
        rope: cosines and sines of the positions, each (T, E) float32.
        queries: H.
        eps: of both norms.

    Raises:
        ValueError: the sizes do not fit each other.
    """
    tables = (q_weight_E, k_weight_E, *rope)
    if all(x.dtype == torch.float32 for x in tables) and usable(rows_BTP, *tables):
        _check_sizes(rows_BTP, *tables, queries=queries)
        return _TurnedHeads.apply(  # type: ignore[no-any-return, no-untyped-call]
            rows_BTP, *(x.contiguous() for x in tables), queries, eps
        )
    return plain_turned_heads(rows_BTP, q_weight_E, k_weight_E, rope, queries=queries, eps=eps)


def plain_turned_heads(
    rows_BTP: Tensor,
    q_weight_E: Tensor,
    k_weight_E: Tensor,
    rope: tuple[Tensor, Tensor],
    *,
    queries: int,
    eps: float,
) -> Heads:
    """The same in torch's operators."""
    width = len(q_weight_E)
    heads = rows_BTP.shape[-1] // width
    keys = (heads - queries) // 2
    rows_BTHE = rows_BTP.reshape(*rows_BTP.shape[:-1], heads, width)
    q_BTHE, k_BTGE, v_BTGE = torch.split(rows_BTHE, [queries, keys, keys], dim=2)
    q_BTHE = turned(F.rms_norm(q_BTHE.to(q_weight_E.dtype), (width,), q_weight_E, eps), rope)
    k_BTGE = turned(F.rms_norm(k_BTGE.to(k_weight_E.dtype), (width,), k_weight_E, eps), rope)
    return q_BTHE.to(rows_BTP.dtype), k_BTGE.to(rows_BTP.dtype), v_BTGE


def turned(x_BTHE: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """RoPE in half-split form, by tables of (T, E)."""
    cos_TE, sin_TE = (table[:, None].to(x_BTHE.dtype) for table in rope)
    first, second = x_BTHE.chunk(2, dim=-1)
    return x_BTHE * cos_TE + torch.cat((-second, first), dim=-1) * sin_TE


def _check_sizes(
    rows_BTP: Tensor,
    q_weight_E: Tensor,
    k_weight_E: Tensor,
    cos_TE: Tensor,
    sin_TE: Tensor,
    *,
    queries: int,
) -> None:
    if rows_BTP.ndim != 3:
        raise ValueError(f"rows of shape {tuple(rows_BTP.shape)}: sequences, positions, columns")
    if q_weight_E.ndim != 1 or q_weight_E.shape != k_weight_E.shape or len(q_weight_E) % 2:
        raise ValueError(
            f"norm weights of shapes {tuple(q_weight_E.shape)} and {tuple(k_weight_E.shape)}: "
            "both hold one number for each column of a head, an even number (RoPE turns pairs)"
        )
    (_, length, columns), width = rows_BTP.shape, len(q_weight_E)
    for table in (cos_TE, sin_TE):
        if table.shape != (length, width):
            raise ValueError(
                f"a RoPE table of shape {tuple(table.shape)}: {length} positions of {width} columns"
            )
    heads = columns // width if width else 0
    if not 0 <= queries < heads or heads * width != columns or (heads - queries) % 2:
        raise ValueError(
            f"{columns} columns are not {queries} query heads and as many key as value heads "
            f"of width {width}"
        )


class _TurnedHeads(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        rows_BTP: Tensor,
        q_weight_E: Tensor,
        k_weight_E: Tensor,
        cos_TE: Tensor,
        sin_TE: Tensor,
        queries: int,
        eps: float,
    ) -> Heads:
        rows_BTP = rows_BTP.contiguous()
        batch, length, columns = rows_BTP.shape
        width = len(q_weight_E)
        keys = (columns // width - queries) // 2
        q_BTHE = rows_BTP.new_empty(batch, length, queries, width)
        k_BTGE, v_BTGE = (rows_BTP.new_empty(batch, length, keys, width) for _ in range(2))
        ctx.sizes = (batch * length, length, queries, keys, width)
        ctx.eps = eps
        ctx.save_for_backward(rows_BTP, q_weight_E, k_weight_E, cos_TE, sin_TE)
        call(
            "heads_forward",
            *(rows_BTP, q_weight_E, k_weight_E, cos_TE, sin_TE, q_BTHE, k_BTGE, v_BTGE),
            *(*ctx.sizes, eps, rows_BTP.dtype == torch.bfloat16),
        )
        return q_BTHE, k_BTGE, v_BTGE

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dq: Tensor, dk: Tensor, dv: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        rows_BTP, *weights_and_rope = ctx.saved_tensors
        count, *_, width = ctx.sizes
        grads = (grad.to(rows_BTP.dtype).contiguous() for grad in (dq, dk, dv))
        d_rows_BTP = torch.empty_like(rows_BTP)
        blocks = -(-count // _BLOCK_ROWS)
        # Per block: sums of both weights, and scratch.
        partial = torch.empty(blocks, 3, width, dtype=torch.float32)
        call(
            "heads_backward",
            *(*grads, rows_BTP, *weights_and_rope, d_rows_BTP, partial),
            *(*ctx.sizes, blocks, ctx.eps, rows_BTP.dtype == torch.bfloat16),
        )
        dq_weight_E, dk_weight_E, _ = partial.sum(dim=0)
        return d_rows_BTP, dq_weight_E, dk_weight_E, None, None, None, None

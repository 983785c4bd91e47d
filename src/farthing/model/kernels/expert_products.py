"""Routed SwiGLU experts over sorted rows: every expert's tokens one contiguous block.

Shapes: N tokens, K experts per token, E experts, D hidden width, F inner width of one expert,
G = 2F (gate and up side by side), R rows, one per (token, expert) pair and some of padding,
sorted by expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from farthing.model.kernels.native import call
from farthing.model.kernels.precision import product_dtype

# Every new size of a bf16 product costs the library behind it milliseconds of code generation, and
# the experts' loads differ in every step: their blocks are padded to few sizes, with zeros.
_BLOCK_ROWS = {torch.float32: 1, torch.bfloat16: 64}


def sorted_experts(
    x_ND: Tensor,
    ids_NK: Tensor,
    weights_NK: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
) -> Tensor:
    """The weighed sum of each token's chosen experts, (N, D), where `native.usable` says yes."""
    return _SortedExperts.apply(  # type: ignore[no-any-return, no-untyped-call]
        x_ND, ids_NK, weights_NK.float(), gate_EFD, up_EFD, down_EDF
    )


class _SortedExperts(torch.autograd.Function):
    """Forward: gather, gate and up in one product, SwiGLU, down, weighed sum.

    The experts' outputs are not kept for the backward pass: with y = w * (down h), the gradient
    of w is (down^T dy) . h, and that product is needed anyway.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x_ND: Tensor,
        ids_NK: Tensor,
        weights_NK: Tensor,
        gate_EFD: Tensor,
        up_EFD: Tensor,
        down_EDF: Tensor,
    ) -> Tensor:
        dtype, inner = product_dtype(gate_EFD), gate_EFD.shape[1]
        order = _Order(ids_NK, len(gate_EFD), dtype)
        gate_up_EGD = torch.cat((gate_EFD, up_EFD), dim=1).to(dtype)
        down_EDF = down_EDF.to(dtype)
        rows_RD, row_weights_R = order.gather(x_ND, weights_NK, dtype)
        gate_up_RG = rows_RD.new_empty(order.rows, 2 * inner)
        for e, x, out in order.blocks(rows_RD, gate_up_RG):
            torch.mm(x, gate_up_EGD[e].T, out=out)
        hidden_RF = rows_RD.new_empty(order.rows, inner)
        bf16 = dtype == torch.bfloat16
        call("swiglu_forward", gate_up_RG, hidden_RF, order.rows, inner, bf16)
        out_RD = torch.empty_like(rows_RD)
        for e, hidden, out in order.blocks(hidden_RF, out_RD):
            torch.mm(hidden, down_EDF[e].T, out=out)
        ctx.save_for_backward(rows_RD, gate_up_RG, row_weights_R, gate_up_EGD, down_EDF)
        ctx.order, ctx.x_dtype, ctx.weight_dtype = order, x_ND.dtype, gate_EFD.dtype
        return order.combine(out_RD, weights_NK, dtype)

    @staticmethod
    def backward(ctx: Any, grad_ND: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        rows_RD, gate_up_RG, row_weights_R, gate_up_EGD, down_EDF = ctx.saved_tensors
        order, inner = ctx.order, down_EDF.shape[2]
        grad_RD, _ = order.gather(grad_ND, None, rows_RD.dtype)
        d_hidden_RF = rows_RD.new_empty(order.rows, inner)
        for e, grad, out in order.blocks(grad_RD, d_hidden_RF):
            torch.mm(grad, down_EDF[e], out=out)
        d_gate_up_RG, weighed_RF = torch.empty_like(gate_up_RG), torch.empty_like(d_hidden_RF)
        d_row_weights_R = torch.empty_like(row_weights_R)
        call(
            "swiglu_backward",
            *(d_hidden_RF, gate_up_RG, row_weights_R, d_gate_up_RG, weighed_RF, d_row_weights_R),
            *(order.rows, inner, rows_RD.dtype == torch.bfloat16),
        )
        d_gate_up_EGD, d_down_EDF = torch.empty_like(gate_up_EGD), torch.empty_like(down_EDF)
        for empty in order.empty_experts:
            d_gate_up_EGD[empty].zero_()
            d_down_EDF[empty].zero_()
        for e, grad, weighed, d_gate_up, x in order.blocks(
            grad_RD, weighed_RF, d_gate_up_RG, rows_RD
        ):
            torch.mm(grad.T, weighed, out=d_down_EDF[e])
            torch.mm(d_gate_up.T, x, out=d_gate_up_EGD[e])
            # The rows of `grad` are read for the last time above: they become the rows of dx.
            torch.mm(d_gate_up, gate_up_EGD[e], out=grad)
        d_gate_EFD, d_up_EFD = (
            part.to(ctx.weight_dtype).contiguous() for part in d_gate_up_EGD.split(inner, dim=1)
        )
        return (
            order.combine(grad_RD, None, ctx.x_dtype),
            None,
            order.restore(d_row_weights_R),
            d_gate_EFD,
            d_up_EFD,
            d_down_EDF.to(ctx.weight_dtype),
        )


class _Order:
    """The rows of a batch, sorted by expert; stable, so that an expert sees tokens in order."""

    def __init__(self, ids_NK: Tensor, experts: int, dtype: torch.dtype) -> None:
        self.tokens, self.top_k = ids_NK.shape
        choices, ids_NK = ids_NK.numel(), ids_NK.contiguous()
        counts_E = torch.empty(experts, dtype=torch.int64)
        call("count_choices", ids_NK, counts_E, choices, experts)
        step = _BLOCK_ROWS[dtype]
        padded_E = (counts_E + step - 1) // step * step
        self._counts: list[int] = padded_E.tolist()
        self.rows = sum(self._counts)
        self.empty_experts = [e for e, count in enumerate(self._counts) if not count]
        # Which choice each row is (-1 for padding), and where each choice went.
        self._source_R = torch.full((self.rows,), -1, dtype=torch.int32)
        self._place_C = torch.empty(choices, dtype=torch.int32)
        call(
            "sort_choices",
            ids_NK,
            padded_E.cumsum(0) - padded_E,
            self._source_R,
            self._place_C,
            choices,
        )

    def blocks(self, *rows: Tensor) -> Iterator[tuple[Any, ...]]:
        """Each expert that has rows, with its block of every tensor."""
        parts = zip(*(tensor.split(self._counts) for tensor in rows), strict=True)
        return (
            (e, *blocks)
            for e, (count, blocks) in enumerate(zip(self._counts, parts, strict=True))
            if count
        )

    def gather(
        self, x_ND: Tensor, weights_NK: Tensor | None, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """Rows (R, D) in `dtype`, and their weights (R,) where there are any."""
        rows_RD = torch.empty(self.rows, x_ND.shape[1], dtype=dtype)
        row_weights_R = torch.empty(self.rows if weights_NK is not None else 0)
        call(
            "gather_tokens",
            *(x_ND.contiguous(), self._source_R),
            weights_NK if weights_NK is None else weights_NK.contiguous(),
            *(rows_RD, row_weights_R, self.rows, self.top_k, x_ND.shape[1]),
            *(x_ND.dtype == torch.bfloat16, dtype == torch.bfloat16),
        )
        return rows_RD, row_weights_R

    def combine(self, rows_RD: Tensor, weights_NK: Tensor | None, dtype: torch.dtype) -> Tensor:
        """The sum of each token's rows, weighed where there are weights, (N, D) in `dtype`."""
        x_ND = torch.empty(self.tokens, rows_RD.shape[1], dtype=dtype)
        call(
            "combine_rows",
            *(rows_RD, self._place_C),
            weights_NK if weights_NK is None else weights_NK.contiguous(),
            *(x_ND, self.tokens, self.top_k, rows_RD.shape[1]),
            *(rows_RD.dtype == torch.bfloat16, dtype == torch.bfloat16),
        )
        return x_ND

    def restore(self, values_R: Tensor) -> Tensor:
        """One value per row, back in the order of the choices, (N, K)."""
        return values_R[self._place_C].view(self.tokens, self.top_k)

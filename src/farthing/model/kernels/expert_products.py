"""Routed SwiGLU experts over sorted rows: every expert's tokens one contiguous block.

Shapes: N tokens, K experts per token, E experts, D hidden width, F inner width of one expert,
G = 2F (gate and up side by side), S rows of one expert, R rows: one per (token, expert) pair and
some of padding, sorted by expert.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from farthing.model.kernels.native import call
from farthing.model.kernels.precision import product_dtype

# Every new size of a bf16 product costs the library behind it milliseconds of code generation, and
# the experts' loads differ in every step: their blocks are padded to few sizes, with zeros.
_PADDED_ROWS = {torch.float32: 1, torch.bfloat16: 64}


def padded_counts(counts_E: Tensor, dtype: torch.dtype) -> Tensor:
    """The rows of each expert's block, (E,), for products in `dtype`.

    Args:
        counts_E: rows that hold a token.
        dtype: one without an entry is not padded.
    """
    step = _PADDED_ROWS.get(dtype, 1)
    return (counts_E + step - 1) // step * step


def sorted_experts(
    x_ND: Tensor,
    ids_NK: Tensor,
    weights_NK: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
) -> Tensor:
    """The weighed sum of each token's chosen experts, (N, D), where `native.usable` says yes.

    Raises:
        IndexError: an id is of no expert.
        ValueError: the sizes do not fit each other.
    """
    _check_sizes(x_ND, ids_NK, weights_NK, gate_EFD, up_EFD, down_EDF)
    return _SortedExperts.apply(  # type: ignore[no-any-return, no-untyped-call]
        x_ND, ids_NK, weights_NK.float(), gate_EFD, up_EFD, down_EDF
    )


def _check_sizes(
    x_ND: Tensor,
    ids_NK: Tensor,
    weights_NK: Tensor,
    gate_EFD: Tensor,
    up_EFD: Tensor,
    down_EDF: Tensor,
) -> None:
    ids, gate = tuple(ids_NK.shape), tuple(gate_EFD.shape)
    if ids_NK.dtype != torch.int64 or len(ids) != 2 or weights_NK.shape != ids:
        raise ValueError(
            f"ids of {ids_NK.dtype} and shape {ids}, weights of {tuple(weights_NK.shape)}: "
            "both are (tokens, choices), the ids int64"
        )
    if len(gate) != 3 or up_EFD.shape != gate or down_EDF.shape != (gate[0], gate[2], gate[1]):
        raise ValueError(
            f"gate {gate}, up {tuple(up_EFD.shape)}, down {tuple(down_EDF.shape)}: "
            "they are (experts, inner, width) twice and (experts, width, inner)"
        )
    if x_ND.shape != (ids[0], gate[2]):
        raise ValueError(
            f"tokens of shape {tuple(x_ND.shape)}: {ids[0]} rows have choices, "
            f"the experts are {gate[2]} wide"
        )


class _SortedExperts(torch.autograd.Function):
    """Expert by expert: gather, gate and up in one product, SwiGLU, down; then the weighed sum.

    One expert's rows stay in a core's cache from one operation to the next. The experts' outputs
    are not kept for the backward pass: with y = w * (down h), the gradient of w is
    (down^T dy) . h, and that product is needed anyway.
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
        rows_RD = torch.empty(order.rows, x_ND.shape[1], dtype=dtype)
        gate_up_RG = torch.empty(order.rows, 2 * inner, dtype=dtype)
        out_RD = torch.empty_like(rows_RD)
        hidden_SF = torch.empty(order.largest, inner, dtype=dtype)
        x_ND, bf16 = x_ND.contiguous(), dtype == torch.bfloat16
        for e, source, x, gate_up, out in order.blocks(rows_RD, gate_up_RG, out_RD):
            hidden = hidden_SF[: len(x)]
            _gather(x_ND, source, x, order.top_k)
            torch.mm(x, gate_up_EGD[e].T, out=gate_up)
            call("swiglu_forward", gate_up, hidden, len(x), inner, bf16)
            torch.mm(hidden, down_EDF[e].T, out=out)
        ctx.save_for_backward(rows_RD, gate_up_RG, weights_NK, gate_up_EGD, down_EDF)
        ctx.order, ctx.x_dtype, ctx.weight_dtype = order, x_ND.dtype, gate_EFD.dtype
        return order.combine(out_RD, weights_NK, dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_ND: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        rows_RD, gate_up_RG, weights_NK, gate_up_EGD, down_EDF = ctx.saved_tensors
        order, inner, dtype = ctx.order, down_EDF.shape[2], rows_RD.dtype
        d_rows_RD = torch.empty_like(rows_RD)
        weights_R = order.sorted_weights(weights_NK)
        d_weights_R = torch.empty_like(weights_R)
        needs_x, _, needs_weights, *needs_stacks = ctx.needs_input_grad
        d_gate_EFD, d_up_EFD, d_down_EDF = _stacks(down_EDF, needs_stacks, order.empty_experts)
        d_hidden_SF, weighed_SF = (torch.empty(order.largest, inner, dtype=dtype) for _ in range(2))
        d_gate_up_SG = torch.empty(order.largest, 2 * inner, dtype=dtype)
        grad_ND, bf16 = grad_ND.contiguous(), dtype == torch.bfloat16
        for e, source, x, gate_up, d_x, weights, d_weights in order.blocks(
            rows_RD, gate_up_RG, d_rows_RD, weights_R, d_weights_R
        ):
            count = len(x)
            d_hidden, weighed = d_hidden_SF[:count], weighed_SF[:count]
            d_gate_up = d_gate_up_SG[:count]
            # The rows of dx hold those of the output's gradient until they are needed no more.
            grad = d_x
            _gather(grad_ND, source, grad, order.top_k)
            torch.mm(grad, down_EDF[e], out=d_hidden)
            call(
                "swiglu_backward",
                *(d_hidden, gate_up, weights, d_gate_up, weighed, d_weights, count, inner, bf16),
            )
            for gradient, left, right in (
                (d_down_EDF, grad, weighed),
                (d_gate_EFD, d_gate_up[:, :inner], x),
                (d_up_EFD, d_gate_up[:, inner:], x),
            ):
                if gradient is not None:
                    torch.mm(left.T, right, out=gradient[e])
            if needs_x:
                torch.mm(d_gate_up, gate_up_EGD[e], out=d_x)
        return (
            order.combine(d_rows_RD, None, ctx.x_dtype) if needs_x else None,
            None,
            order.restore(d_weights_R) if needs_weights else None,
            *(
                gradient if gradient is None else gradient.to(ctx.weight_dtype)
                for gradient in (d_gate_EFD, d_up_EFD, d_down_EDF)
            ),
        )


def _stacks(down_EDF: Tensor, needed: list[bool], empty_experts: list[int]) -> list[Tensor | None]:
    """Room for the gradients of gate, up and down, of those that are needed."""
    experts, width, inner = down_EDF.shape
    sizes = ((experts, inner, width), (experts, inner, width), (experts, width, inner))
    stacks = [
        down_EDF.new_empty(size) if need else None for size, need in zip(sizes, needed, strict=True)
    ]
    for stack in stacks:
        if stack is not None:
            stack[empty_experts] = 0
    return stacks


def _gather(x_ND: Tensor, source_S: Tensor, rows_SD: Tensor, top_k: int) -> None:
    """Each row's token, zeros for padding."""
    call(
        "gather_tokens",
        *(x_ND, source_S, rows_SD, len(rows_SD), top_k, x_ND.shape[1]),
        *(x_ND.dtype == torch.bfloat16, rows_SD.dtype == torch.bfloat16),
    )


class _Order:
    """The rows of a batch, sorted by expert; stable, so that an expert sees tokens in order."""

    def __init__(self, ids_NK: Tensor, experts: int, dtype: torch.dtype) -> None:
        self.tokens, self.top_k = ids_NK.shape
        choices, ids_NK = ids_NK.numel(), ids_NK.contiguous()
        counts_E = torch.empty(experts, dtype=torch.int64)
        bad = call("count_choices", ids_NK, counts_E, choices, experts)
        if bad is not None and bad >= 0:
            raise IndexError(
                f"expert {int(ids_NK.view(-1)[bad])} is out of bounds: there are {experts}"
            )
        padded_E = padded_counts(counts_E, dtype)
        self._counts: list[int] = padded_E.tolist()
        self.rows, self.largest = sum(self._counts), max(self._counts)
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
        """Each expert that has rows, with its block of sources and of every tensor."""
        tensors = (self._source_R, *rows)
        parts = zip(*(torch.split(tensor, self._counts) for tensor in tensors), strict=True)
        return (
            (e, *blocks)
            for e, (count, blocks) in enumerate(zip(self._counts, parts, strict=True))
            if count
        )

    def sorted_weights(self, weights_NK: Tensor) -> Tensor:
        """The weight of each row, (R,), zero for padding."""
        weights_R = torch.zeros(self.rows)
        weights_R[self._place_C] = weights_NK.flatten()
        return weights_R

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

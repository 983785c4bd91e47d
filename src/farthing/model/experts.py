"""Routed experts: one seam through which every expert matrix product goes.

Shapes: N tokens, K experts per token, E experts, D hidden width, F inner width of one expert.
R = N*K rows, one per (token, expert) pair, sorted by expert.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from farthing.model.kernels.expert_products import sorted_experts
from farthing.model.kernels.native import usable
from farthing.model.kernels.precision import product_dtype

ExpertPath = Literal["auto", "sorted", "grouped", "loop"]

_GROUPED_ALIGNMENT_BYTES = 16
_GROUPED_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class Experts(nn.Module):
    """SwiGLU experts, their weights stacked in one tensor per projection."""

    def __init__(self, num_experts: int, hidden_dim: int, expert_dim: int) -> None:
        super().__init__()
        self.gate_proj = nn.Parameter(torch.empty(num_experts, expert_dim, hidden_dim))
        self.up_proj = nn.Parameter(torch.empty(num_experts, expert_dim, hidden_dim))
        self.down_proj = nn.Parameter(torch.empty(num_experts, hidden_dim, expert_dim))
        self.path: ExpertPath = "auto"

    # The sort and the per-expert counts depend on the data: the compiler would break the graph
    # inside, so it breaks around. (Compiled fp32 grouped_mm fails on torch 2.13's CPU build.)
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, x_ND: Tensor, ids_NK: Tensor, weights_NK: Tensor) -> Tensor:
        """The weighted sum of each token's chosen experts, (N, D).

        Args:
            x_ND: tokens.
            ids_NK: expert ids; experts that nobody chose are never touched.
            weights_NK: weight of each choice.
        """
        stacks = (self.gate_proj, self.up_proj, self.down_proj)
        path = choose_path(self.path, x_ND, self.gate_proj)
        if path == "sorted":
            return sorted_experts(x_ND, ids_NK, weights_NK, *stacks)
        ids_R = ids_NK.reshape(-1)
        order_R = ids_R.argsort(stable=True)
        counts_E = ids_R.bincount(minlength=self.gate_proj.shape[0])
        rows_RD = _gather_tokens(x_ND, order_R, ids_NK.shape[1]).to(product_dtype(self.gate_proj))
        compute = _grouped if path == "grouped" else _loop
        out_NKD = _restore_order(compute(rows_RD, counts_E, *stacks), order_R)
        weights_NK = weights_NK.to(out_NKD.dtype)
        return torch.einsum("nkd,nk->nd", out_NKD.view(*ids_NK.shape, -1), weights_NK)


def choose_path(wanted: ExpertPath, x_ND: Tensor, weight_EFD: Tensor) -> ExpertPath:
    """The way of computing experts: on CPU `sorted`, elsewhere `grouped`, `loop` where neither can.

    Measured on CPU (docs/results/speed.md): `sorted` wins at every shape; `loop` is what defines
    the others, and the only path for float64.

    Raises:
        ValueError: `wanted` cannot compute these tensors.
    """
    dtype = product_dtype(weight_EFD)
    aligned = all(
        size * dtype.itemsize % _GROUPED_ALIGNMENT_BYTES == 0 for size in weight_EFD.shape[1:]
    )
    # grouped_mm is public since torch 2.10; older builds only have the loop.
    possible: dict[ExpertPath, bool] = {
        "sorted": usable(x_ND, weight_EFD),
        "grouped": aligned and dtype in _GROUPED_DTYPES and hasattr(F, "grouped_mm"),
        "loop": True,
    }
    if wanted == "auto":
        likely: tuple[ExpertPath, ...] = ("sorted", "loop")
        if x_ND.device.type != "cpu":
            likely = ("grouped", "loop")
        return next(path for path in likely if possible[path])
    if not possible[wanted]:
        raise ValueError(
            f"the path {wanted!r} takes no {dtype} products on {x_ND.device.type} "
            f"of widths {tuple(weight_EFD.shape[1:])}"
        )
    return wanted


def _loop(
    rows_RD: Tensor, counts_E: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor
) -> Tensor:
    """One expert after the other. `unbind` keeps each gradient a slice of one tensor."""
    counts = counts_E.tolist()
    outputs = [
        F.linear(F.silu(F.linear(rows, gate)) * F.linear(rows, up), down)
        for rows, gate, up, down in zip(
            torch.split(rows_RD, counts),
            gate_EFD.unbind(),
            up_EFD.unbind(),
            down_EDF.unbind(),
            strict=True,
        )
        if rows.shape[0]
    ]
    return torch.cat(outputs)


def _grouped(
    rows_RD: Tensor, counts_E: Tensor, gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor
) -> Tensor:
    """All experts in three grouped products; empty groups are legal."""
    gate_EFD, up_EFD, down_EDF = (w.to(rows_RD.dtype) for w in (gate_EFD, up_EFD, down_EDF))
    ends_E = counts_E.cumsum(0).to(torch.int32)
    gate_RF = F.grouped_mm(rows_RD, gate_EFD.transpose(-2, -1), offs=ends_E)
    up_RF = F.grouped_mm(rows_RD, up_EFD.transpose(-2, -1), offs=ends_E)
    return F.grouped_mm(F.silu(gate_RF) * up_RF, down_EDF.transpose(-2, -1), offs=ends_E)


class _GatherTokens(torch.autograd.Function):
    """Rows of tokens in expert order.

    The generic backward is an index_add, whose order of additions is not fixed on every
    device; each token has exactly K rows, so its gradient is a sum over a fixed axis instead.
    """

    @staticmethod
    def forward(ctx: Any, x_ND: Tensor, order_R: Tensor, top_k: int) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(order_R)
        ctx.top_k = top_k
        return x_ND.index_select(0, order_R // top_k)

    @staticmethod
    def backward(ctx: Any, grad_RD: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        (order_R,) = ctx.saved_tensors
        grad_NKD = _inverse_rows(grad_RD, order_R).view(-1, ctx.top_k, grad_RD.shape[1])
        return grad_NKD.sum(dim=1), None, None


class _RestoreOrder(torch.autograd.Function):
    """Undo the sort; the gradient is the sort again, a plain gather."""

    @staticmethod
    def forward(ctx: Any, rows_RD: Tensor, order_R: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(order_R)
        return _inverse_rows(rows_RD, order_R)

    @staticmethod
    def backward(ctx: Any, grad_RD: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (order_R,) = ctx.saved_tensors
        return grad_RD.index_select(0, order_R), None


def _gather_tokens(x_ND: Tensor, order_R: Tensor, top_k: int) -> Tensor:
    return _GatherTokens.apply(x_ND, order_R, top_k)  # type: ignore[no-any-return, no-untyped-call]


def _restore_order(rows_RD: Tensor, order_R: Tensor) -> Tensor:
    return _RestoreOrder.apply(rows_RD, order_R)  # type: ignore[no-any-return, no-untyped-call]


def _inverse_rows(rows_RD: Tensor, order_R: Tensor) -> Tensor:
    return torch.empty_like(rows_RD).index_copy_(0, order_R, rows_RD)

"""Routed experts: one seam through which every expert matrix product goes.

Shapes: N tokens, K experts per token, E experts, D hidden width, F inner width of one expert.
R = N*K rows, one per (token, expert) pair, sorted by expert.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from farthing.model.kernels.expert_products import sorted_experts
from farthing.model.kernels.native import usable
from farthing.model.kernels.precision import product_dtype

ExpertPath = Literal["auto", "sorted", "grouped", "loop"]

# Each expert's rows times its weight.T: rows sorted by expert, weights, where the rows end.
GroupedProduct = Callable[[Tensor, Tensor, Tensor], Tensor]

_GROUPED_ALIGNMENT_BYTES = 16
_GROUPED_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
# The only one that torch (2.13) traces grouped products of.
_TRACEABLE_DTYPE = torch.bfloat16


class Experts(nn.Module):
    """SwiGLU experts, their weights stacked in one tensor per projection."""

    def __init__(self, num_experts: int, hidden_dim: int, expert_dim: int) -> None:
        super().__init__()
        self.gate_proj = nn.Parameter(torch.empty(num_experts, expert_dim, hidden_dim))
        self.up_proj = nn.Parameter(torch.empty(num_experts, expert_dim, hidden_dim))
        self.down_proj = nn.Parameter(torch.empty(num_experts, hidden_dim, expert_dim))
        self.path: ExpertPath = "auto"
        # What computes the path `grouped`: `use_fp8` may put another in its place.
        self.grouped_product: GroupedProduct = grouped_product

    def forward(self, x_ND: Tensor, ids_NK: Tensor, weights_NK: Tensor) -> Tensor:
        """The weighted sum of each token's chosen experts, (N, D).

        Args:
            x_ND: tokens.
            ids_NK: expert ids; experts that nobody chose are never touched.
            weights_NK: weight of each choice.
        """
        grouped = choose_path(self.path, x_ND, self.gate_proj) == "grouped"
        if grouped and product_dtype(self.gate_proj) == _TRACEABLE_DTYPE:
            return self._by_rows(_grouped, x_ND, ids_NK, weights_NK)
        out_ND: Tensor = self._apart(x_ND, ids_NK, weights_NK)
        return out_ND

    # What the compiler would have to break the graph in, it breaks around: the number of rows of
    # each expert must be known on the host, or the grouped product has no shape function.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _apart(self, x_ND: Tensor, ids_NK: Tensor, weights_NK: Tensor) -> Tensor:
        # Asked again: compiled kernels are usable here, though not inside compiled code.
        path = choose_path(self.path, x_ND, self.gate_proj)
        if path == "sorted":
            stacks = (self.gate_proj, self.up_proj, self.down_proj)
            return sorted_experts(x_ND, ids_NK, weights_NK, *stacks)
        compute = _grouped if path == "grouped" else _loop
        return self._by_rows(compute, x_ND, ids_NK, weights_NK)

    def _by_rows(
        self,
        compute: Callable[[Experts, Tensor, Tensor], Tensor],
        x_ND: Tensor,
        ids_NK: Tensor,
        weights_NK: Tensor,
    ) -> Tensor:
        """Sort the choices by expert, compute their rows, add up what each token gets."""
        sorted_R, order_R = ids_NK.reshape(-1).sort(stable=True)
        # Not bincount: its size depends on the data, so the device would have to be waited for.
        experts_E = torch.arange(self.gate_proj.shape[0], device=x_ND.device)
        ends_E = torch.searchsorted(sorted_R, experts_E, right=True, out_int32=True)
        rows_RD = _gather_tokens(x_ND, order_R, ids_NK.shape[1]).to(product_dtype(self.gate_proj))
        out_NKD = _restore_order(compute(self, rows_RD, ends_E), order_R)
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


def grouped_product(rows_RD: Tensor, weight_EFD: Tensor, ends_E: Tensor) -> Tensor:
    """Each expert's rows times its weight.T, (R, F), in the dtype of the rows.

    Args:
        rows_RD: sorted by expert.
        weight_EFD: of every expert; one without rows is legal.
        ends_E: int32, where each expert's rows end.
    """
    return F.grouped_mm(rows_RD, weight_EFD.to(rows_RD.dtype).mT, offs=ends_E)


def _grouped(experts: Experts, rows_RD: Tensor, ends_E: Tensor) -> Tensor:
    """All experts in three grouped products."""
    product = experts.grouped_product
    gate_RF = product(rows_RD, experts.gate_proj, ends_E)
    up_RF = product(rows_RD, experts.up_proj, ends_E)
    return product(F.silu(gate_RF) * up_RF, experts.down_proj, ends_E)


def _loop(experts: Experts, rows_RD: Tensor, ends_E: Tensor) -> Tensor:
    """One expert after the other. `unbind` keeps each gradient a slice of one tensor."""
    outputs = [
        F.linear(F.silu(F.linear(rows, gate)) * F.linear(rows, up), down)
        for rows, gate, up, down in zip(
            torch.tensor_split(rows_RD, ends_E[:-1].tolist()),
            experts.gate_proj.unbind(),
            experts.up_proj.unbind(),
            experts.down_proj.unbind(),
            strict=True,
        )
        if rows.shape[0]
    ]
    return torch.cat(outputs)


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

"""The matrix products of routed experts and their SwiGLU, without the tokens' way there and back.

The same widths, the same rows for each expert as the router chose, forward and backward, in torch's
own products. What a block of experts takes beyond this is dispatch: sorting, gathering, combining.

Shapes: R rows sorted by expert, E experts, D hidden width, F inner width, G = 2F.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from farthing.bench.capture import Call
from farthing.model.experts import Experts, choose_path
from farthing.model.kernels.expert_products import padded_counts
from farthing.model.kernels.precision import product_dtype
from farthing.model.kernels.swiglu import swiglu


@dataclass(frozen=True)
class ExpertProducts:
    """The products of one call, to be run as often as wanted.

    Attributes:
        counts: rows of each expert.
        rows: the tokens, gathered beforehand, (R, D).
        gate_up: weights side by side, (E, G, D), in the dtype of the products.
        down: (E, D, F).
        grouped: all experts in one call each, where that is what the model does.
    """

    counts: list[int]
    rows: Tensor
    gate_up: Tensor
    down: Tensor
    grouped: bool

    def run(self) -> None:
        """Forward and backward; the results are thrown away."""
        if self.grouped:
            self._run_grouped()
        else:
            self._run_each()

    def _run_grouped(self) -> None:
        offsets_E = torch.tensor(self.counts, device=self.rows.device).cumsum(0).int()
        leaves = [
            tensor.detach().requires_grad_() for tensor in (self.rows, self.gate_up, self.down)
        ]
        rows_RD, gate_up_EGD, down_EDF = leaves
        hidden_RF = swiglu(F.grouped_mm(rows_RD, gate_up_EGD.mT, offs=offsets_E))
        out_RD = F.grouped_mm(hidden_RF, down_EDF.mT, offs=offsets_E)
        torch.autograd.grad(out_RD, leaves, torch.ones_like(out_RD))

    def _run_each(self) -> None:
        gate_up_EGD, down_EDF, x_RD = self.gate_up, self.down, self.rows
        gate_up_RG = x_RD.new_empty(len(x_RD), gate_up_EGD.shape[1])
        for e, x, out in self._blocks(x_RD, gate_up_RG):
            torch.mm(x, gate_up_EGD[e].T, out=out)
        gate_up_RG.requires_grad_()
        hidden_RF = swiglu(gate_up_RG)
        inner_RF, out_RD = hidden_RF.detach(), torch.empty_like(x_RD)
        for e, inner, out in self._blocks(inner_RF, out_RD):
            torch.mm(inner, down_EDF[e].T, out=out)
        # Backward, from a gradient of the same size as the output: its values do not matter.
        grad_RD, d_inner_RF = out_RD, torch.empty_like(inner_RF)
        d_gate_up_EGD, d_down_EDF = torch.zeros_like(gate_up_EGD), torch.zeros_like(down_EDF)
        for e, grad, inner, d_inner in self._blocks(grad_RD, inner_RF, d_inner_RF):
            torch.mm(grad, down_EDF[e], out=d_inner)
            torch.mm(grad.T, inner, out=d_down_EDF[e])
        (d_gate_up_RG,) = torch.autograd.grad(hidden_RF, gate_up_RG, d_inner_RF)
        d_x_RD = torch.empty_like(x_RD)
        for e, d_gate_up, x, d_x in self._blocks(d_gate_up_RG, x_RD, d_x_RD):
            torch.mm(d_gate_up.T, x, out=d_gate_up_EGD[e])
            torch.mm(d_gate_up, gate_up_EGD[e], out=d_x)

    def _blocks(self, *tensors: Tensor) -> Iterator[tuple[Any, ...]]:
        parts = zip(*(torch.split(tensor, self.counts) for tensor in tensors), strict=True)
        for e, blocks in enumerate(parts):
            if self.counts[e]:
                yield e, *blocks


@torch.no_grad()
def products_of(call: Call) -> ExpertProducts:
    """The products of one call of a block of experts; under the autocast of the step."""
    experts, (x_ND, ids_NK, _) = call.module, call.inputs
    assert isinstance(experts, Experts)
    dtype = product_dtype(experts.gate_proj)
    # Blocks of the sizes that the experts' own kernel gives them.
    counts_E = ids_NK.flatten().bincount(minlength=len(experts.gate_proj))
    counts = padded_counts(counts_E, dtype).tolist()
    order_R = ids_NK.flatten().argsort(stable=True)
    gathered_RD = x_ND[order_R // ids_NK.shape[1]].to(dtype)
    # Which token stands in which row makes no difference; padding repeats the first.
    padding = gathered_RD[:1].expand(sum(counts) - len(gathered_RD), -1)
    return ExpertProducts(
        counts=counts,
        rows=torch.cat((gathered_RD, padding)),
        gate_up=torch.cat((experts.gate_proj, experts.up_proj), dim=1).to(dtype),
        down=experts.down_proj.detach().to(dtype),
        grouped=choose_path(experts.path, x_ND, experts.gate_proj) == "grouped",
    )

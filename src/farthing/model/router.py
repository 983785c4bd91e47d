"""The router: which experts a token visits, and with what weight.

Shapes: N tokens, D hidden width, E experts, S experts that take part, K chosen per token, P pairs
of (S, K) with a balancing bias of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from farthing.model.kernels.routing import route

# Logits, biases, top-k and scale to places and weights, as `kernels.routing.route` defines it.
Route = Callable[[Tensor, Tensor, int, float], tuple[Tensor, Tensor]]

_MASS_MEMORY = 0.99


class Router(nn.Module):
    """Sigmoid scores in fp32, with a balancing bias that selects but never weighs.

    Bias balancing without an auxiliary loss: arXiv 2408.15664. Where experts sit out a step
    (elastic width), their load says nothing about them, so the bias moves only for those that
    took part, towards the mean load of those.

    Where pairs (S, K) have a bias of their own, the loads of each are counted apart and move its
    bias alone. `balance_bias` is then that of the full pair (all experts, the full top-k) and of
    every pair that has none; `pair_bias` (P, E) holds the others.
    """

    balance_bias: Tensor
    pair_bias: Tensor
    row_load: Tensor
    row_present: Tensor
    mass: Tensor
    load: Tensor
    step_mass: Tensor
    present: Tensor

    def __init__(
        self,
        num_experts: int,
        hidden_dim: int,
        routed_scale: float,
        *,
        own_bias: Sequence[tuple[int, int]] = (),
    ) -> None:
        """Make a router without balance yet.

        Args:
            num_experts: E.
            hidden_dim: D.
            routed_scale: what the weights of a token sum to.
            own_bias: the pairs (S, K) with a bias of their own, without the full one.
        """
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_experts, hidden_dim))
        self.routed_scale = routed_scale
        # What chooses: a replay may put another in its place, which notes or forces the choices.
        self.route: Route = route
        self.register_buffer("balance_bias", torch.zeros(num_experts))
        # Share of the routed weight, averaged over recent steps: how much an expert matters.
        self.register_buffer("mass", torch.zeros(num_experts))
        # What the current optimizer step has seen so far; `end_step` empties all three.
        for name in ("load", "step_mass"):
            self.register_buffer(name, torch.zeros(num_experts), persistent=False)
        self.register_buffer(
            "present", torch.zeros(num_experts, dtype=torch.bool), persistent=False
        )
        # Row 0 is `balance_bias`, row 1 + i is pair i.
        self._rows = {pair: 1 + place for place, pair in enumerate(own_bias)}
        if self._rows:
            rows = 1 + len(self._rows)
            self.register_buffer("pair_bias", torch.zeros(rows - 1, num_experts))
            self.register_buffer("row_load", torch.zeros(rows, num_experts), persistent=False)
            self.register_buffer(
                "row_present", torch.zeros(rows, num_experts, dtype=torch.bool), persistent=False
            )

    def forward(self, x_ND: Tensor, ids_S: Tensor | None, top_k: int) -> tuple[Tensor, Tensor]:
        """Expert ids and weights of each token, both (N, K).

        Args:
            x_ND: tokens.
            ids_S: ids of the experts that take part, or None for all.
            top_k: experts per token, at most S.
        """
        weight_SD = self.weight if ids_S is None else self.weight[ids_S]
        taking_part = weight_SD.shape[0]
        bias_E = self.bias_of(taking_part, top_k)
        bias_S = bias_E if ids_S is None else bias_E[ids_S]
        precise = torch.promote_types(x_ND.dtype, torch.float32)
        with torch.autocast(x_ND.device.type, enabled=False):
            logits_NS = F.linear(x_ND.to(precise), weight_SD.to(precise))
        picks_NK, weights_NK = self.route(logits_NS, bias_S, top_k, self.routed_scale)
        ids_NK = picks_NK if ids_S is None else ids_S[picks_NK]
        if self.training:
            self._count(ids_NK, weights_NK, ids_S, self._row(taking_part, top_k))
        return ids_NK, weights_NK

    def bias_of(self, experts: int, top_k: int) -> Tensor:
        """The balancing bias (E,) that a sub-model of so many experts and this top-k chooses by."""
        row = self._row(experts, top_k)
        return self.pair_bias[row - 1] if row else self.balance_bias

    def _row(self, experts: int, top_k: int) -> int:
        return self._rows.get((experts, top_k), 0) if self._rows else 0

    @torch.no_grad()
    def _count(self, ids_NK: Tensor, weights_NK: Tensor, ids_S: Tensor | None, row: int) -> None:
        # Not bincount: its size depends on the data, and torch.compile breaks the graph there.
        ids_R, mass_R = ids_NK.reshape(-1), weights_NK.reshape(-1).to(self.step_mass.dtype)
        ones_R = torch.ones_like(mass_R)
        self.load.index_add_(0, ids_R, ones_R)
        self.step_mass.index_add_(0, ids_R, mass_R)
        if ids_S is None:
            self.present.fill_(True)
        else:
            self.present[ids_S] = True
        if self._rows:
            self.row_load[row].index_add_(0, ids_R, ones_R)
            if ids_S is None:
                self.row_present[row] = True
            else:
                self.row_present[row, ids_S] = True

    @torch.no_grad()
    def end_step(self, rate: float) -> None:
        """Move the bias of the experts that took part by `rate` towards an even load."""
        if self._rows:
            steps_RE = _bias_steps(self.row_load, self.row_present, rate)
            self.balance_bias += steps_RE[0]
            self.pair_bias += steps_RE[1:]
            self.row_load.zero_()
            self.row_present.fill_(False)
        else:
            self.balance_bias += _bias_steps(self.load, self.present, rate)
        share_E = self.step_mass / self.step_mass.sum()
        moved_E = self.mass.lerp(share_E, 1 - _MASS_MEMORY)
        self.mass.copy_(torch.where(self.present, moved_E, self.mass))
        self.load.zero_()
        self.step_mass.zero_()
        self.present.fill_(False)


def _bias_steps(load_E: Tensor, present_E: Tensor, rate: float) -> Tensor:
    """Towards the mean load of the experts that took part; (..., E), each row on its own."""
    # Without a branch on what the device holds: the host need not wait for it. Where no expert
    # took part, what is not a number is left out with the rest. Absent experts have no load.
    mean_load = load_E.sum(-1, keepdim=True) / present_E.sum(-1, keepdim=True)
    step_E = rate * torch.sign(mean_load - load_E)
    return torch.where(present_E, step_E, torch.zeros_like(step_E))

"""The router: which experts a token visits, and with what weight.

Shapes: N tokens, D hidden width, E experts, S experts that take part, K chosen per token.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from farthing.model.kernels.routing import route

_MASS_MEMORY = 0.99


class Router(nn.Module):
    """Sigmoid scores in fp32, with a balancing bias that selects but never weighs.

    Bias balancing without an auxiliary loss: arXiv 2408.15664. Where experts sit out a step
    (elastic width), their load says nothing about them, so the bias moves only for those that
    took part, towards the mean load of those.
    """

    balance_bias: Tensor
    mass: Tensor
    load: Tensor
    step_mass: Tensor
    present: Tensor

    def __init__(self, num_experts: int, hidden_dim: int, routed_scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_experts, hidden_dim))
        self.routed_scale = routed_scale
        self.register_buffer("balance_bias", torch.zeros(num_experts))
        # Share of the routed weight, averaged over recent steps: how much an expert matters.
        self.register_buffer("mass", torch.zeros(num_experts))
        # What the current optimizer step has seen so far; `end_step` empties all three.
        for name in ("load", "step_mass"):
            self.register_buffer(name, torch.zeros(num_experts), persistent=False)
        self.register_buffer(
            "present", torch.zeros(num_experts, dtype=torch.bool), persistent=False
        )

    def forward(self, x_ND: Tensor, ids_S: Tensor | None, top_k: int) -> tuple[Tensor, Tensor]:
        """Expert ids and weights of each token, both (N, K).

        Args:
            x_ND: tokens.
            ids_S: ids of the experts that take part, or None for all.
            top_k: experts per token, at most S.
        """
        weight_SD = self.weight if ids_S is None else self.weight[ids_S]
        bias_S = self.balance_bias if ids_S is None else self.balance_bias[ids_S]
        precise = torch.promote_types(x_ND.dtype, torch.float32)
        with torch.autocast(x_ND.device.type, enabled=False):
            logits_NS = F.linear(x_ND.to(precise), weight_SD.to(precise))
        picks_NK, weights_NK = route(logits_NS, bias_S, top_k, self.routed_scale)
        ids_NK = picks_NK if ids_S is None else ids_S[picks_NK]
        if self.training:
            self._count(ids_NK, weights_NK, ids_S)
        return ids_NK, weights_NK

    @torch.no_grad()
    def _count(self, ids_NK: Tensor, weights_NK: Tensor, ids_S: Tensor | None) -> None:
        # Not bincount: its size depends on the data, and torch.compile breaks the graph there.
        ids_R, mass_R = ids_NK.reshape(-1), weights_NK.reshape(-1).to(self.step_mass.dtype)
        self.load.index_add_(0, ids_R, torch.ones_like(mass_R))
        self.step_mass.index_add_(0, ids_R, mass_R)
        if ids_S is None:
            self.present.fill_(True)
        else:
            self.present[ids_S] = True

    @torch.no_grad()
    def end_step(self, rate: float) -> None:
        """Move the bias of the experts that took part by `rate` towards an even load."""
        # Without a branch on what the device holds: the host need not wait for it. Where no expert
        # took part, what is not a number is left out with the rest. Absent experts have no load.
        mean_load = self.load.sum() / self.present.sum()
        step_E = rate * torch.sign(mean_load - self.load)
        self.balance_bias += torch.where(self.present, step_E, torch.zeros_like(step_E))
        share_E = self.step_mass / self.step_mass.sum()
        moved_E = self.mass.lerp(share_E, 1 - _MASS_MEMORY)
        self.mass.copy_(torch.where(self.present, moved_E, self.mass))
        self.load.zero_()
        self.step_mass.zero_()
        self.present.fill_(False)

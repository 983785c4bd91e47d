"""Losses of single tokens in nats, always in fp32 or better: what evaluation adds up."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def token_nats(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """Negative log-likelihood of each target, (B, T), in nats."""
    precise = torch.promote_types(logits_BTV.dtype, torch.float32)
    losses_N = F.cross_entropy(
        logits_BTV.reshape(-1, logits_BTV.shape[-1]).to(precise),
        targets_BT.reshape(-1),
        reduction="none",
    )
    return losses_N.view_as(targets_BT)

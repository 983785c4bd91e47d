"""Initial weights: a function of the seed alone, the same on every device."""

from __future__ import annotations

import torch
from torch import Tensor

from farthing.model.transformer import Transformer

EMBED_STD = 0.02
# Output matrices start at zero: every layer is the identity, and the first logits are even.
_ZERO_AT_START = ("o_proj.weight", "down_proj.weight", "down_proj", "lm_head.weight")


@torch.no_grad()
def initialize(model: Transformer, seed: int) -> None:
    """Fill every weight in place; each tensor has a stream of its own, named by its place."""
    for index, (name, weight) in enumerate(model.named_parameters()):
        if "norm" in name:
            weight.fill_(1.0)
        elif name.startswith("embed_tokens"):
            weight.copy_(_normal(weight, EMBED_STD, seed, index))
        elif name.endswith(_ZERO_AT_START):
            weight.zero_()
        else:
            weight.copy_(_normal(weight, weight.shape[-1] ** -0.5, seed, index))


def _normal(like: Tensor, std: float, seed: int, index: int) -> Tensor:
    # Drawn on the CPU in float32, so that accelerators start from the same bits.
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
    return torch.randn(like.shape, generator=generator) * std

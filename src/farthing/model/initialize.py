"""Initial weights: a function of the seed alone, the same on every device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from farthing.model.config import ModelConfig
from farthing.model.transformer import Transformer

# What ends a block, and so adds to the residual stream.
_BLOCK_OUTPUTS = ("o_proj.weight", "down_proj.weight", "down_proj")
_GPT2_STD = 0.02


@torch.no_grad()
def initialize(model: Transformer, seed: int) -> None:
    """Fill every weight in place; each tensor has a stream of its own, named by its place."""
    for index, (name, weight) in enumerate(model.named_parameters()):
        if "norm" in name:
            weight.fill_(1.0)
        elif std := _spread(name, weight, model.config):
            weight.copy_(_normal(weight, std, seed, index))
        else:
            weight.zero_()


def _spread(name: str, weight: Tensor, config: ModelConfig) -> float:
    """Standard deviation of a weight's first values."""
    if name.startswith("embed_"):
        return config.embedding_std
    if config.initialization == "gpt2":
        # As many sums enter the residual stream as there are blocks: two a layer.
        blocks = 2 * config.num_layers if name.endswith(_BLOCK_OUTPUTS) else 1
        return _GPT2_STD / math.sqrt(blocks)
    # Output matrices start at zero: every layer is the identity, and the first logits are even.
    zero = name.endswith((*_BLOCK_OUTPUTS, "lm_head.weight"))
    return 0.0 if zero else float(weight.shape[-1] ** -0.5)


def _normal(like: Tensor, std: float, seed: int, index: int) -> Tensor:
    # Drawn on the CPU in float32, so that accelerators start from the same bits.
    generator = torch.Generator().manual_seed(seed * 1_000_003 + index)
    return torch.randn(like.shape, generator=generator) * std

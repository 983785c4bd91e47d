"""Norms as modules: a weight and what applies it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from farthing.model.config import ModelConfig
from farthing.model.kernels.norm import rms_norm
from farthing.model.kernels.precision import product_dtype


class RmsNorm(nn.Module):
    """`x / sqrt(mean(x**2) + eps) * weight` over the last dimension."""

    weight: Tensor

    def __init__(self, width: int, eps: float, *, learned: bool = True) -> None:
        super().__init__()
        _give_weight(self, width, learned=learned)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same; in the dtype of matrix products."""
        return rms_norm(x, self.weight, self.eps)


class LayerNorm(nn.Module):
    """`(x - mean(x)) / sqrt(variance(x) + eps) * weight` over the last dimension: no bias."""

    weight: Tensor

    def __init__(self, width: int, eps: float, *, learned: bool = True) -> None:
        super().__init__()
        _give_weight(self, width, learned=learned)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same; in the dtype of matrix products."""
        weight = self.weight
        normed = F.layer_norm(x.to(weight.dtype), weight.shape, weight, None, self.eps)
        return normed.to(product_dtype(normed))


def make_norm(config: ModelConfig) -> RmsNorm | LayerNorm:
    """A norm of the residual stream, as `config` wants it."""
    kind = RmsNorm if config.norm == "rms" else LayerNorm
    return kind(config.hidden_dim, config.norm_eps, learned=config.norm_weights)


def _give_weight(norm: nn.Module, width: int, *, learned: bool) -> None:
    if learned:
        norm.weight = nn.Parameter(torch.ones(width))
    else:
        # Ones, so that the same kernel computes it; neither trained nor saved.
        norm.register_buffer("weight", torch.ones(width), persistent=False)

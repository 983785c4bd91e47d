"""RMSNorm as a module: a weight and the kernel that applies it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from farthing.model.kernels.norm import rms_norm


class RmsNorm(nn.Module):
    """`x / sqrt(mean(x**2) + eps) * weight` over the last dimension."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to the same; in the dtype of matrix products."""
        return rms_norm(x, self.weight, self.eps)

"""The dtype that matrix products are computed in: autocast's, where it is on."""

from __future__ import annotations

import torch
from torch import Tensor


def product_dtype(like: Tensor) -> torch.dtype:
    """What a matrix product of `like` would be computed in; float64 is never lowered."""
    device = like.device.type
    if like.dtype == torch.float64 or not torch.is_autocast_enabled(device):
        return like.dtype
    return torch.get_autocast_dtype(device)

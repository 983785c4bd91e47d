"""The dtype that matrix products are computed in, and whether a low one is fast here."""

from __future__ import annotations

import torch
from torch import Tensor


def product_dtype(like: Tensor) -> torch.dtype:
    """What a matrix product of `like` would be computed in; float64 is never lowered."""
    device = like.device.type
    if like.dtype == torch.float64 or not torch.is_autocast_enabled(device):
        return like.dtype
    return torch.get_autocast_dtype(device)


def has_bf16_matrix_unit(device: torch.device) -> bool:
    """Whether bf16 products are several times as fast as fp32 ones on `device`.

    True of accelerators; of processors with tile units (8 times the fp32 rate, docs/log.md).
    Others have bf16 instructions at best, whose products came out slower than fp32.
    """
    if device.type != "cpu":
        return True
    probe = getattr(torch.cpu, "_is_amx_tile_supported", None)
    return probe is not None and bool(probe())

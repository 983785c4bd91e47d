"""Which device and precision a run uses: through `torch.accelerator`, no vendor named."""

from __future__ import annotations

from typing import Literal

import torch

from farthing.errors import ConfigError
from farthing.model.kernels.precision import has_bf16_matrix_unit


def choose_device(wanted: str) -> torch.device:
    """The device called `wanted`; `auto` is the accelerator that torch finds, else the CPU.

    Raises:
        ConfigError: torch knows no such device here.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if wanted == "auto":
        return found or torch.device("cpu")
    usable = ["cpu", *([found.type] if found else [])]
    try:
        device = torch.device(wanted)
    except RuntimeError:
        device = None
    if device is None or device.type not in usable:
        raise ConfigError(
            f"device {wanted!r} is not on this machine",
            remedy=f"choose among: auto, {', '.join(usable)}",
        )
    return device


def choose_precision(
    wanted: Literal["auto", "fp32", "bf16", "fp8"], device: torch.device
) -> torch.dtype | None:
    """The dtype to autocast matrix products to, or None for fp32 throughout.

    Products in FP8 are not autocast's doing (`use_fp8`); around them, everything is bf16.
    """
    if wanted in ("bf16", "fp8") or (wanted == "auto" and has_bf16_matrix_unit(device)):
        return torch.bfloat16
    return None

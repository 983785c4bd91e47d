"""Recorded kernels: compiled layers that an accelerator plays back instead of launching them."""

from __future__ import annotations

import torch


def begin_micro_batch() -> None:
    """Say that a forward pass begins: recordings may use the memory of the one before again."""
    torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]

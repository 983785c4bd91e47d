"""What torch is told so that an accelerator gives the same bits twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

# Read by the matrix library when its first product runs: a workspace of its own for each stream,
# eight of 4 MiB (https://docs.pytorch.org/docs/stable/notes/randomness.html).
_WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@contextmanager
def deterministic_algorithms() -> Iterator[None]:
    """Let torch choose only algorithms that give the same bits twice; undone at the end.

    The setting of the matrix library stays, for it is read only once: begin before the first
    product.
    """
    os.environ.setdefault(*_WORKSPACE)
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    # A module whose attributes are made when it is first asked for them.
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    tried = torch.backends.cudnn.benchmark
    torch.use_deterministic_algorithms(True)
    # It would write numbers into memory that is about to be written anyway.
    memory.fill_uninitialized_memory = False
    torch.backends.cudnn.benchmark = False
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = tried
        memory.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])

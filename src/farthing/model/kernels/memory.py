"""Keeping freed memory in the process: a training step asks for the same tensors again and again.

The C library's default gives large blocks back to the kernel at once, which then zeroes every page
again when it is asked for: a fifth of a step's time on CPU (docs/log.md).
"""

from __future__ import annotations

import ctypes
import platform

# mallopt's numbers, from malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
# Older releases refuse the first.
_LARGEST_BLOCKS = (1 << 30, 1 << 25)
_KEPT_BYTES = (1 << 31) - 1
_STEP_BYTES = 1 << 26


def keep_freed_memory() -> bool:
    """Tell the C library to reuse what is freed, up to 2 GiB.

    It holds for the whole process, whoever allocates, and lasts until its end.

    Returns:
        Whether all settings took: False where it is not glibc, which alone has them.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mallopt.argtypes = [ctypes.c_int, ctypes.c_int]
    # Each is tried, whatever became of the one before.
    took = [
        any(mallopt(_MMAP_THRESHOLD, size) == 1 for size in _LARGEST_BLOCKS),
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES) == 1,
        mallopt(_TOP_PAD, _STEP_BYTES) == 1,
    ]
    return all(took)

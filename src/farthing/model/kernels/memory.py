"""Keeping freed memory in the process: a training step asks for the same tensors again and again.

The C library's default gives large blocks back to the kernel at once, which then zeroes every page
again when it is asked for: a fifth of a step's time on CPU (docs/log.md).
"""

from __future__ import annotations

import ctypes
import platform

# mallopt's numbers, from malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_LARGEST_BLOCK = 1 << 30
_KEPT_BYTES = (1 << 31) - 1
_STEP_BYTES = 1 << 26


def keep_freed_memory() -> bool:
    """Tell the C library to reuse what is freed, up to 2 GiB, for the rest of the process.

    Returns:
        Whether it was told: False where it is not glibc, which alone has these settings.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = (
        (_MMAP_THRESHOLD, _LARGEST_BLOCK),
        (_TRIM_THRESHOLD, _KEPT_BYTES),
        (_TOP_PAD, _STEP_BYTES),
    )
    return all(mallopt(ctypes.c_int(key), ctypes.c_int(value)) == 1 for key, value in settings)

"""Calling the compiled kernels on tensors, where they are to be had and wanted.

Every kernel stands beside a plain version in torch, which is the definition of what it computes,
the path on other devices and dtypes, and what its tests compare with.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from torch import Tensor

from farthing.model.kernels.compile import CompileError, load_library
from farthing.model.kernels.precision import product_dtype

# `plain` computes everything with torch's own operators.
_SWITCH = "FARTHING_KERNELS"
_DTYPES = (torch.float32, torch.bfloat16)
_forced_plain = 0


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Compute with torch's own operators inside: for comparisons."""
    global _forced_plain
    _forced_plain += 1
    try:
        yield
    finally:
        _forced_plain -= 1


def plain_forced() -> bool:
    """Whether `plain_kernels` is in force: for fast paths that are no compiled kernels."""
    return bool(_forced_plain)


@cache
def _library() -> tuple[ctypes.CDLL | None, str]:
    if os.environ.get(_SWITCH) == "plain":
        return None, f"torch's own operators: {_SWITCH}=plain"
    try:
        return load_library(), "compiled for this processor"
    except CompileError as error:
        return None, f"torch's own operators: {error}"


def kernels_in_use() -> str:
    """One line for logs and tables: which kernels run on CPU, and why."""
    return _library()[1]


def usable(*tensors: Tensor) -> bool:
    """Whether compiled kernels take these tensors: on CPU, of a dtype they know, not traced.

    The dtype that autocast would give them has to be known too.
    """
    if _forced_plain or any(t.device.type != "cpu" for t in tensors):
        return False
    if any(dtype not in _DTYPES for t in tensors for dtype in (t.dtype, product_dtype(t))):
        return False
    if torch.compiler.is_compiling():
        return False
    return _library()[0] is not None


def call(name: str, *arguments: Tensor | float | None) -> None:
    """Run the kernel `name`.

    Args:
        name: of the exported C function.
        arguments: contiguous tensors (given as pointers), whole numbers (long), fractions
            (float), booleans (int) and None (a null pointer), in the order of the C function.
    """
    library = _library()[0]
    assert library is not None, "ask `usable` first"
    getattr(library, name)(*(_converted(argument) for argument in arguments))


def _converted(argument: Tensor | float | None) -> object:
    if isinstance(argument, Tensor):
        assert argument.is_contiguous()
        return ctypes.c_void_p(argument.data_ptr())
    if argument is None:
        return None
    if isinstance(argument, bool):
        return ctypes.c_int(argument)
    return ctypes.c_long(argument) if isinstance(argument, int) else ctypes.c_float(argument)

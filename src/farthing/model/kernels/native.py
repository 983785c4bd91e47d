"""Calling the compiled kernels on tensors, where they are to be had and wanted.

Every kernel stands beside a plain version in torch, which is the definition of what it computes,
the path on other devices and dtypes, and what its tests compare with.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from farthing.artifacts.cache import CacheError
from farthing.errors import ConfigError
from farthing.model.kernels.compile import SOURCES, CompileError, load_library
from farthing.model.kernels.precision import product_dtype

# `plain` computes everything with torch's own operators.
_SWITCH = "FARTHING_KERNELS"
_DTYPES = (torch.float32, torch.bfloat16)
# Not what is derived of them: a fake or a distributed tensor has no memory to point at.
_TYPES = (Tensor, nn.Parameter)
_PROTOTYPE = re.compile(r"^(void|i64) (\w+)\(([^)]*)\)", re.MULTILINE)
_forced_plain: ContextVar[bool] = ContextVar("_forced_plain", default=False)


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Compute with torch's own operators inside, in this thread: for comparisons."""
    before = _forced_plain.set(True)
    try:
        yield
    finally:
        _forced_plain.reset(before)


# The compiler cannot trace context variables: it asks once, when it traces.
@torch.compiler.assume_constant_result  # type: ignore[untyped-decorator]
def plain_forced() -> bool:
    """Whether `plain_kernels` is in force: for fast paths that are no compiled kernels."""
    return _forced_plain.get()


def kernels_in_use() -> str:
    """One line for logs and tables: which kernels run on CPU, and why."""
    return _library()[1]


def usable(*tensors: Tensor) -> bool:
    """Whether compiled kernels take these tensors: plain ones, on CPU, of a dtype they know.

    The dtype that autocast would give them has to be known too, and nobody may be tracing or
    transforming (`torch.func`) what is computed with them.
    """
    if torch.compiler.is_compiling() or _forced_plain.get():
        return False
    for tensor in tensors:
        if type(tensor) not in _TYPES or tensor.device.type != "cpu":
            return False
        if tensor.dtype not in _DTYPES or product_dtype(tensor) not in _DTYPES:
            return False
    return not torch._C._are_functorch_transforms_active() and _library()[0] is not None


def call(name: str, *arguments: Tensor | float | None) -> int | None:
    """Run the kernel `name`.

    Args:
        name: of the exported C function.
        arguments: in the order of the C function: contiguous tensors or None (a null pointer)
            for pointers, numbers and booleans for the others.

    Returns:
        What the C function returns, if anything.
    """
    function, count = _functions()[name]
    # The C convention itself would let more pass.
    assert len(arguments) == count, f"{name} takes {count} arguments, not {len(arguments)}"
    return function(*arguments)  # type: ignore[no-any-return]


@cache
def _library() -> tuple[ctypes.CDLL | None, str]:
    switch = os.environ.get(_SWITCH, "")
    if switch not in ("", "plain"):
        raise ConfigError(
            f"the environment says {_SWITCH}={switch}",
            remedy=f"set {_SWITCH}=plain for torch's own operators, or leave it out for the "
            "compiled ones",
        )
    if switch:
        return None, f"torch's own operators: {_SWITCH}=plain"
    try:
        return load_library()
    except (CacheError, CompileError) as error:
        return None, f"torch's own operators: {error}"


class _Pointer:
    """The argument type of every pointer: of tensors, and nothing else."""

    @classmethod
    def from_param(cls, tensor: Tensor | None) -> ctypes.c_void_p | None:
        if tensor is None:
            return None
        assert tensor.is_cpu
        assert tensor.is_contiguous()
        return ctypes.c_void_p(tensor.data_ptr())


_ARGUMENTS = {"i64": ctypes.c_int64, "int": ctypes.c_int, "float": ctypes.c_float}


@cache
def _functions() -> dict[str, tuple[Callable[..., Any], int]]:
    """Every exported function of the library, told its prototype, and its number of arguments."""
    library = _library()[0]
    assert library is not None, "ask `usable` first"
    functions: dict[str, tuple[Callable[..., Any], int]] = {}
    for name, (result, arguments) in prototypes(SOURCES).items():
        function = library[name]
        function.restype, function.argtypes = result, arguments
        functions[name] = function, len(arguments)
    return functions


def prototypes(sources: Path) -> dict[str, tuple[Any, list[Any]]]:
    """What each exported function returns and takes, as its C source says it."""
    return {
        name: (None if result == "void" else ctypes.c_int64, _argument_types(arguments))
        for path in sorted(sources.glob("*.c"))
        for result, name, arguments in _PROTOTYPE.findall(path.read_text(encoding="utf-8"))
    }


def _argument_types(arguments: str) -> list[Any]:
    return [
        _Pointer if "*" in argument else _ARGUMENTS[argument.split()[0]]
        for argument in arguments.split(",")
    ]

"""How every loop of this room is compiled: by numba, without the interpreter's lock, kept on disk.

numba looks for changes in the file of the function that is called, and in no other: after a change
in a helper it would go on with the old machine code. So the cache's folder is named after a digest
of this whole room, and of numba's and Python's versions. What lies there is run (and its index is
a pickle), so it is used only where nobody else can write.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

from farthing.artifacts.cache import PRIVATE, CacheError, cache_folder, check_private
from farthing.artifacts.canonical import digest_file, digest_json

P = ParamSpec("P")
R = TypeVar("R")

# numba's own types follow none of its functions' arguments.
_njit: Any = numba.njit
_OPTIONS = {"nogil": True, "error_model": "numpy"}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function` as machine code, made at its first call or taken from the cache.

    Integers in it wrap around. Mixing int64 with uint64 makes float64 in numba: write the operands
    of hashes as `np.uint64`.
    """
    folder = _cache()
    if folder is None:
        return cast(Callable[P, R], _njit(**_OPTIONS)(function))
    # Read at the decoration only; put back, since a program beside farthing may use numba too.
    settings: Any = numba.config
    before, settings.CACHE_DIR = settings.CACHE_DIR, str(folder)
    try:
        return cast(Callable[P, R], _njit(cache=True, **_OPTIONS)(function))
    finally:
        settings.CACHE_DIR = before


def inlined(function: Callable[P, R]) -> Callable[P, R]:
    """A small helper of compiled functions: its body is put where it is called."""
    return cast(Callable[P, R], _njit(inline="always", **_OPTIONS)(function))


@cache
def _cache() -> Path | None:
    """Where machine code is kept; None where no private place can be had: it works, slower."""
    sources = {path.name: digest_file(path) for path in sorted(Path(__file__).parent.glob("*.py"))}
    key = digest_json(
        {"sources": sources, "numba": numba.__version__, "python": platform.python_version()}
    )
    try:
        room = cache_folder("numba")
        folder = room / key[:16]
        room.parent.mkdir(parents=True, exist_ok=True)
        for path in (room, folder):
            path.mkdir(mode=PRIVATE, exist_ok=True)
            check_private(path)
    except (OSError, CacheError):
        return None
    return folder

"""How every loop of this room is compiled: by numba, without the interpreter's lock, kept on disk.

numba looks for changes in the file of the function that is called, and in no other: after a change
in a helper it would go on with the old machine code. So the cache's folder is named after a digest
of the function's file and of all files of this room that it imports, and of numba's and Python's
versions. What lies there is run (and its index is a pickle), so it is used only where nobody else
can write.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

from farthing.artifacts.cache import PRIVATE, CacheError, cache_folder, check_private
from farthing.artifacts.canonical import digest_file, digest_json

P = ParamSpec("P")
R = TypeVar("R")

_ROOM = Path(__file__).parent
_IMPORT = re.compile(r"^from farthing\.kernels\.(\w+) import", re.MULTILINE)
# numba's own types follow none of its functions' arguments.
_njit: Any = numba.njit
_OPTIONS = {"nogil": True, "error_model": "numpy"}


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function` as machine code, made at its first call or taken from the cache.

    Integers in it wrap around. Mixing int64 with uint64 makes float64 in numba: write the operands
    of hashes as `np.uint64`.
    """
    folder = _cache(function.__module__.rpartition(".")[2])
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


def sources_of(name: str) -> dict[str, str]:
    """Digest of the file `name`.py of this room and of each that it imports, directly or not."""
    digests: dict[str, str] = {}
    waiting = [name]
    while waiting:
        path = _ROOM / f"{waiting.pop()}.py"
        if path.name not in digests:
            digests[path.name] = digest_file(path)
            waiting += _IMPORT.findall(path.read_text(encoding="utf-8"))
    return digests


@cache
def _cache(name: str) -> Path | None:
    """Where machine code is kept; None where no private place can be had: it works, slower."""
    versions = {"numba": numba.__version__, "python": platform.python_version()}
    try:
        room = cache_folder("numba")
        folder = room / digest_json({"sources": sources_of(name), **versions})[:16]
        room.parent.mkdir(parents=True, exist_ok=True)
        for path in (room, folder):
            path.mkdir(mode=PRIVATE, exist_ok=True)
            check_private(path)
    except (OSError, CacheError):
        return None
    return folder

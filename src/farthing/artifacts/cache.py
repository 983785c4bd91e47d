"""The user's folder of compiled code, which nobody else may be able to change.

$FARTHING_CACHE, $XDG_CACHE_HOME/farthing or ~/.cache/farthing
├── kernels/     C, for training (farthing.model.kernels.compile)
└── numba/       loops over texts (farthing.kernels.compiled)
"""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

PRIVATE = stat.S_IRWXU
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
_ROOT = 0


class CacheError(Exception):
    """Why compiled code cannot be kept: no place for it, or one that others can change."""


class UntrustedCacheError(CacheError):
    """Somebody else could have written what would be loaded."""


def cache_folder(name: str) -> Path:
    """The folder `name` of the cache; it need not exist.

    Raises:
        CacheError: nothing says where the cache is.
    """
    if cache := os.environ.get("FARTHING_CACHE"):
        return Path(cache) / name
    # Its specification: a relative path is to be ignored.
    if (cache := os.environ.get("XDG_CACHE_HOME")) and Path(cache).is_absolute():
        return Path(cache) / "farthing" / name
    try:
        return Path.home() / ".cache" / "farthing" / name
    except RuntimeError as error:
        raise CacheError(f"FARTHING_CACHE is not set: {error}") from None


def check_private(path: Path) -> None:
    """That nobody but the user (or root) can change what is there; nothing there is fine.

    Raises:
        UntrustedCacheError: somebody can.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(status.st_mode):
        problem, remedy = "is a symbolic link", "remove it"
    elif status.st_uid not in (os.geteuid(), _ROOT):
        problem, remedy = (
            f"belongs to user {status.st_uid}",
            "set FARTHING_CACHE to your own folder",
        )
    elif status.st_mode & _WRITABLE_BY_OTHERS:
        problem, remedy = "can be written by others", f"chmod go-w {shlex.quote(str(path))}"
    else:
        return
    raise UntrustedCacheError(f"{path} {problem}: code is not loaded from there ({remedy})")

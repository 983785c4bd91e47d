"""Files that settings and books name: inside their workspace, regular, and behind no link.

A workspace may come from somebody else. What it names is read only where no file outside of it, no
pipe and no device can stand in the place of the one that was meant.
"""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated

from pydantic import AfterValidator, Field


def _inside(name: str) -> str:
    for path in (PurePosixPath(name), PureWindowsPath(name)):
        if path.anchor or ".." in path.parts:
            raise ValueError("it leads out of the workspace: name a file inside its folder")
    if not name.isprintable():
        raise ValueError("it holds characters that cannot be seen: name the file without them")
    return name


InsideName = Annotated[str, Field(min_length=1), AfterValidator(_inside)]


def is_irregular(root: Path, name: str) -> bool:
    """Whether a link, or something else than a regular file, stands where a file is named.

    Args:
        root: of the workspace, which may be a link itself.
        name: of the file, relative to it (an `InsideName`).

    Returns:
        False too where nothing is to be seen: whoever opens it then hears why.
    """
    path, mode = root, 0
    for part in PurePosixPath(name).parts:
        path /= part
        try:
            mode = path.lstat().st_mode
        except OSError:
            return False
        if stat.S_ISLNK(mode):
            return True
    return not stat.S_ISREG(mode)

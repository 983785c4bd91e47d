"""Which code made an artifact: the digest of the rooms that can change its result."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from farthing.artifacts.canonical import digest_file, digest_json

_PACKAGE = Path(__file__).resolve().parent.parent
_CODE = {".py", ".c", ".h", ".j2"}


def code_version(rooms: Sequence[str]) -> str:
    """SHA-256 over code and templates of some rooms, named as in `stages/train` or `quantity.py`.

    Comments count too: telling a harmless change from a harmful one is not a machine's guess to
    make. A longer way to say no than a version number, but it cannot be forgotten.
    """
    return _digest(tuple(sorted(rooms)))


@cache
def _digest(rooms: tuple[str, ...]) -> str:
    files = {
        path.relative_to(_PACKAGE).as_posix(): digest_file(path)
        for room in rooms
        for path in sorted([_PACKAGE / room, *(_PACKAGE / room).rglob("*")])
        if path.suffix in _CODE
    }
    assert files, f"no code under {rooms}"
    return digest_json(files)

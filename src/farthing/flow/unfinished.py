"""What unfinished curations left in a workspace, and removing what nobody works on.

    corpora/.NAME-KEY.work/           finished pieces of a run that was interrupted
    corpora/.NAME-KEY.partial-PID/    a corpus that was being written
    corpora/.NAME-KEY.lock            held by the run that works on NAME-KEY
    corpora/.NAME-KEY.work/.shard-I-of-N.lock    held by the run of a shard

A run with the same settings goes on with the first; nobody else reads them. The kernel lets go of a
lock with its holder, so a lock that can be taken means that no process is at work there.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.storage import PARTIAL_MARK, disk_errors
from farthing.artifacts.workspace import Workspace
from farthing.errors import LockedError
from farthing.ledger.locks import FileLock, try_lock

_PARTIAL = rf"{re.escape(PARTIAL_MARK)}-.*"
_LEFT = re.compile(rf"\.(?P<corpus>.+?)(?:\.work(?:{_PARTIAL})?|{_PARTIAL})")


@dataclass(frozen=True)
class Unfinished:
    """A folder that no finished corpus needs.

    Attributes:
        folder: where it stands.
        bytes: of the files in it.
        in_use: whether some process works there.
    """

    folder: Path
    bytes: int
    in_use: bool


def find_unfinished(workspace: Workspace) -> list[Unfinished]:
    """All of them, by name."""
    return [
        Unfinished(folder, _size(folder), any(map(_is_held, [lock, *_locks_inside(folder)])))
        for folder, lock in _folders(workspace)
    ]


def remove_unfinished(workspace: Workspace) -> tuple[list[Unfinished], list[Unfinished]]:
    """Remove those that no process works in.

    Returns:
        What was removed, and what is in use and stays.

    Raises:
        WorkspaceError: a folder may not be removed.
    """
    removed: list[Unfinished] = []
    in_use: list[Unfinished] = []
    for folder, lock in _folders(workspace):
        size = _size(folder)
        gone = _remove(folder, lock)
        (removed if gone else in_use).append(Unfinished(folder, size, in_use=not gone))
    return removed, in_use


def _folders(workspace: Workspace) -> Iterator[tuple[Path, Path]]:
    """Each folder with the lock of the run that would work there."""
    for path in sorted((workspace.root / "corpora").glob(".*")):
        match = _LEFT.fullmatch(path.name)
        if match is not None and path.is_dir() and not path.is_symlink():
            yield path, path.with_name(f".{match['corpus']}.lock")


def _remove(folder: Path, lock: Path) -> bool:
    """Whether it could be removed: nobody worked there, and while it is removed nobody begins."""
    leaving = folder.with_name(f"{folder.name}{PARTIAL_MARK}-leaving-{os.getpid()}")
    with ExitStack() as stack, disk_errors(folder):
        try:
            held = FileLock.acquire(lock, what=f"the folder {folder}", timeout_seconds=0)
        except LockedError:
            return False
        stack.callback(held.release)
        if any(map(_is_held, _locks_inside(folder))):
            return False
        os.rename(folder, leaving)
        if any(map(_is_held, _locks_inside(leaving))):  # a shard has begun in between
            os.rename(leaving, folder)
            return False
        shutil.rmtree(leaving)
    return True


def _locks_inside(folder: Path) -> Sequence[Path]:
    return sorted(folder.glob(".*.lock"))


def _is_held(lock: Path) -> bool:
    try:
        file = lock.open("rb")
    except FileNotFoundError:
        return False
    with closing(file):
        return not try_lock(file.fileno())


def _size(folder: Path) -> int:
    """Bytes of its files; those that vanish meanwhile do not count."""
    found = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                found += (Path(root) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return found

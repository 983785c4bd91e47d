"""Writing so that a crash, a full disk or a second process never leaves half a file.

Everything is written under a temporary name, flushed to the disk, and renamed. A name without
the `.partial` mark is therefore whole.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farthing.errors import WorkspaceError

PARTIAL_MARK = ".partial"

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_ACCESS = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals under `path` into a `WorkspaceError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise WorkspaceError(
                f"no room left on the disk while writing {path}",
                remedy="free some space and run the same command again: it goes on where it was",
            ) from error
        if error.errno in _NO_ACCESS:
            raise WorkspaceError(
                f"{path} is not writable ({error.strerror})",
                remedy="choose another folder with --workspace, or change its permissions",
            ) from error
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            raise WorkspaceError(
                f"{path}: a file stands where a folder is needed",
                remedy="choose another folder with --workspace, or move that file away",
            ) from error
        raise


def make_directory(path: Path) -> Path:
    """Create `path` with its parents; a `WorkspaceError` says why not."""
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step."""
    partial = path.with_name(f".{path.name}{PARTIAL_MARK}-{os.getpid()}")
    with disk_errors(path):
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        _flush_directory(path.parent)


@contextmanager
def staged_directory(final: Path) -> Iterator[Path]:
    """A folder to fill, which becomes `final` when the block ends well and vanishes if not.

    Raises:
        WorkspaceError: the disk is full or not writable.
    """
    partial = final.with_name(f".{final.name}{PARTIAL_MARK}-{os.getpid()}")
    with disk_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        remove_partials(final)
        partial.mkdir()
        try:
            yield partial
            for file in sorted(partial.rglob("*")):
                if file.is_file():
                    _flush_file(file)
            if final.exists():
                remove_directory(final)
            os.rename(partial, final)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        _flush_directory(final.parent)


def remove_directory(path: Path) -> None:
    """Delete a folder under a partial name: half of it never stands under its own."""
    leaving = path.with_name(f".{path.name}{PARTIAL_MARK}-leaving-{os.getpid()}")
    os.rename(path, leaving)
    shutil.rmtree(leaving)


def remove_partials(final: Path) -> list[Path]:
    """Delete what interrupted writers left for `final`; return what was deleted."""
    left = sorted(final.parent.glob(f".{final.name}{PARTIAL_MARK}-*"))
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return left


def _flush_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

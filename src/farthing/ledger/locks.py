"""Locks between processes, held by the kernel: they vanish with their holder, however it died."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path

from farthing.artifacts.storage import disk_errors
from farthing.errors import LockedError

_POLL_SECONDS = 0.05
_COMMAND_LENGTH = 200


class FileLock:
    """An exclusive lock on a file beside what it protects. The file stays; only the lock matters.

    A child process made by plain fork shares its parent's lock until it ends.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, *, what: str, timeout_seconds: float) -> FileLock:
        """Take the lock, waiting at most `timeout_seconds` for its holder.

        Args:
            path: the lock file, made if needed.
            what: what is being protected, for the message.
            timeout_seconds: how long to wait; 0 tries once.

        Raises:
            LockedError: naming the holder's process, host and command.
            WorkspaceError: the folder is not writable.
        """
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        deadline = time.monotonic() + timeout_seconds
        while not try_lock(descriptor):
            if time.monotonic() >= deadline:
                holder = _read_holder(descriptor)
                os.close(descriptor)
                raise LockedError(
                    f"{what} is in use by {holder}",
                    remedy="wait until that process is done, or stop it, and run this again",
                )
            time.sleep(_POLL_SECONDS)
        _write_holder(descriptor)
        return cls(path, descriptor)

    def release(self) -> None:
        """Let the next one in; releasing twice does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def try_lock(descriptor: int) -> bool:
    """Lock an open file if nobody else holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_holder(descriptor: int) -> None:
    command = " ".join(sys.argv)[:_COMMAND_LENGTH]
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)
    except OSError:
        # The name of the holder is a courtesy to others: a full disk must not stop a release or a
        # record of the work done so far. What is protected has its own checks.
        return


def _read_holder(descriptor: int) -> str:
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return f"process {holder['pid']} on {holder['host']} ({holder['command']})"
    except (KeyError, TypeError, ValueError):
        return "another process"

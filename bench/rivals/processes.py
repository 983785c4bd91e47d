"""Running a program and charging it in CPU-seconds, its descendants' included."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

# prctl: orphaned grandchildren become our children, so that their time is counted when they end.
_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 30.0


def adopt_orphans() -> None:
    """Let processes whose parent has ended become children of this one, where Linux can."""
    try:
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    except (OSError, AttributeError):
        print("without prctl: a process that outlives its parent is not charged")


def charged(
    command: Sequence[str], *, folder: Path, environment: Mapping[str, str], log: Path
) -> float:
    """Run to the end; CPU-seconds, user and system, of the program and all its descendants.

    Args:
        command: what to run.
        folder: where.
        environment: added to that of this process.
        log: its stdout goes there, and its stderr beside it.

    Raises:
        RuntimeError: it failed; the end of its stderr is the message.
    """
    before = _children_seconds()
    problems = log.with_suffix(".stderr")
    with log.open("w", encoding="utf-8") as output, problems.open("w", encoding="utf-8") as errors:
        code = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=output,
            stderr=errors,
            check=False,
        ).returncode
    _wait_for_orphans()
    if code != 0:
        lines = problems.read_text(encoding="utf-8", errors="replace").splitlines()
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n" + "\n".join(lines[-20:]))
    return _children_seconds() - before


def _wait_for_orphans() -> None:
    end = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < end:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.1)
        except ChildProcessError:
            return
    raise RuntimeError("a descendant still runs: its CPU-seconds cannot be known")


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

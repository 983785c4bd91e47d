"""A command with all its descendants: CPU-seconds, and the most memory that they held together.

Memory is the sum of proportional set sizes (PSS): a page that several processes share counts once.
It is looked at every fifth of a second, so a shorter peak may pass unseen.
"""

from __future__ import annotations

import os
import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class Used:
    """What a command used.

    Attributes:
        cpu_seconds: user and system, of it and of all descendants that it waited for.
        wall_seconds: from its start to its end.
        peak_bytes: the largest sum of PSS that was seen.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Used:
    """Run a command to its end.

    Args:
        command: what to run.
        environment: added to that of this process.
        log: gets what it prints.

    Raises:
        RuntimeError: it failed; the end of its log is the message.
    """
    before, began = _children_seconds(), time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        started = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
        watch = _Watch(started.pid)
        code = started.wait()
        peak = watch.stop()
    if code:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        raise RuntimeError(f"{' '.join(command)} ended with {code}:\n" + "\n".join(lines[-20:]))
    return Used(_children_seconds() - before, time.monotonic() - began, peak)


def memory_of(process: psutil.Process) -> int:
    """PSS of a process and its descendants together, in bytes; what has just ended counts none."""
    total = 0
    try:
        every = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for each in every:
        try:
            total += each.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return total


class _Watch:
    """Looks at a process and its descendants until it is told to stop."""

    def __init__(self, number: int) -> None:
        self._process = psutil.Process(number)
        self._peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        """The largest sum that was seen."""
        self._over.set()
        self._thread.join()
        return self._peak

    def _look(self) -> None:
        while True:
            self._peak = max(self._peak, memory_of(self._process))
            if self._over.wait(LOOK_SECONDS):
                return


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime

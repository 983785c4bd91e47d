"""Commands without seconds of start-up: forked off one process that has imported everything.

A command so started is a process of its own, with a folder, an environment, an age, a bill and an
exit code of its own. What it has in common with the others is what an interpreter settles when it
starts: which modules are there, the seed of its hashes, the number of threads. A test about these,
or one that compares the bytes of two runs, starts an interpreter instead.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pkgutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import farthing
from farthing.cli.main import main

# Read whenever they are needed; every other variable may be one that an interpreter starts with.
READ_LATE = frozenset({"FARTHING_HOME"})
PRELOAD = "forked_preload"


def import_everything() -> None:
    """What the verbs import when they run: in the process that is forked, before it is."""
    for module in pkgutil.walk_packages(farthing.__path__, "farthing."):
        importlib.import_module(module.name)


class CommandServer:
    """Runs `farthing ...` in forked processes that see one environment.

    The server behind it is `multiprocessing`'s own, one a test process. It ends with that process.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOAD])
        # Some releases of Python start the server without the path that it is told.
        with patch.dict(os.environ, {**environment, "PYTHONPATH": os.pathsep.join(sys.path)}):
            forkserver.ensure_running()

    def run(
        self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end in `folder`, as `subprocess.run` would.

        Raises:
            TimeoutExpired: it took longer than `timeout` seconds, and was killed.
        """
        names = (environment.keys() | self.environment.keys()) - READ_LATE
        changed = {n for n in names if environment.get(n) != self.environment.get(n)}
        assert not changed, f"{changed} changed: use `fresh_farthing`, whose interpreter reads them"
        with TemporaryDirectory() as said:
            files = Path(said, "stdout"), Path(said, "stderr")
            process = self._context.Process(
                target=_enter, args=(arguments, folder, dict(environment), files)
            )
            process.start()
            process.join(timeout)
            if process.exitcode is None:
                process.kill()
                process.join()
                raise subprocess.TimeoutExpired(list(arguments), timeout)
            code = process.exitcode
            process.close()
            texts = [file.read_text(encoding="utf-8") for file in files]
        return subprocess.CompletedProcess(list(arguments), code, *texts)


def _enter(
    arguments: Sequence[str], folder: Path, environment: dict[str, str], files: tuple[Path, Path]
) -> None:
    for file, number in zip(files, (1, 2), strict=True):
        with file.open("wb") as opened:
            os.dup2(opened.fileno(), number)
    # The server says nothing where it could not import something: every command would be slow.
    assert PRELOAD in sys.modules
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["-c", *arguments]
    sys.exit(main(list(arguments)))

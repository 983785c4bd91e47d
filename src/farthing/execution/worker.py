"""What goes on in a worker process: it does the pieces that it is sent, one after another.

Messages to it: a `Task` (work to begin), or a piece of it. It answers each piece with a
`PieceResult` or the exception. It leaves when the parent has closed its end, and when the parent is
gone, whatever it is doing.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, NoReturn

from farthing.execution.finish import finish
from farthing.execution.work import PieceWork


@dataclass(frozen=True)
class Task:
    """Work that the following pieces are for, and the folder for what it makes."""

    work: PieceWork[Any, Any]
    folder: Path


def serve(connection: Connection) -> None:
    """Main loop of a worker process."""
    # Ctrl-C in a terminal reaches all processes: the parent decides, and sends SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    task: Task | None = None
    while True:
        try:
            message = connection.recv()
            if isinstance(message, Task):
                task = message
                continue
            assert task is not None, "the work comes before its pieces"
            connection.send(_answer(task, message))
        except (EOFError, BrokenPipeError):
            return


def _answer(task: Task, piece: Any) -> Any:  # noqa: ANN401 - whatever a piece is
    try:
        return finish(task.work, piece, task.folder)
    except Exception as error:  # noqa: BLE001 - it is raised in the parent
        # A traceback does not travel; its text does.
        error.add_note("".join(traceback.format_exception(error)))
        return error


def _leave(*_: object) -> NoReturn:
    """As an exception, so that the folder of an unfinished piece is removed on the way out."""
    raise SystemExit(128 + signal.SIGTERM)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)

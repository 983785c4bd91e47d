"""Worker processes on this machine, each with a run of pieces; a single worker is no process.

Pieces that follow one another go to the same worker, since they often share an open file. A worker
that is done takes over the last half of the longest run that is left.
"""

from __future__ import annotations

import multiprocessing
import os
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from farthing.errors import ConfigError, WorkspaceError
from farthing.execution.finish import finish
from farthing.execution.work import ContextT, PieceResult, PieceT, PieceWork
from farthing.execution.worker import Task, serve

# To remove the folder of an unfinished piece, and to unload libraries.
_LEAVING_SECONDS = 10.0
# One death may be bad luck; the same piece twice is not.
_MOST_DEATHS_OF_A_PIECE = 2


def hardware_threads() -> int:
    """Hardware threads that this process may use: the usual number of workers."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1


@dataclass
class _Slot:
    """One worker process, and what it has to do."""

    process: SpawnProcess
    connection: Connection
    run: deque[Any] = field(default_factory=deque)
    piece: Any = None  # that it is at


class Workers:
    """Processes that do pieces; open for several phases, since each takes a second to start.

    With a count of 1, or where there is only one piece to do, the work is done in this process. The
    others are children of this process: their CPU time counts as its own (RUSAGE_CHILDREN) once the
    block has ended.

        with Workers(2) as workers:
            measured = run_pieces(measure, pieces, folder, workers)
    """

    def __init__(self, count: int | None = None) -> None:
        """Nothing is started before there is work.

        Args:
            count: of workers; None for one on each hardware thread.

        Raises:
            ConfigError: it is less than one.
        """
        self.count = hardware_threads() if count is None else count
        if self.count < 1:
            raise ConfigError(f"workers: {count} is less than one", remedy="use 1 or more workers")
        self._slots: list[_Slot] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def process_ids(self) -> list[int]:
        """Of the worker processes that are there."""
        return [slot.process.pid for slot in self._slots if slot.process.pid is not None]

    def run(
        self,
        work: PieceWork[PieceT, ContextT],
        pieces: Sequence[PieceT],
        folder: Path,
        done: Callable[[PieceResult], None],
    ) -> None:
        """Do every piece; `done` is called with each as it is finished, in no certain order.

        Raises:
            FarthingError: what a piece raised. Others that were begun are given up.
            WorkspaceError: the disk is full, or a worker was killed again and again.
        """
        if self.count == 1 or len(pieces) == 1:
            for piece in pieces:
                done(finish(work, piece, folder))
            return
        try:
            self._share_out(pieces)
            task = Task(work, folder)
            for slot in self._slots:
                _send(slot, task)
                self._feed(slot)
            for result in self._results(task):
                done(result)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all workers: idle ones leave, a busy one gives up its piece."""
        for slot in self._slots:
            if slot.piece is not None:
                slot.process.terminate()
            slot.connection.close()
        for slot in self._slots:
            slot.process.join(_LEAVING_SECONDS)
            if slot.process.exitcode is None:
                slot.process.kill()
                slot.process.join()
            slot.process.close()
        self._slots = []

    def _share_out(self, pieces: Sequence[Any]) -> None:
        """Runs of consecutive pieces, as even as can be, to as many workers as have any."""
        while len(self._slots) < min(self.count, len(pieces)):
            self._slots.append(_started())
        for place, slot in enumerate(self._slots):
            first, last = (len(pieces) * (place + i) // len(self._slots) for i in (0, 1))
            slot.run = deque(pieces[first:last])

    def _feed(self, slot: _Slot) -> None:
        """Send a worker its next piece, from another's run if its own is done."""
        if not slot.run:
            longest = max(self._slots, key=lambda other: len(other.run)).run
            taken = [longest.pop() for _ in range((len(longest) + 1) // 2)]
            slot.run.extend(reversed(taken))
        slot.piece = slot.run.popleft() if slot.run else None
        if slot.piece is not None:
            _send(slot, slot.piece)

    def _results(self, task: Task) -> Iterator[PieceResult]:
        deaths: Counter[int] = Counter()
        while busy := {slot.connection: slot for slot in self._slots if slot.piece is not None}:
            for connection in wait(list(busy)):
                slot = busy[connection]  # type: ignore[index]
                try:
                    answer = slot.connection.recv()
                except (EOFError, OSError):
                    deaths[slot.piece.number] += 1
                    self._replace(slot, task, deaths)
                    continue
                if isinstance(answer, Exception):
                    raise answer
                self._feed(slot)
                yield answer

    def _replace(self, dead: _Slot, task: Task, deaths: Counter[int]) -> None:
        """Put a new worker in the place of one that died, at the same piece.

        Raises:
            WorkspaceError: the piece, or the whole, has cost too many workers.
        """
        piece = dead.piece
        dead.process.join()
        code = dead.process.exitcode or 0
        if deaths[piece.number] >= _MOST_DEATHS_OF_A_PIECE or deaths.total() > self.count:
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            memory = " (memory?)" if code == -9 else ""
            raise WorkspaceError(
                f"a worker {how}{memory} at piece {piece.number} of {task.work.phase}, after "
                f"{deaths.total() - 1} others that were replaced",
                remedy="run the same command again with fewer workers: finished pieces are kept",
            )
        dead.connection.close()
        new = _started()
        dead.process, dead.connection = new.process, new.connection
        _send(dead, task)
        _send(dead, piece)


def _send(slot: _Slot, message: Any) -> None:  # noqa: ANN401 - a task or a piece
    # One that is dead is found when its answer is waited for.
    with suppress(OSError):
        slot.connection.send(message)


def _started() -> _Slot:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    # Only the worker holds its end now: the pipe breaks when it dies.
    there.close()
    return _Slot(process, here)

"""The booked, resumable runner of every study: many tasks, each a few stages, over some processes.

A task is one cell of a study's grid (an arm and a seed, say). What it makes are ordinary runs of
the workspace: in the book, metered, found again when the same study is asked again. So a study
that was interrupted goes on where it was, and its bill holds what the interruption cost.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeVar

from farthing.errors import ConfigError, InterruptedRunError
from farthing.execution.interrupt import termination_interrupts
from farthing.hardware.sensors.boards import show_only
from farthing.hardware.topology import cores_of, shares_of

if TYPE_CHECKING:
    from farthing.session import Session

ResultT = TypeVar("ResultT", covariant=True)

_PARENT_LOOK_SECONDS = 5.0
# Long enough to finish a step and to write a checkpoint.
_SAVING_SECONDS = 120.0


class _Share(NamedTuple):
    """What one job holds: hardware threads, and accelerators by their drivers' ids."""

    threads: tuple[int, ...]
    accelerators: tuple[str, ...]


class Task(Protocol[ResultT]):
    """One cell: it can be sent to another process, and knows how to run in a session."""

    @property
    def title(self) -> str:
        """What a person calls it."""

    @property
    def lane(self) -> str:
        """Tasks of one lane share runs, so no two of them go on at a time."""

    def run(self, session: Session) -> ResultT:
        """Make what is not there yet; return what came out."""


@dataclass(frozen=True)
class Done(Generic[ResultT]):
    """A task with what came out."""

    task: Task[ResultT]
    result: ResultT


def run_tasks(
    tasks: Sequence[Task[ResultT]], session: Session, *, jobs: int
) -> Iterator[Done[ResultT]]:
    """Run every task in the session's workspace; yields each as it is done.

    Args:
        tasks: in the order in which they are begun.
        session: of the workspace.
        jobs: processes at a time. With more than one, each has hardware threads of its own, and
            accelerators of its own where there are any, and is billed for those alone.

    Raises:
        ConfigError: more jobs than hardware threads, or than accelerators.
        FarthingError: what a task raised, after those that had begun are done; no further begins.
        InterruptedRunError: a signal; training saves a checkpoint, the next call goes on there.
    """
    if jobs == 1:
        for task in tasks:
            session.show.line(f"study     {task.title}")
            yield Done(task, task.run(session))
        return
    context = multiprocessing.get_context("spawn")
    free: Queue[_Share] = context.Queue()
    for share in _shares(jobs, session.meter.machine.device_ids):
        free.put(share)
    opening = (free, session.workspace.root, os.getpid())
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=opening)
    # The workers are billed for the machine meanwhile: this process would be once more.
    with termination_interrupts(), session.meter.lent():
        try:
            try:
                yield from _run_in(pool, list(tasks), session, jobs)
            except Exception:
                # What has begun is finished first, unless a signal comes meanwhile.
                pool.shutdown()
                raise
        except KeyboardInterrupt:
            # The workers do not see the terminal's signals: each is told once, and saves.
            for child in multiprocessing.active_children():
                child.terminate()
            raise InterruptedRunError(
                "interrupted",
                remedy="run the same command again: what is finished is reused, and training goes "
                "on from its last checkpoint",
            ) from None
        finally:
            pool.shutdown()


def _run_in(
    pool: ProcessPoolExecutor, waiting: list[Task[ResultT]], session: Session, jobs: int
) -> Iterator[Done[ResultT]]:
    """Never more submitted than run: what an executor has queued can no longer be held back."""
    running: dict[Future[Any], Task[ResultT]] = {}
    while waiting or running:
        lanes = {task.lane for task in running.values()}
        ready = next((task for task in waiting if task.lane not in lanes), None)
        if ready is not None and len(running) < jobs:
            waiting.remove(ready)
            session.show.line(f"study     {ready.title}")
            running[pool.submit(_run_here, ready)] = ready
            continue
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            yield Done(running.pop(future), future.result())


def _shares(jobs: int, accelerators: Sequence[str]) -> list[_Share]:
    """What each job holds."""
    threads = _shares_of_threads(jobs)
    if accelerators and jobs > len(accelerators):
        raise ConfigError(
            f"--jobs {jobs}: this process sees {len(accelerators)} of the accelerators; two "
            "jobs on one of them would each be billed all of it",
            remedy=f"use at most --jobs {len(accelerators)}, or hide the accelerators from a study "
            "on processors",
        )
    return [_Share(held, tuple(accelerators[job::jobs])) for job, held in enumerate(threads)]


def _shares_of_threads(jobs: int) -> list[tuple[int, ...]]:
    """The hardware threads of each job, as even as can be; siblings of a core stay together."""
    try:
        threads = sorted(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        raise ConfigError(
            f"--jobs {jobs}: this system cannot give a process hardware threads of its own",
            remedy="use --jobs 1",
        ) from None
    if jobs > len(threads):
        raise ConfigError(
            f"--jobs {jobs}: there are {len(threads)} hardware threads",
            remedy=f"use at most --jobs {len(threads)}",
        )
    return shares_of(cores_of(threads), jobs)


# Of a worker process: one session, so that its one meter bills each moment once.
_session: Session | None = None


def _begin(free: Queue[_Share], root: Path, parent: int) -> None:
    """Take a share of the machine, which torch computes on and the meter bills; open the workspace.

    The meter finds that share by what it sees, and with it its part of sensors that see more.
    """
    global _session
    os.setsid()
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()
    share = free.get()
    os.sched_setaffinity(0, share.threads)
    if share.accelerators:
        show_only(share.accelerators)
    import torch

    from farthing.session import Show, open_session

    torch.set_num_threads(len(share.threads))
    # Several at once would only talk across each other.
    silent: Callable[..., Any] = lambda *_: nullcontext(lambda *_: None)  # noqa: E731
    _session = open_session(root, Show(line=lambda _: None, training=silent))


def _leave_with(parent: int) -> None:
    """Stop as on SIGTERM once the parent is gone: nobody would wait for the result.

    Training saves and ends its task then; told again, the process ends too.
    """
    while True:
        time.sleep(_PARENT_LOOK_SECONDS)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(_SAVING_SECONDS)


def _run_here(task: Task[ResultT]) -> ResultT:
    assert _session is not None, "the initializer opens it"
    # What others have entered since.
    _session.book.refresh()
    return task.run(_session)

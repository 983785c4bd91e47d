"""The booked, resumable runner of every study: many tasks, each a few stages, over some processes.

A task is one cell of a study's grid (an arm and a seed, say). What it makes are ordinary runs of
the workspace: in the book, metered, found again when the same study is asked again. So a study
that was interrupted goes on where it was, and its bill holds what the interruption cost.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing.queues import Queue
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from farthing.errors import ConfigError, InterruptedRunError

if TYPE_CHECKING:
    from farthing.session import Session, Show

ResultT = TypeVar("ResultT", covariant=True)


class Task(Protocol[ResultT]):
    """One cell: it can be sent to another process, and knows how to run in a session."""

    @property
    def title(self) -> str:
        """What a person calls it."""

    def run(self, session: Session) -> ResultT:
        """Make what is not there yet; return what came out."""


@dataclass(frozen=True)
class Done(Generic[ResultT]):
    """A task with what came out."""

    task: Task[ResultT]
    result: ResultT


def run_tasks(
    tasks: Sequence[Task[ResultT]], root: Path, show: Show, *, jobs: int
) -> Iterator[Done[ResultT]]:
    """Run every task in the workspace at `root`; yields each as it is done.

    Args:
        tasks: in the order in which they are begun.
        root: of the workspace; the caller has made sure that it can be opened.
        show: tells the user what is going on.
        jobs: processes at a time. With more than one, each has hardware threads of its own and is
            billed for those alone.

    Raises:
        ConfigError: more jobs than hardware threads.
        FarthingError: what a task raised, after those that had begun are done; no further begins.
        InterruptedRunError: a signal; what was finished is reused by the next call.
    """
    if jobs == 1:
        from farthing.session import open_session

        for task in tasks:
            show.line(f"study     {task.title}")
            yield Done(task, task.run(open_session(root, show)))
        return
    places = _shares_of_threads(jobs)
    context = multiprocessing.get_context("spawn")
    free: Queue[tuple[int, ...]] = context.Queue()
    for place in places:
        free.put(place)
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(free,))
    try:
        futures: dict[Future[Any], Task[ResultT]] = {
            pool.submit(_run_quietly, task, root): task for task in tasks
        }
        for future in as_completed(futures):
            yield Done(futures[future], future.result())
    except KeyboardInterrupt:
        raise InterruptedRunError(
            "interrupted",
            remedy="run the same command again: what is finished is reused, and runs that had "
            "begun go on from their last checkpoint",
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _shares_of_threads(jobs: int) -> list[tuple[int, ...]]:
    """The hardware threads of each job, as even as can be."""
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
    return [tuple(threads[job::jobs]) for job in range(jobs)]


def _begin(free: Queue[tuple[int, ...]]) -> None:
    """Take hardware threads: what torch computes on, and what the meter bills."""
    threads = free.get()
    os.sched_setaffinity(0, threads)
    import torch

    torch.set_num_threads(len(threads))


def _run_quietly(task: Task[ResultT], root: Path) -> ResultT:
    """In a process of its own: several at once would only talk across each other."""
    from farthing.session import Show, open_session

    silent: Callable[..., Any] = lambda *_: nullcontext(lambda *_: None)  # noqa: E731
    show = Show(line=lambda _: None, training=silent)
    return task.run(open_session(root, show))

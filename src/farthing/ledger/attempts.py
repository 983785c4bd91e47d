"""All that was spent on one artifact: every run with its input key, however it ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from farthing.artifacts.entries import Segment
from farthing.artifacts.work import Work
from farthing.ledger.accounts import RunAccount, collect_runs
from farthing.ledger.book import Book
from farthing.ledger.meter import NO_WORK


@dataclass(frozen=True)
class Attempts:
    """Runs that belong together, in the order of their numbers.

    Attributes:
        runs: all of them.
        kept: what the newest rests on: of the earlier ones only what stood before the checkpoint
            that was gone on from. The rest of `work` was done again.
    """

    runs: tuple[RunAccount, ...]
    kept: Work

    @property
    def work(self) -> Work:
        """The sum; a run that is still open counts up to its last heartbeat."""
        return sum((run.work for run in self.runs), NO_WORK)


def attempts(book: Book, input_keys: Collection[str], *, name: str | None = None) -> Attempts:
    """The runs with these input keys, those of other processes included.

    Completed, failed, aborted and open ones: what an interruption cost was spent.

    Args:
        book: of the workspace.
        input_keys: of the runs.
        name: of the runs, which may have been made again under another one; None for all.

    Raises:
        BookError: what others wrote does not verify.
        LockedError: the book stayed locked for longer than its timeout.
    """
    book.refresh()
    accounts = collect_runs(book.workspace, book.records)
    runs = tuple(
        run
        for run in accounts
        if run.start.input_key in input_keys and name in (None, run.start.name)
    )
    saved = {
        (record.body.run, record.body.last_step + 1): record.body.work
        for record in book.records
        if isinstance(record.body, Segment)
    }
    return Attempts(runs, _kept(runs, saved))


def _kept(runs: Sequence[RunAccount], saved: Mapping[tuple[int, int], Work]) -> Work:
    """What the newest attempt of each input key rests on.

    Args:
        runs: in the order of their numbers.
        saved: by run and by steps done, the work of the run when a checkpoint was saved.
    """
    by_key: dict[str, list[tuple[int, Work]]] = {}
    for run in runs:
        parts = by_key.setdefault(run.start.input_key, [])
        step = run.start.resumed_from_step
        if step is None:
            parts.clear()
        else:
            # Back to the run that saved this step; younger ones got nowhere.
            while parts and (parts[-1][0], step) not in saved:
                parts.pop()
            if parts:
                number = parts[-1][0]
                parts[-1] = number, saved[number, step]
        parts.append((run.start.run, run.work))
    return sum((work for parts in by_key.values() for _, work in parts), NO_WORK)

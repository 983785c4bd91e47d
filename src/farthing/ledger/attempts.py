"""All that was spent on one artifact: every run with its input key, however it ended."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from farthing.artifacts.work import Work
from farthing.ledger.accounts import RunAccount, collect_runs
from farthing.ledger.book import Book
from farthing.ledger.meter import NO_WORK


@dataclass(frozen=True)
class Attempts:
    """Runs that belong together, in the order of their numbers."""

    runs: tuple[RunAccount, ...]

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
    return Attempts(
        tuple(
            run
            for run in accounts
            if run.start.input_key in input_keys and name in (None, run.start.name)
        )
    )

"""What chosen runs of a book used together: all attempts at one artifact, or all that served it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from farthing.artifacts.entries import Evaluation, Segment
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
    return runs_where(
        book,
        lambda run: run.start.input_key in input_keys and name in (None, run.start.name),
    )


def runs_where(book: Book, chosen: Callable[[RunAccount], bool]) -> Attempts:
    """The runs that `chosen` takes, those of other processes included; raises as `attempts`."""
    book.refresh()
    runs = tuple(filter(chosen, collect_runs(book.workspace, book.records)))
    saved = {
        (record.body.run, record.body.last_step + 1): record.body.work
        for record in book.records
        if isinstance(record.body, Segment)
    }
    return Attempts(runs, _kept(runs, saved))


def last_scorings(book: Book, supernet: str, split: str) -> dict[str, Work]:
    """The part of a run that the last scoring of each shape was, by shape; raises as `attempts`.

    Args:
        book: of the workspace.
        supernet: content digest of the model.
        split: on which text it was scored.
    """
    runs = runs_where(book, lambda run: bool(run.members)).runs
    entries = [each for run in runs for each in zip(run.member_entries, run.members, strict=True)]
    return {
        entry.shape: entry.work
        for _, entry in sorted(entries, key=lambda each: each[0])
        if isinstance(entry, Evaluation) and (entry.supernet, entry.split) == (supernet, split)
    }


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

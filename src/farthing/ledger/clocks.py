"""The time of day that entries are dated with: people set it, and machines sleep through it.

What a run held is counted by clocks that never go back (`farthing.ledger.meter`). Dates only bound
what a run used that lost its journal, and show here where they tell another story.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from farthing.artifacts.entries import Record, RunEnd, RunStart

# Between two machines that share a book.
_SKEW_SECONDS = 5.0
# An end may wait minutes for the lock of the book after its meter was read.
_WAIT_SECONDS = 600.0


def elapsed_seconds(records: Sequence[Record], first: Record, last: Record) -> float | None:
    """Time between two entries by their dates; None where the clock was set back between them.

    Args:
        records: of the book.
        first: the one entry.
        last: a later one.
    """
    between = records[first.entry.number : last.entry.number + 1]
    if any(_seconds(one, other) < -_SKEW_SECONDS for one, other in pairwise(between)):
        return None
    return max(0.0, _seconds(first, last))


def clock_notes(records: Sequence[Record]) -> tuple[str, ...]:
    """What is odd about the dates of a book's entries, for its bill."""
    notes = [
        f"entry {other.entry.number} is dated {other.entry.time}, and entry {one.entry.number} "
        f"before it {one.entry.time}: the clock was set back; hours are counted by one that is not"
        for one, other in pairwise(records)
        if _seconds(one, other) < -_SKEW_SECONDS
    ]
    starts = {record.body.run: record for record in records if isinstance(record.body, RunStart)}
    for record in records:
        if isinstance(record.body, RunEnd) and record.body.evidence == "meter":
            notes += _slept(starts[record.body.run], record, record.body)
    return tuple(notes)


def _slept(start: Record, end: Record, said: RunEnd) -> list[str]:
    """A run whose entries lie further apart than its meter counted."""
    apart, counted = _seconds(start, end), said.work.wall_seconds
    if apart - counted <= _WAIT_SECONDS:
        return []
    return [
        f"run {said.run}: its entries {start.entry.number} and {end.entry.number} lie "
        f"{apart / 3600:.2f} h apart, and its meter counted {counted / 3600:.2f} h: the machine "
        "slept, which is not billed, or the clock was set forward"
    ]


def _seconds(one: Record, other: Record) -> float:
    moments = (datetime.fromisoformat(each.entry.time) for each in (one, other))
    first, last = moments
    return (last - first).total_seconds()

"""What is odd about the readings of other meters, in words: energy that is not counted twice."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from farthing.artifacts.entries import Record
from farthing.artifacts.expense import Reading
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.readings import parts_told_apart
from farthing.ledger.withdrawals import standing


def reading_notes(records: Iterable[Record]) -> tuple[str, ...]:
    """Where two readings of a book are of the same energy, and which of them counts."""
    every = standing(records)
    own = parts_told_apart(every)
    entered = [(r.body, EntryRef.of(r)) for r in every if isinstance(r.body, Reading)]
    return tuple(
        note
        for earlier, later in combinations(entered, 2)
        for note in (*_read_twice(earlier, later), *_part_and_whole(earlier, later, own))
    )


_Entered = tuple[Reading, EntryRef]


def _read_twice(earlier: _Entered, later: _Entered) -> list[str]:
    """Readings of the same thing in the same time."""
    (one, first), (other, last) = earlier, later
    if one.energy.covers != other.energy.covers:
        return []
    runs = set(one.runs) & set(other.runs)
    if not runs and (one.held is None or one.held != other.held):
        return []
    where = f"runs {numbers_text(runs)}" if runs else "the same idle time"
    return [
        f"entries {first.number} and {last.number} both read {other.energy.covers!r} of {where}: "
        f"they are not added, and entry {last.number} holds"
    ]


def _part_and_whole(earlier: _Entered, later: _Entered, own: dict[int, set[str]]) -> list[str]:
    """A reading of a part of a run beside one of the whole."""
    notes = []
    for (part, of_part), (whole, of_whole) in ((earlier, later), (later, earlier)):
        runs = [
            run
            for run in set(part.runs) & set(whole.runs)
            if part.energy.covers in own.get(run, ())
            and whole.energy.covers not in own.get(run, ())
        ]
        if runs:
            notes.append(
                f"entry {of_part.number} reads {part.energy.covers!r}, a part of runs "
                f"{numbers_text(runs)}, and entry {of_whole.number} {whole.energy.covers!r}, which "
                f"stands for all of them: entry {of_part.number} does not count there"
            )
    return notes

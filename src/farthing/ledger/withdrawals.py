"""Which entries made by hand still stand: those that no later entry takes back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from farthing.artifacts.entries import Record
from farthing.artifacts.expense import Expense, Reading
from farthing.artifacts.holding import Holding
from farthing.artifacts.withdrawal import Withdrawal
from farthing.ledger.entry_ref import EntryRef

WITHDRAWABLE = (Expense, Reading, Holding)


def standing(records: Iterable[Record]) -> tuple[Record, ...]:
    """The records without what was taken back."""
    every = tuple(records)
    gone = {record.body.entry for record in every if isinstance(record.body, Withdrawal)}
    return tuple(
        record
        for record in every
        if not (isinstance(record.body, WITHDRAWABLE) and record.entry.digest in gone)
    )


def withdrawal_notes(records: Sequence[Record]) -> tuple[str, ...]:
    """What was taken back, in words: a bill says what it leaves out."""
    by_digest = {record.entry.digest: record for record in records}
    notes = []
    for record in records:
        if not isinstance(record.body, Withdrawal):
            continue
        taken = by_digest.get(record.body.entry)
        if taken is None or not isinstance(taken.body, WITHDRAWABLE):
            notes.append(f"entry {record.entry.number} takes back nothing that could be: ignored")
        else:
            notes.append(
                f"entry {taken.entry.number} ({taken.body.kind_name}) was withdrawn by entry "
                f"{record.entry.number}, and is not billed: {record.body.reason}"
            )
    return tuple(notes)


def readings_of(holding: EntryRef, records: Iterable[Record]) -> tuple[int, ...]:
    """The numbers of the readings that still stand and say what a holding's idle time used."""
    return tuple(
        record.entry.number
        for record in standing(records)
        if isinstance(record.body, Reading) and record.body.held == holding.digest
    )

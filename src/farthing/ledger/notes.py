"""What is odd about a book, in the words of a bill: nothing of it is passed over in silence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from farthing.artifacts.chain import ChainFile
from farthing.artifacts.entries import BookText, Event, Genesis, Record, read_records
from farthing.artifacts.inside import is_irregular
from farthing.artifacts.workspace import Workspace
from farthing.errors import BookError
from farthing.ledger.accounts import RunAccount
from farthing.ledger.clocks import SKEW_SECONDS, clock_notes
from farthing.ledger.entry_ref import numbers_text
from farthing.ledger.holdings import BookedHolding
from farthing.ledger.joules import holds_accelerators
from farthing.ledger.rates import Pricing
from farthing.ledger.shared_costs import SharedCost
from farthing.ledger.withdrawals import withdrawal_notes

_SENSOR_LOST = "sensor lost"


def book_notes(workspace: Workspace, book: BookText, runs: Sequence[RunAccount]) -> tuple[str, ...]:
    """Half an entry, clocks that went back, sensors that were lost, journals without their end.

    Args:
        workspace: whose book it is, with the journals.
        book: as it was read.
        runs: of the book.
    """
    notes = []
    if book.torn_bytes:
        notes.append(
            f"the last {book.torn_bytes} bytes of the book are no whole entry: a write was cut "
            "off, or somebody is writing just now"
        )
    notes += [*clock_notes(book.records), *_small_steps(book.records)]
    notes += withdrawal_notes(book.records)
    genesis = book.records[0].body
    assert isinstance(genesis, Genesis)  # the reader takes the key from it
    for run in runs:
        notes += _lost_sensors(workspace, run, bytes.fromhex(genesis.public_key))
        if run.raised:
            notes.append(
                f"run {run.start.run}: its journal lost its end; billed is at least what its "
                f"{len(run.members)} evaluation and extraction entries add up to "
                f"({run.work.wall_seconds:.3f} s held)"
            )
    return tuple(notes)


def _small_steps(records: Sequence[Record]) -> list[str]:
    """Where the clock goes back by so little that machines that share a book may differ by it."""
    steps = []
    for one, other in pairwise(records):
        earlier, later = (datetime.fromisoformat(each.entry.time) for each in (one, other))
        back = (earlier - later).total_seconds()
        if 0 < back <= SKEW_SECONDS:
            steps.append(f"{one.entry.number} and {other.entry.number} ({back:.3f} s)")
    if not steps:
        return []
    return [
        f"the clock of the book goes back by a little between entries {', '.join(steps)}: hours "
        "are counted by one that does not"
    ]


def shared_notes(expenses: Iterable[SharedCost], pricing: Pricing) -> tuple[str, ...]:
    """What is odd about what machines were held for."""
    holdings = [each for each in expenses if isinstance(each, BookedHolding)]
    notes = [note for each in holdings for note in _holding_notes(each, pricing)]
    for place, one in enumerate(holdings):
        notes += [
            f"entries {one.entry.number} and {other.entry.number} hold a machine at the same time: "
            "what was idle then is billed twice"
            for other in holdings[place + 1 :]
            if one.body.overlaps(other.body)
        ]
    return tuple(notes)


def unshared(expenses: Iterable[SharedCost]) -> tuple[str, ...]:
    """What stands in the total and on no artifact's bill."""
    return tuple(
        f"the {each.category} {each.what!r} names a cause that held nothing: it is in the total, "
        "and on the bill of no artifact"
        for each in expenses
        if not sum(each.seconds.values())
    )


def unread_idle(expenses: Iterable[SharedCost]) -> tuple[str, ...]:
    """Idle time whose energy nobody read, with how to give it."""
    return tuple(
        f"energy of the {each.what}: no meter of a run reads it (if another one did: farthing "
        f"enter reading --held {each.entry.number})"
        for each in expenses
        if isinstance(each, BookedHolding) and each.energy_unknown
    )


def lost_journal(run: RunAccount) -> str:
    """What is known about a run whose journal is gone."""
    least = f"run {run.start.run}: {run.reason}. It held the machine for at least "
    least += f"{run.work.wall_seconds:.0f} s"
    if run.most_seconds is not None:
        amounts = "tokens and FLOPs it did"
        if holds_accelerators(run.start.machine):
            amounts += ", and how much energy it took with the processors beside its accelerators,"
        return (
            f"{least} and, from its start to the entry that closed it, for {run.most_seconds:.0f} "
            "s at most, which is what is billed, without what its process did before that start; "
            f"how many {amounts} is unknown"
        )
    if run.status == "open":
        return f"{least}; how much more, nobody knows until the next run closes it"
    return f"{least}; how much more, nobody knows: the clock was set back before it was closed"


def _lost_sensors(workspace: Workspace, run: RunAccount, public_key: bytes) -> list[str]:
    """The sensors that a run lost, as its verified journal says."""
    path = workspace.root / run.start.journal
    if is_irregular(workspace.root, run.start.journal):
        return [f"run {run.start.run}: its journal is no regular file of the workspace: not read"]
    try:
        # Few journals have any: only those are verified, entry by entry.
        with path.open("rb") as file:
            if not any(_SENSOR_LOST.encode() in line for line in file):
                return []
    except FileNotFoundError:
        return []  # told by what the run's end rests on, and by `farthing verify`
    except OSError as error:
        return [f"run {run.start.run}: its journal cannot be read ({error.strerror})"]
    chain = ChainFile(path, run.entries[0].digest, public_key, torn_tail=True)
    notes = []
    try:
        for record in read_records(chain):
            body = record.body
            if isinstance(body, Event) and body.event == _SENSOR_LOST:
                where = f"entry {record.entry.number} of {run.start.journal}"
                notes.append(f"run {run.start.run}: {_SENSOR_LOST}: {body.detail} ({where})")
    except BookError as error:
        notes.append(
            f"run {run.start.run}: its journal speaks of a lost sensor and does not verify: "
            f"{error.what}"
        )
    return notes


def _holding_notes(holding: BookedHolding, pricing: Pricing) -> list[str]:
    number, inside = holding.entry.number, holding.inside
    notes = []
    if holding.too_much:
        notes.append(
            f"runs {numbers_text(run.start.run for run in inside)} held "
            f"{holding.too_much / 3600:.4g} device-hours more in the time of entry {number} than "
            f"the {holding.body.devices} devices that it names can: nothing was idle"
        )
    machines = {run.start.machine.id: run.start.machine.name for run in inside}
    if len(machines) > 1:
        named = ", ".join(f"{name} ({mark})" for mark, name in sorted(machines.items()))
        notes.append(
            f"runs of several machines fall into the time of entry {number}, which names none of "
            f"them: {named}. All of them count as held there"
        )
    if len({pricing.entry_of(run.start.run) for run in inside}) > 1:
        rates = holding.priced_as.start.run if holding.priced_as else 0
        notes.append(
            f"rates changed in the time of entry {number}: idle time has those of run {rates}"
        )
    return notes

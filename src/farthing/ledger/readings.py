"""Energy that a meter outside of farthing read, in the place of what the runs' own meters said.

A reading covers some runs together; each has the part of it that it had of the time held. Nothing
is counted twice: of two readings of the same thing the later entry holds, and one of the whole
leaves no part beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from farthing.artifacts.entries import Evaluation, Extraction, Record, RunEnd, Segment
from farthing.artifacts.expense import Reading
from farthing.artifacts.work import EnergyPart, Work, joules_of, method_of
from farthing.ledger.entry_ref import EntryRef
from farthing.ledger.withdrawals import standing


def shared_readings(
    records: Iterable[Record], seconds: Mapping[int, float]
) -> dict[int, tuple[tuple[EnergyPart, ...], tuple[EntryRef, ...]]]:
    """What was read of each run, each thing once, and in which entries.

    Args:
        records: of the book.
        seconds: wall time held, by run; a run that is not there takes no part of any reading.
    """
    found: dict[int, dict[str, tuple[EnergyPart, EntryRef]]] = {}
    for record in standing(records):
        reading = record.body
        if not isinstance(reading, Reading):
            continue
        held = {run: seconds[run] for run in reading.runs if run in seconds}
        whole = sum(held.values())
        for run, time in held.items():
            part = _scaled(reading.energy, time / whole if whole else 1 / len(held))
            found.setdefault(run, {})[part.covers] = part, EntryRef.of(record)
    return {
        run: (tuple(part for part, _ in each.values()), tuple(sorted(e for _, e in each.values())))
        for run, each in found.items()
    }


def with_reading(work: Work, read: tuple[EnergyPart, ...]) -> Work:
    """The work with its energy as it was read.

    A reading of something that the run tells apart by the same name stands for that part; one of
    anything else stands for the whole, since a plug's meter sees all that is behind it, and leaves
    no part of the run beside it, whoever read that. Several of such others are added up.
    """
    own = {part.covers for part in work.energy_parts}
    covered = {part.covers for part in read}
    kept = tuple(part for part in work.energy_parts if part.covers not in covered)
    parts = tuple(part for part in read if part.covers not in own) or (*kept, *read)
    return work.with_energy(joules_of(parts), method_of(parts), parts)


def parts_told_apart(records: Iterable[Record]) -> dict[int, set[str]]:
    """The names of what each run's own meter tells apart; nothing of a run that has one load."""
    found: dict[int, set[str]] = {}
    for body in (record.body for record in records):
        if isinstance(body, (RunEnd, Segment, Evaluation, Extraction)):
            found.setdefault(body.run, set()).update(part.covers for part in body.work.energy_parts)
    return found


def last_of_each(readings: Iterable[Record]) -> tuple[Record, ...]:
    """Readings in the same time without those of which a later one reads the same thing."""
    found: dict[str, Record] = {}
    for record in readings:
        if isinstance(record.body, Reading):
            found[record.body.energy.covers] = record
    return tuple(found.values())


def part_of(whole: Work, work: Work, share: float) -> Work:
    """`work` with a share of the energy of `whole`."""
    parts = tuple(_scaled(part, share) for part in whole.energy_parts)
    return work.with_energy(joules_of(parts), method_of(parts), parts)


def _scaled(part: EnergyPart, share: float) -> EnergyPart:
    if part.joules is None or part.low_joules is None or part.high_joules is None:
        return part
    return part.model_copy(
        update={
            "joules": part.joules * share,
            "low_joules": part.low_joules * share,
            "high_joules": part.high_joules * share,
        }
    )

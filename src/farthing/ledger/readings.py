"""Energy that a meter outside of farthing read, in the place of what the runs' own meters said.

A reading covers some runs together; each has the part of it that it had of the time held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from farthing.artifacts.entries import Record
from farthing.artifacts.expense import Reading
from farthing.artifacts.work import EnergyPart, Work, joules_of, method_of
from farthing.ledger.entry_ref import EntryRef


def shared_readings(
    records: Iterable[Record], seconds: Mapping[int, float]
) -> dict[int, tuple[tuple[EnergyPart, ...], tuple[EntryRef, ...]]]:
    """What was read of each run, and in which entries.

    Args:
        records: of the book.
        seconds: wall time held, by run; a run that is not there takes no part of any reading.
    """
    parts: dict[int, dict[tuple[str, str], EnergyPart]] = {}
    entries: dict[int, list[EntryRef]] = {}
    for record in records:
        reading = record.body
        if not isinstance(reading, Reading):
            continue
        held = {run: seconds[run] for run in reading.runs if run in seconds}
        whole = sum(held.values())
        for run, time in held.items():
            part = _scaled(reading.energy, time / whole if whole else 1 / len(held))
            of_run = parts.setdefault(run, {})
            name = part.covers, part.method
            of_run[name] = of_run[name].combined(part, 1) if name in of_run else part
            entries.setdefault(run, []).append(EntryRef.of(record))
    return {run: (tuple(each.values()), tuple(entries[run])) for run, each in parts.items()}


def with_reading(work: Work, read: tuple[EnergyPart, ...]) -> Work:
    """The work with its energy as it was read.

    A reading of something that the run tells apart by the same name stands for that part; one of
    anything else stands for the whole, since a plug's meter sees all that is behind it.
    """
    covered = {part.covers for part in read}
    kept = tuple(part for part in work.energy_parts if part.covers not in covered)
    parts = (*kept, *read) if len(kept) < len(work.energy_parts) else read
    return work.with_energy(joules_of(parts), method_of(parts), parts)


def added_up(parts: Iterable[EnergyPart]) -> tuple[EnergyPart, ...]:
    """Readings of the same thing by the same method together, each thing once."""
    found: dict[tuple[str, str], EnergyPart] = {}
    for part in parts:
        name = part.covers, part.method
        found[name] = found[name].combined(part, 1) if name in found else part
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

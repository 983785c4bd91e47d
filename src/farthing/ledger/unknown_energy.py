"""Runs whose energy nobody knows: what of it is unknown, and who can give which figure."""

from __future__ import annotations

from collections.abc import Sequence

from farthing.ledger.accounts import RunAccount
from farthing.ledger.joules import holds_accelerators
from farthing.ledger.rates import Pricing

# For the runs that there are, whose meter has said all that it knows.
_AFTERWARDS = "for those in the book: what another meter read, by farthing enter reading"


def unknown_energy(runs: Sequence[RunAccount], pricing: Pricing) -> list[str]:
    """A note for each way in which watts are missing, naming the machines; none where none is."""
    blind = [
        run
        for run in runs
        if (figures := run.figures(pricing.of(run.start.run))).kwh is None
        and figures.wall_hours is not None
    ]
    boards = [run for run in blind if holds_accelerators(run.start.machine)]
    others = [run for run in blind if not holds_accelerators(run.start.machine)]
    # What a run without a journal took is bounded as a whole.
    plain = [run for run in others if run.evidence == "clock" or not run.work.energy_parts]
    in_part = [run for run in others if run not in plain]
    notes = []
    if plain:
        notes.append(
            f"energy on {_machines(plain)}: the catalogue has no watts for it (add "
            "hardware: {name, watts_per_device, source} to farthing.yaml; watts_per_device is the "
            "processor's TDP divided by its hardware threads)"
        )
    if in_part:
        notes.append(
            f"energy on {_machines(in_part)}: a part of the time no sensor read "
            f"{_covers(in_part)}, and there were no watts for that (for runs to come, add "
            "hardware: {name, watts_per_device, source} to farthing.yaml; watts_per_device is the "
            f"processor's TDP divided by its hardware threads; {_AFTERWARDS})"
        )
    # The note about a lost journal says so of its run.
    if metered := [run for run in boards if run.evidence != "clock"]:
        notes.append(
            f"energy on {_machines(metered)}: no sensor read {_covers(metered)} all the time, and "
            "there were no watts for that (for runs to come, add host_watts_per_thread under "
            "hardware in farthing.yaml: the TDP of the processor beside the accelerators divided "
            "by its hardware threads; watts_per_device there is that of one accelerator, and "
            f"counts where the catalogue has none; {_AFTERWARDS})"
        )
    return notes


def _machines(runs: Sequence[RunAccount]) -> str:
    return ", ".join(sorted({run.start.machine.name for run in runs}))


def _covers(runs: Sequence[RunAccount]) -> str:
    """What nobody knows the energy of, boards by their kind and not by their ids."""
    names = {part.covers for run in runs for part in run.work.energy_parts if part.joules is None}
    kinds = {"accelerators" if name.startswith("accelerator ") else name for name in names}
    return " and ".join(sorted(kinds)) or "what the machine draws"

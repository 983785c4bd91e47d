"""How much energy some work took, by what metered it, with the range that the method leaves."""

from __future__ import annotations

from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.work import SENSORS, EnergyPart, Work
from farthing.quantity import Provenance, Quantity, measured, total


def energy_of(work: Work, machine: MachineRecord, watts: Quantity | None) -> Quantity | None:
    """J of some work, with the range that its method leaves; None where nobody knows.

    Args:
        work: of which the meter said what it could.
        machine: on which it was done.
        watts: per device, as the user gives them, for work that nothing metered; None for none.
    """
    if work.joules == 0.0 and work.wall_seconds == 0.0:
        return measured(0.0, "J", "nothing spent")
    if work.joules is not None and work.energy_method != "none":
        return _known_energy(work, work.joules, machine)
    if watts is not None:
        value = work.device_seconds * watts.value
        low = min(value, work.cpu_seconds * watts.low)
        return _estimated(value, f"TDP model: {watts.source}", low=low, high=value)
    return None


def _known_energy(work: Work, joules: float, machine: MachineRecord) -> Quantity | None:
    """What the run's meter said; part by part where it told them apart."""
    if work.energy_parts:
        return total((_energy_of(part, machine) for part in work.energy_parts), "J")
    if work.energy_method == "tdp_model":
        busy = min(work.cpu_seconds, work.device_seconds)
        return _estimated(
            joules,
            f"TDP model: {machine.watts_source}",
            low=min(joules, busy * (machine.watts_low or 0.0)),
            high=max(joules, work.device_seconds * (machine.watts_high or 0.0)),
        )
    if work.energy_method == "mixed":
        return _estimated(joules, "several methods, not told apart", low=joules, high=joules)
    return measured(joules, "J", SENSORS[work.energy_method])


def _energy_of(part: EnergyPart, machine: MachineRecord) -> Quantity | None:
    """J of one part; an interval is no measurement, whatever read it."""
    if part.joules is None or part.low_joules is None or part.high_joules is None:
        return None
    if part.method == "tdp_model":
        source = f"TDP model of {part.covers}: {machine.watts_source}"
    else:
        source = f"{SENSORS[part.method]}: {part.covers}"
    if part.measured:
        return measured(part.joules, "J", source)
    return _estimated(part.joules, source, low=part.low_joules, high=part.high_joules)


def _estimated(joules: float, source: str, *, low: float, high: float) -> Quantity:
    return Quantity(
        value=joules,
        unit="J",
        provenance=Provenance.ESTIMATED,
        source=source,
        low=low,
        high=high,
    )

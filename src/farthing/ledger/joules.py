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
        watts: per hardware thread, as the user gives them, for work on processors that nothing
            metered; None for none. They say nothing of accelerators, nor of a part of the energy
            that nobody knows: how long nothing read it is not in the book.
    """
    if work.joules == 0.0 and work.wall_seconds == 0.0:
        return measured(0.0, "J", "nothing spent")
    if work.joules is not None and work.energy_method != "none":
        return _known_energy(work, work.joules, machine)
    if watts is not None and not work.energy_parts and not holds_accelerators(machine):
        value = work.device_seconds * watts.value
        low = min(value, work.cpu_seconds * watts.low)
        return _estimated(value, f"TDP model: {watts.source}", low=low, high=value)
    return None


def bounded_energy(
    least: Work, held_seconds: float, machine: MachineRecord, watts: Quantity | None
) -> Quantity | None:
    """J of a run that lost its journal; None where nobody knows.

    Args:
        least: what it used at least, as the book holds it signed.
        held_seconds: of devices, that it used at most.
        machine: on which it was done.
        watts: as in `energy_of`.

    Returns:
        Never less than what is signed; at most, and shown, what the model says of all the time.
        Unknown on accelerators: the book does not hold the watts of the processors beside them.
    """
    if holds_accelerators(machine):
        return None
    model = least.model_copy(update={"device_seconds": held_seconds})
    if machine.watts is None:
        most = energy_of(model.with_energy(None, "none"), machine, watts)
    else:
        joules = held_seconds * machine.watts
        most = energy_of(model.with_energy(joules, "tdp_model"), machine, None)
    known = [each for part in least.energy_parts if (each := _energy_of(part, machine)) is not None]
    signed = total(known, "J") if known else energy_of(least, machine, None)
    if most is None or signed is None:
        return most
    return _estimated(
        max(most.value, signed.value),
        f"{most.source}; at least: {signed.source}",
        low=signed.low,
        high=max(most.high, signed.high),
    )


def holds_accelerators(machine: MachineRecord) -> bool:
    """Whether the machine's devices are accelerators, so that its processors are beside them."""
    return machine.accelerator is not None or bool(machine.device_ids)


def not_negative(rest: Work, whole: Work) -> Work:
    """What is left of some work, its energy clear of rounding below zero.

    Args:
        rest: with the energy of `whole` less that of parts of it.
        whole: an estimate of it is none the less one where the rest is not told apart.
    """
    if rest.joules is not None and rest.joules < 0.0:
        nothing = tuple(_nothing_of(part) for part in rest.energy_parts)
        rest = rest.with_energy(0.0, rest.energy_method, nothing)
    estimated = not all(part.measured for part in whole.energy_parts)
    if estimated and not rest.energy_parts and rest.energy_method in SENSORS:
        return rest.with_energy(rest.joules, "mixed")
    return rest


def _nothing_of(part: EnergyPart) -> EnergyPart:
    """No energy, and at most what the part may have been."""
    most = max(0.0, part.high_joules or 0.0)
    return part.model_copy(update={"low_joules": 0.0, "joules": 0.0, "high_joules": most})


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

"""Processors as the devices of a plan: this machine's, or one that the catalogue knows by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil

from farthing.artifacts.settings import Basis, WorkspaceSettings
from farthing.errors import UnknownHardwareError
from farthing.flow.planning.devices import Devices, Pace
from farthing.hardware.catalogue import Catalogue, folded, reference_prices
from farthing.hardware.cpus import CpuEntry
from farthing.hardware.machine import CPU_THREAD, Machine, detect_machine
from farthing.ledger.embodied import embodied_rate
from farthing.ledger.figures import Rates
from farthing.predict.booked import BookedSpeed
from farthing.predict.local import UNKNOWN, Probe, booked_probe, local_step_seconds
from farthing.predict.money import carbon
from farthing.predict.sizes import Family
from farthing.quantity import Quantity, assumed
from farthing.stages.plan.limits import PoolRates
from farthing.stages.plan.sizing import StepFlops

_WATTS_PER_KILOWATT = 1000.0
# Of the memory of a machine, what a training may take beside everything else that runs there.
_MEMORY_SHARE = 0.7


def this_machine(settings: WorkspaceSettings, root: Path) -> Machine:
    """What this process holds."""
    return detect_machine(settings.hardware, root=root)


def find_processor(hardware: str, catalogue: Catalogue) -> Machine | None:
    """A processor of the catalogue as `ID:THREADS`; None where no processor is called so."""
    name, _, threads = hardware.partition(":")
    entry = next(
        (one for one in catalogue.cpus if folded(name) in (folded(one.id), folded(one.name))), None
    )
    if entry is None:
        return None
    return Machine(
        id="",
        name=entry.name,
        device=CPU_THREAD,
        devices=int(threads) if threads.isdecimal() and int(threads) else 1,
        watts_per_device=_watts(entry, catalogue),
    )


def processor_devices(
    machine: Machine,
    catalogue: Catalogue,
    settings: WorkspaceSettings,
    rates: Rates,
    *,
    basis: Basis,
    priced: bool,
    grams_per_kwh: Quantity | None,
    booked: Sequence[BookedSpeed],
    here: bool = True,
) -> Devices:
    """A processor: its threads are the devices, and train together.

    Args:
        machine: with the processor.
        catalogue: with reference prices and embodied carbon.
        settings: `farthing.yaml`.
        rates: what it says of prices, site and grid.
        basis: whose price the budget has.
        priced: whether there is a budget: a price is needed then.
        grams_per_kwh: of the grid that was named, or None.
        booked: trainings of the workspace.
        here: whether it is this machine, whose memory is known.

    Raises:
        UnknownHardwareError: the basis of the budget has no price.
    """
    usd, no_price, notes = _prices(machine, rates, basis if priced else None)
    probe = booked_probe(booked, cpu=machine.name)
    if probe is None:
        probe = UNKNOWN
        notes = (
            *notes,
            "How fast this processor is was not measured: what a run of this workspace books makes "
            "the hours sure (`farthing quickstart` takes minutes).",
        )
    kwh, unknown = _energy(machine, rates)
    kg, kg_range = carbon(kwh, grams_per_kwh, catalogue)
    if kg is None:
        unknown.setdefault("kg", "no grid is named" if kwh is not None else unknown["kwh"])
    rate = embodied_rate(settings, catalogue, None)
    made = None
    if rate is None:
        unknown["embodied_kg"] = "set embodied in farthing.yaml"
    else:
        each, life = rate.kg_per_device.quantity(), rate.life_hours.quantity()
        made = each.scaled(machine.devices / life.value, "kg")
    where = "this machine" if here else "a machine"
    return Devices(
        words=f"{where}: {machine.devices} threads of {machine.name}",
        count=machine.devices,
        groups=(),
        rates=PoolRates(usd, no_price, kwh, kg, kg_range, made, unknown),
        pace=_pace(probe),
        memory_bytes=int(psutil.virtual_memory().total * _MEMORY_SHARE) if here else None,
        notes=notes,
    )


def _prices(
    machine: Machine, rates: Rates, needed: Basis | None
) -> tuple[dict[Basis, Quantity], dict[Basis, str], tuple[str, ...]]:
    """Dollars an hour of all threads: those of `farthing.yaml`, else the catalogue's references."""
    given = {name: price for name, price in rates.usd_per_device_hour.items() if price is not None}
    notes: tuple[str, ...] = ()
    if not given:
        given = {
            row.tier: row.quantity()
            for row in reference_prices()
            if row.tier in ("on_demand", "spot")
        }
        notes = (
            "Prices are references of the catalogue for a rented thread: farthing.yaml has yours "
            "(prices).",
        )
    if needed is not None and needed not in given:
        raise UnknownHardwareError(
            f"farthing.yaml has no {needed} price of a thread of this machine",
            remedy=f"add prices: {{{needed}: ...}} to farthing.yaml, or give another --tier of "
            f"{', '.join(given)}",
        )
    why = "not in farthing.yaml (prices)"
    missing: dict[Basis, str] = {
        name: why for name in rates.usd_per_device_hour if name not in given
    }
    usd = {name: price.scaled(machine.devices) for name, price in given.items()}
    return usd, missing, notes


def _energy(machine: Machine, rates: Rates) -> tuple[Quantity | None, dict[str, str]]:
    if machine.watts_per_device is None:
        return None, {"kwh": f"nobody has given the power of {machine.name} (hardware)"}
    pue = rates.pue or assumed(1.0, "1", "no site is named: energy at the machine's plug")
    it = machine.watts_per_device.scaled(machine.devices / _WATTS_PER_KILOWATT, "kWh")
    return it.times(pue, "kWh"), {}


def _pace(probe: Probe) -> Pace:
    def pace(family: Family, sequences: int, flops: StepFlops) -> Quantity:
        tokens = sequences * family.model.context
        return local_step_seconds(
            family.model, tokens, flops.passes, probe, vocab_size=family.vocabulary
        )

    return pace


def _watts(entry: CpuEntry, catalogue: Catalogue) -> Quantity | None:
    return entry.quantity(catalogue.sources)

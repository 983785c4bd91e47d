"""On which rates a bill rests and which are missing, in words."""

from __future__ import annotations

from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.settings import BASES, Basis
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.figures import Rates
from farthing.ledger.footprint import FootprintRates
from farthing.ledger.rates import Pricing


def rates_notes(pricing: Pricing, runs: int) -> tuple[str, ...]:
    """Prices, PUE, grid, embodied carbon and water, each with its source.

    Where they change, each says for which runs it holds.
    """
    notes = ["time is wall time held, start-up, idle and failed work included"]
    spans = pricing.spans(runs)
    for held, rates, entry in spans:
        of_runs = f"runs {numbers_text(held)}: " if len(spans) > 1 else ""
        notes += [f"{of_runs}{note}{_in_book(entry, note)}" for note in _notes(rates)]
    return tuple(dict.fromkeys(notes))


def missing_rates(pricing: Pricing, runs: int) -> tuple[str, ...]:
    """Rates that nobody has given for some run, with how to give them."""
    spans = [rates for _, rates, _ in pricing.spans(runs)]
    notes = []
    missing = [
        basis for basis in BASES if any(each.usd_per_device_hour[basis] is None for each in spans)
    ]
    if missing:
        notes.append(f"USD ({', '.join(missing)}): unknown (set prices in farthing.yaml)")
    gridless = next((each for each in spans if not each.grams_per_kwh and not each.series), None)
    if gridless is not None and gridless.grams_range is not None:
        low, high = gridless.grams_range
        notes.append(
            "kg CO2e: the grid is not set (set grid in farthing.yaml); the range shown runs from "
            f"the catalogue's cleanest grid ({low.value:g} g/kWh) to its dirtiest "
            f"({high.value:g} g/kWh)"
        )
    elif gridless is not None:
        notes.append("kg CO2e: the book holds no grid (set grid in farthing.yaml and --record it)")
    return (*notes, *_prices_of_others(pricing, runs))


def several_devices(pricing: Pricing, runs: int) -> tuple[str, ...]:
    """Where one price that the user gave is billed for several kinds of device, in words."""
    found: dict[tuple[Basis, float], dict[str, list[int]]] = {}
    for run, machine in _machines(pricing, runs):
        rates = pricing.declared(run)
        for basis, price in rates.usd_per_device_hour.items():
            if price is not None and basis not in rates.price_devices:
                kinds = found.setdefault((basis, price.value), {})
                kinds.setdefault(machine.device, []).append(run)
    return tuple(
        f"{basis}: {usd:g} USD per device-hour is billed for several kinds of device, since "
        "farthing.yaml names none for it: "
        + ", ".join(f"{device} (runs {numbers_text(held)})" for device, held in kinds.items())
        + ". See that it is the price of each of them"
        for (basis, usd), kinds in found.items()
        if len(kinds) > 1
    )


def _prices_of_others(pricing: Pricing, runs: int) -> list[str]:
    """Runs that held other devices than those that a price of a list is of."""
    found: dict[tuple[Basis, str, str], list[int]] = {}
    for run, machine in _machines(pricing, runs):
        declared, known = pricing.declared(run), pricing.of(run).usd_per_device_hour
        for basis, device in declared.price_devices.items():
            if known[basis] is None:
                found.setdefault((basis, device, machine.device), []).append(run)
    return [
        f"USD {basis} of runs {numbers_text(others)}: its price is that of one {device}, and they "
        f"held {held} (under prices.{basis} in farthing.yaml name a price of {held}, or give "
        "usd_per_device_hour, which holds for every kind of device; farthing bill --record enters "
        "it for the runs that are over)"
        for (basis, device, held), others in found.items()
    ]


def _machines(pricing: Pricing, runs: int) -> list[tuple[int, MachineRecord]]:
    return [(run, pricing.machines[run]) for run in range(runs) if run in pricing.machines]


def _notes(rates: Rates) -> list[str]:
    notes = [
        f"{basis}: {price.value:g} USD per device-hour ({price.source})"
        for basis, price in rates.usd_per_device_hour.items()
        if price is not None
    ]
    if rates.pue is None:
        notes.append("energy: IT energy only, PUE not set")
    else:
        notes.append(f"energy: IT energy x PUE {rates.pue.value:g} ({rates.pue.source})")
    if (grams := rates.grams_per_kwh) is not None:
        notes.append(f"carbon: operational, {grams.value:g} g/kWh ({grams.source})")
    if (series := rates.series) is not None:
        said = f"{series.file}, sha256 {series.digest[:12]}, {series.source}"
        notes.append(
            f"carbon: operational, by the hours in which each run used its energy ({said})"
        )
    return [*notes, *_footprint_notes(rates.footprint)]


def _footprint_notes(rates: FootprintRates) -> list[str]:
    devices = {**rates.by_device, **({"device": rates.embodied} if rates.embodied else {})}
    notes = []
    for name, each in devices.items():
        kilograms, life = each.kg_per_device, each.life_hours
        sources = "; ".join(dict.fromkeys((kilograms.source, life.source)))
        notes.append(
            f"embodied carbon: {kilograms.value:g} kg of making one {name}, spread over "
            f"{life.value:,.0f} hours ({sources})"
        )
    for rate, what in (
        (rates.water_site, "evaporated at the site, per kWh of the machines"),
        (rates.water_source, "used in making the electricity, per kWh at the site's meter"),
    ):
        if rate is not None:
            notes.append(f"water: {rate.value:g} L {what} ({rate.source})")
    return notes


def _in_book(entry: EntryRef | None, note: str) -> str:
    booked = entry is not None and "not in the book" not in note and "not set" not in note
    return f"; entry {entry.number}" if entry is not None and booked else ""

"""On which rates a bill rests and which are missing, in words."""

from __future__ import annotations

from farthing.artifacts.settings import BASES
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.figures import Rates
from farthing.ledger.rates import Pricing


def rates_notes(pricing: Pricing, runs: int) -> tuple[str, ...]:
    """Prices, PUE and grid, each with its source and, where they change, the runs they hold for."""
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
    gridless = next((each for each in spans if each.grams_per_kwh is None), None)
    if gridless is not None and gridless.grams_range is not None:
        low, high = gridless.grams_range
        notes.append(
            "kg CO2e: the grid is not set (set grid in farthing.yaml); the range shown runs from "
            f"the catalogue's cleanest grid ({low.value:g} g/kWh) to its dirtiest "
            f"({high.value:g} g/kWh)"
        )
    elif gridless is not None:
        notes.append("kg CO2e: the book holds no grid (set grid in farthing.yaml and --record it)")
    return tuple(notes)


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
    return notes


def _in_book(entry: EntryRef | None, note: str) -> str:
    booked = entry is not None and "not in the book" not in note and "not set" not in note
    return f"; entry {entry.number}" if entry is not None and booked else ""

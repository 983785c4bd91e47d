"""What some work has cost so far, in a few words for a progress line."""

from __future__ import annotations

from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.work import Work
from farthing.ledger.figures import Rates, make_figures


def spending_text(work: Work, machine: MachineRecord, rates: Rates) -> str:
    """Money on the first basis that has a price, and energy: `$0.0012  0.0031 kWh`.

    A figure that nobody has given is a `?`; the bill says how to give it.
    """
    figures = make_figures(work, machine, rates)
    priced = [usd for usd in figures.usd.values() if usd is not None]
    money = f"${priced[0].value:.4f}" if priced else "$?"
    energy = f"{figures.kwh.value:.4f} kWh" if figures.kwh else "? kWh"
    return f"{money}  {energy}"

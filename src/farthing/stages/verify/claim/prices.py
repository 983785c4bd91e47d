"""What device-hours cost by the rates that stand in the book, in one price basis for all of it."""

from __future__ import annotations

from farthing.artifacts.settings import BASES
from farthing.artifacts.settings import Basis as PriceBasis
from farthing.stages.verify.claim.book import ClaimBook, Run


def price_basis(book: ClaimBook) -> PriceBasis | None:
    """The first of on-demand, spot, reserved and owned that the book prices some run in."""
    for basis in BASES:
        if any(usd_per_device_hour(book, run, basis) is not None for run in book.runs.values()):
            return basis
    return None


def usd_per_device_hour(book: ClaimBook, run: Run, basis: PriceBasis | None) -> float | None:
    """The price of a run's devices; None where the book has none for that kind of device.

    Args:
        book: of the claim.
        run: whose hours.
        basis: of the price.
    """
    rates = book.rates_of(run.number)
    price = rates.prices.get(basis) if rates is not None and basis is not None else None
    if price is None:
        return None
    machine = run.start.machine
    kinds = (None, machine.device, machine.accelerator)
    return price.usd_per_device_hour.value if price.device in kinds else None

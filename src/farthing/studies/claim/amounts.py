"""From the work of runs to the amounts that a claim states."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.claims.entries import Basis
from farthing.artifacts.claims.statement import Amounts
from farthing.artifacts.settings import BASES, WorkspaceSettings
from farthing.artifacts.settings import Basis as PriceBasis
from farthing.artifacts.work import SENSORS, Work
from farthing.ledger.meter import NO_WORK
from farthing.ledger.rates import Pricing, make_pricing
from farthing.studies.claim.trainings import BookView

_SECONDS_PER_HOUR = 3600.0
_JOULES_PER_KWH = 3.6e6
# Of the clock's differences.
_ROUNDING_SECONDS = 1e-9


@dataclass(frozen=True)
class Part:
    """A run, or a part of one, as it stands in a line of the claim.

    Attributes:
        run: its number.
        work: what of its work stands there.
        counts: whether the run is counted there; it is counted once, wherever its parts stand.
    """

    run: int
    work: Work
    counts: bool = True


@dataclass(frozen=True)
class Tariff:
    """The prices of a claim: those of the book, in one price basis for all of it.

    Attributes:
        pricing: the book's rates.
        basis: the first of `BASES` that the book prices any of its runs in; None where it has no
            price at all.
    """

    pricing: Pricing
    basis: PriceBasis | None

    @classmethod
    def of(cls, view: BookView, settings: WorkspaceSettings, root: Path) -> Tariff:
        """The book's own rates; `settings` say nothing here that the book does not hold."""
        pricing = make_pricing(view.records, settings, root, book_only=True)
        runs = [run.start.run for run in view.runs]
        priced = (
            basis
            for basis in BASES
            if any(pricing.of(run).usd_per_device_hour.get(basis) is not None for run in runs)
        )
        return cls(pricing, next(priced, None))

    def usd(self, part: Part) -> float | None:
        """What the hours of a part cost; None where the book has no price for them."""
        if self.basis is None:
            return None
        price = self.pricing.of(part.run).usd_per_device_hour.get(self.basis)
        if price is None:
            return None
        return part.work.device_seconds / _SECONDS_PER_HOUR * price.value


def amounts_of(parts: Iterable[Part], tariff: Tariff) -> Amounts:
    """What some parts used together."""
    every = list(parts)
    work = sum((part.work for part in every), NO_WORK)
    prices = [tariff.usd(part) for part in every]
    known = [price for price in prices if price is not None]
    return Amounts(
        runs=sum(part.counts for part in every),
        device_hours=work.device_seconds / _SECONDS_PER_HOUR,
        flops=work.flops,
        optimizer_flops=work.optimizer_flops,
        tokens=work.tokens,
        kwh=None if work.joules is None else work.joules / _JOULES_PER_KWH,
        energy_method=work.energy_method,
        usd=sum(known) if tariff.basis is not None and len(known) == len(prices) else None,
    )


def rest_of(whole: Work, kept: Work) -> Work:
    """What of a run was done again: all of it but what is kept.

    Where the two were metered by different methods, nobody knows how the energy divides.
    """
    if whole.energy_method != kept.energy_method and NO_WORK not in (whole, kept):
        unknown = whole.with_energy(None, "none")
        return unknown - kept.with_energy(None, "none")
    return whole - kept


def is_nothing(work: Work) -> bool:
    """Whether a rest is rounding alone."""
    return abs(work.device_seconds) < _ROUNDING_SECONDS and work.tokens == 0


def cost_in(basis: Basis, amounts: Amounts) -> float | None:
    """The cost that a ratio is made of; None where it is unknown, or energy that no sensor read."""
    if basis == "flops":
        return amounts.flops + amounts.optimizer_flops
    if basis == "device_hours":
        return amounts.device_hours
    return amounts.kwh if amounts.energy_method in SENSORS else None

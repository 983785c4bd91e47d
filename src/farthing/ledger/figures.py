"""From amounts of work to hours, kWh, dollars and kilograms, each with its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.rates import SeriesRate
from farthing.artifacts.settings import BASES, Basis
from farthing.artifacts.work import Work
from farthing.ledger.carbon import operational
from farthing.ledger.footprint import FootprintRates, footprint
from farthing.ledger.joules import bounded_energy, energy_of
from farthing.quantity import Provenance, Quantity, measured, total

_SECONDS_PER_HOUR = 3600.0
_JOULES_PER_KWH = 3.6e6
_KG_PER_GRAM = 1e-3

# The figures of a bill in the order in which it shows them; money stands after energy.
AMOUNTS = (
    *("wall_hours", "device_hours", "cpu_hours", "tokens", "flops", "optimizer_flops", "kwh"),
    *("kg_co2e", "kg_embodied", "litres"),
)
_MONEY = AMOUNTS.index("kg_co2e")


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What turns device-hours and joules into dollars, grams and litres; None where nobody set it.

    Attributes:
        usd_per_device_hour: per basis.
        grams_per_kwh: of the electricity. With a `series` it is None until that has met the hours
            of a run: no other figure stands in its place.
        grams_range: the cleanest and the dirtiest grid of the catalogue; None where only the book
            may speak and does not say what they were.
        pue: energy at the site's meter per energy of the machines.
        watts_per_device: for work that nothing metered.
        footprint: embodied carbon and water.
        series: grams per kWh by the hour; None where one figure says it.
        price_devices: the only kind of device that a price is of, where a list says it; a price of
            a basis that is not there holds for every kind.
    """

    usd_per_device_hour: dict[Basis, Quantity | None]
    grams_per_kwh: Quantity | None
    grams_range: tuple[Quantity, Quantity] | None
    pue: Quantity | None
    watts_per_device: Quantity | None
    footprint: FootprintRates = field(default_factory=FootprintRates)
    series: SeriesRate | None = None
    price_devices: Mapping[Basis, str] = field(default_factory=dict)

    def on(self, machine: MachineRecord) -> Rates:
        """The same without the prices of other devices than this machine's."""
        other = {basis for basis, device in self.price_devices.items() if not _is(machine, device)}
        usd = self.usd_per_device_hour.items()
        known = {basis: None if basis in other else price for basis, price in usd}
        return replace(self, usd_per_device_hour=known) if other else self


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The cost vector of some work; None is unknown and never zero, an interval is no measurement.

    `kg_co2e` is operational. Where no grid is set it is unknown, and `kg_co2e_range` says what it
    would be on the cleanest and the dirtiest grid of the catalogue. `kg_embodied` is the part of
    making the devices that falls on the hours held. `litres` are those of the site and of making
    the electricity together: unknown if one of the two is.
    """

    wall_hours: Quantity | None
    device_hours: Quantity | None
    cpu_hours: Quantity | None
    tokens: Quantity | None
    flops: Quantity | None
    optimizer_flops: Quantity | None
    kwh: Quantity | None
    usd: dict[Basis, Quantity | None]
    kg_co2e: Quantity | None
    kg_co2e_range: tuple[float, float] | None
    kg_embodied: Quantity | None = None
    litres: Quantity | None = None

    def amounts(self) -> Iterator[tuple[str, Basis | None, Quantity | None]]:
        """Every figure by its name, and the basis where it is money."""
        for name in AMOUNTS[:_MONEY]:
            yield name, None, getattr(self, name)
        for basis in BASES:
            yield "usd", basis, self.usd[basis]
        for name in AMOUNTS[_MONEY:]:
            yield name, None, getattr(self, name)

    def scaled(self, share: float) -> Figures:
        """A share of everything, from 0 to 1."""
        return Figures(
            wall_hours=_scaled(self.wall_hours, share),
            device_hours=_scaled(self.device_hours, share),
            cpu_hours=_scaled(self.cpu_hours, share),
            tokens=_scaled(self.tokens, share),
            flops=_scaled(self.flops, share),
            optimizer_flops=_scaled(self.optimizer_flops, share),
            kwh=_scaled(self.kwh, share),
            usd={basis: _scaled(value, share) for basis, value in self.usd.items()},
            kg_co2e=_scaled(self.kg_co2e, share),
            kg_co2e_range=(
                (self.kg_co2e_range[0] * share, self.kg_co2e_range[1] * share)
                if self.kg_co2e_range
                else None
            ),
            kg_embodied=_scaled(self.kg_embodied, share),
            litres=_scaled(self.litres, share),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null is unknown."""
        return {
            **{name: _json(getattr(self, name)) for name in AMOUNTS[:_MONEY]},
            "usd": {basis: _json(value) for basis, value in self.usd.items()},
            **{name: _json(getattr(self, name)) for name in AMOUNTS[_MONEY:]},
            "kg_co2e_range": list(self.kg_co2e_range) if self.kg_co2e_range else None,
        }


def make_figures(work: Work, machine: MachineRecord, rates: Rates) -> Figures:
    """The cost vector of `work` done on `machine`."""
    amounts = _Amounts(
        wall_hours=measured(work.wall_seconds / _SECONDS_PER_HOUR, "h", "clock"),
        device_hours=measured(work.device_seconds / _SECONDS_PER_HOUR, "h", "clock x devices held"),
        cpu_hours=measured(work.cpu_seconds / _SECONDS_PER_HOUR, "h", "kernel's accounting"),
        tokens=measured(work.tokens, "tokens", "counted"),
        flops=measured(work.flops, "FLOP", "counted by formula"),
        optimizer_flops=measured(work.optimizer_flops, "FLOP", "counted by formula"),
        joules=energy_of(work, machine, rates.watts_per_device),
    )
    return _priced(amounts, rates, machine)


def bounded_figures(
    least: Work, most_seconds: float | None, machine: MachineRecord, rates: Rates
) -> Figures:
    """The cost vector of a run that lost its journal, as wide as the ignorance is.

    Args:
        least: what it used at least.
        most_seconds: how long it can have run, by the clock; None where nobody knows.
        machine: what it held.
        rates: the user's rates.

    Returns:
        Hours, dollars and energy between the two, the upper one shown: a lost journal makes no
        bill smaller, and no energy is less than what is signed. Tokens and FLOPs that nobody
        counted are unknown.
    """
    if most_seconds is None:
        return _priced(_Amounts(), rates, machine)
    wall = max(most_seconds, least.wall_seconds)
    held = max(wall * machine.devices, least.device_seconds)
    amounts = _Amounts(
        wall_hours=_between(least.wall_seconds, wall),
        device_hours=_between(least.device_seconds, held),
        cpu_hours=_between(least.cpu_seconds, max(held, least.cpu_seconds)),
        joules=bounded_energy(least, held, machine, rates.watts_per_device),
    )
    return _priced(amounts, rates, machine)


@dataclass(frozen=True, kw_only=True)
class _Amounts:
    """What was used, before any price; None is unknown."""

    wall_hours: Quantity | None = None
    device_hours: Quantity | None = None
    cpu_hours: Quantity | None = None
    tokens: Quantity | None = None
    flops: Quantity | None = None
    optimizer_flops: Quantity | None = None
    joules: Quantity | None = None


def _priced(amounts: _Amounts, rates: Rates, machine: MachineRecord | None) -> Figures:
    accelerator = machine.accelerator if machine else None
    prices = (rates.on(machine) if machine else rates).usd_per_device_hour
    energy, device_hours = amounts.joules, amounts.device_hours
    it_kwh = energy.scaled(1 / _JOULES_PER_KWH, "kWh") if energy else None
    kwh = it_kwh
    if it_kwh is not None and rates.pue is not None:
        kwh = it_kwh.times(rates.pue, "kWh")
    beside = footprint(device_hours, it_kwh, kwh, rates.footprint, accelerator=accelerator)
    return Figures(
        wall_hours=amounts.wall_hours,
        device_hours=device_hours,
        cpu_hours=amounts.cpu_hours,
        tokens=amounts.tokens,
        flops=amounts.flops,
        optimizer_flops=amounts.optimizer_flops,
        kwh=kwh,
        usd={
            basis: device_hours.times(price, "USD")
            if price is not None and device_hours is not None
            else None
            for basis, price in prices.items()
        },
        kg_co2e=operational(kwh, rates.grams_per_kwh),
        kg_co2e_range=_carbon_range(kwh, rates),
        kg_embodied=beside.kg_embodied,
        litres=beside.water.litres,
    )


def add_figures(parts: Iterable[Figures]) -> Figures:
    """The sum, in which one unknown part makes that figure unknown."""
    every = list(parts)
    ranges = [part.kg_co2e_range for part in every]
    known = [pair for pair in ranges if pair is not None]
    return Figures(
        wall_hours=total((part.wall_hours for part in every), "h"),
        device_hours=total((part.device_hours for part in every), "h"),
        cpu_hours=total((part.cpu_hours for part in every), "h"),
        tokens=total((part.tokens for part in every), "tokens"),
        flops=total((part.flops for part in every), "FLOP"),
        optimizer_flops=total((part.optimizer_flops for part in every), "FLOP"),
        kwh=total((part.kwh for part in every), "kWh"),
        usd={
            # Nothing spent costs nothing, but a price nobody set stays unknown.
            basis: total((part.usd[basis] for part in every), "USD")
            for basis in BASES
        },
        kg_co2e=total((part.kg_co2e for part in every), "kg"),
        kg_co2e_range=(
            (sum(pair[0] for pair in known), sum(pair[1] for pair in known))
            if known and len(known) == len(ranges)
            else None
        ),
        kg_embodied=total((part.kg_embodied for part in every), "kg") if every else None,
        litres=total((part.litres for part in every), "L") if every else None,
    )


def expense_figures(usd: dict[Basis, Quantity | None], rates: Rates) -> Figures:
    """Money alone: no hours, no energy and no carbon, all of them known to be none.

    Args:
        usd: per basis; a basis that it does not belong to costs nothing.
        rates: the rates of the run that caused it; they say which figures are known at all.
    """
    nothing = _priced(
        _Amounts(
            wall_hours=measured(0.0, "h", "no time held"),
            device_hours=measured(0.0, "h", "no time held"),
            cpu_hours=measured(0.0, "h", "no time held"),
            tokens=measured(0.0, "tokens", "none"),
            flops=measured(0.0, "FLOP", "none"),
            optimizer_flops=measured(0.0, "FLOP", "none"),
            joules=measured(0.0, "J", "nothing spent"),
        ),
        rates,
        None,
    )
    # It held no device, so it does not matter of which kind the others were.
    no_device = measured(0.0, "kg", "no time held") if rates.footprint.knows_devices else None
    return replace(nothing, usd=usd, kg_embodied=no_device)


def _carbon_range(kwh: Quantity | None, rates: Rates) -> tuple[float, float] | None:
    """Kilograms on the cleanest and on the dirtiest grid, where no grid is set."""
    if kwh is None or rates.grams_per_kwh is not None or rates.grams_range is None:
        return None
    low, high = rates.grams_range
    return kwh.low * low.value * _KG_PER_GRAM, kwh.high * high.value * _KG_PER_GRAM


def _between(low_seconds: float, high_seconds: float) -> Quantity:
    return Quantity(
        value=high_seconds / _SECONDS_PER_HOUR,
        unit="h",
        provenance=Provenance.ESTIMATED,
        source="bounded by the clock: the journal was lost",
        low=low_seconds / _SECONDS_PER_HOUR,
        high=high_seconds / _SECONDS_PER_HOUR,
    )


def _is(machine: MachineRecord, device: str) -> bool:
    return device in (machine.device, machine.accelerator)


def _scaled(value: Quantity | None, share: float) -> Quantity | None:
    return value.scaled(share) if value is not None else None


def _json(value: Quantity | None) -> dict[str, float | str] | None:
    return value.to_json() if value is not None else None

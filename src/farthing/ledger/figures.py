"""From amounts of work to hours, kWh, dollars and kilograms, each with its provenance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.settings import BASES, Basis, WorkspaceSettings
from farthing.artifacts.work import SENSORS, EnergyPart, Work
from farthing.hardware.catalogue import grid, grid_range, read_catalogue
from farthing.ledger.prices import priced
from farthing.quantity import Provenance, Quantity, assumed, measured, total

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
    """What turns device-hours and joules into dollars and grams; None where nobody set it.

    `grams_range` holds the cleanest and the dirtiest grid of the catalogue; None where only the
    book may speak and does not say what they were.
    """

    usd_per_device_hour: dict[Basis, Quantity | None]
    grams_per_kwh: Quantity | None
    grams_range: tuple[Quantity, Quantity] | None
    pue: Quantity | None
    watts_per_device: Quantity | None


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The cost vector of some work; None is unknown and never zero, an interval is no measurement.

    `kg_co2e` is operational. Where no grid is set it is unknown, and `kg_co2e_range` says what it
    would be on the cleanest and the dirtiest grid of the catalogue. `kg_embodied` and `litres` are
    None until something sets them: no rate here turns work into either.
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


def make_rates(settings: WorkspaceSettings, root: Path | None = None) -> Rates:
    """The user's rates.

    Args:
        settings: what the user says.
        root: of the workspace, whose own price lists count; None for what ships with farthing.

    Raises:
        UnknownHardwareError: the grid or a price that they name is not in the catalogue.
        ConfigError: a name means several prices, or an entry of the workspace is wrong.
    """
    prices = priced(settings, read_catalogue(root))
    grams = grid(settings.grid) if settings.grid is not None else None
    if (own := settings.grid_grams_per_kwh) is not None:
        grams = assumed(own.grams_per_kwh, "g/kWh", own.source)
    pue, hardware = settings.pue, settings.hardware
    return Rates(
        usd_per_device_hour=prices,
        grams_per_kwh=grams,
        grams_range=grid_range(),
        pue=assumed(pue.value, "1", f"PUE: {pue.source}") if pue else None,
        watts_per_device=(
            assumed(hardware.watts_per_device, "W", f"farthing.yaml: {hardware.source}")
            if hardware
            else None
        ),
    )


def make_figures(work: Work, machine: MachineRecord, rates: Rates) -> Figures:
    """The cost vector of `work` done on `machine`."""
    amounts = _Amounts(
        wall_hours=measured(work.wall_seconds / _SECONDS_PER_HOUR, "h", "clock"),
        device_hours=measured(work.device_seconds / _SECONDS_PER_HOUR, "h", "clock x devices held"),
        cpu_hours=measured(work.cpu_seconds / _SECONDS_PER_HOUR, "h", "kernel's accounting"),
        tokens=measured(work.tokens, "tokens", "counted"),
        flops=measured(work.flops, "FLOP", "counted by formula"),
        optimizer_flops=measured(work.optimizer_flops, "FLOP", "counted by formula"),
        joules=_energy(work, machine, rates),
    )
    return _priced(amounts, rates)


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
        bill smaller. Tokens and FLOPs that nobody counted are unknown.
    """
    if most_seconds is None:
        return _priced(_Amounts(), rates)
    wall = max(most_seconds, least.wall_seconds)
    held = max(wall * machine.devices, least.device_seconds)
    watts = machine.watts
    most = least.with_energy(
        held * watts if watts is not None else None,
        "tdp_model" if watts is not None else "none",
    ).model_copy(update={"wall_seconds": wall, "device_seconds": held})
    amounts = _Amounts(
        wall_hours=_between(least.wall_seconds, wall),
        device_hours=_between(least.device_seconds, held),
        cpu_hours=_between(least.cpu_seconds, max(held, least.cpu_seconds)),
        joules=_energy(most, machine, rates),
    )
    return _priced(amounts, rates)


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


def _priced(amounts: _Amounts, rates: Rates) -> Figures:
    energy, device_hours = amounts.joules, amounts.device_hours
    kwh = energy.scaled(1 / _JOULES_PER_KWH, "kWh") if energy else None
    if kwh is not None and rates.pue is not None:
        kwh = kwh.times(rates.pue, "kWh")
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
            for basis, price in rates.usd_per_device_hour.items()
        },
        kg_co2e=_carbon(kwh, rates.grams_per_kwh),
        kg_co2e_range=_carbon_range(kwh, rates),
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
    )
    return replace(nothing, usd=usd)


def _energy(work: Work, machine: MachineRecord, rates: Rates) -> Quantity | None:
    """J, with the range that the method leaves."""
    if work.joules == 0.0 and work.wall_seconds == 0.0:
        return measured(0.0, "J", "nothing spent")
    if work.joules is not None and work.energy_method != "none":
        return _known_energy(work, work.joules, machine)
    if rates.watts_per_device is not None:
        watts = rates.watts_per_device
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


def _carbon(kwh: Quantity | None, grams: Quantity | None) -> Quantity | None:
    if kwh is None or grams is None:
        return None
    return kwh.times(grams, "g").scaled(_KG_PER_GRAM, "kg")


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


def _scaled(value: Quantity | None, share: float) -> Quantity | None:
    return value.scaled(share) if value is not None else None


def _json(value: Quantity | None) -> dict[str, float | str] | None:
    return value.to_json() if value is not None else None

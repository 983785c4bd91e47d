"""Limits of several kinds on one scale: hours of the whole pool, of which the least binds."""

from __future__ import annotations

from dataclasses import dataclass

from farthing.artifacts.settings import Basis
from farthing.errors import PlanError
from farthing.quantity import Quantity
from farthing.stages.plan.config import PlanConfig


@dataclass(frozen=True)
class PoolRates:
    """What an hour of the whole pool costs.

    Attributes:
        usd: dollars an hour by basis; those without a price are missing.
        no_price: why, by basis.
        kwh: energy at the site's meter, or None.
        kg: of CO2-equivalent in operation; None where no grid is named, or the energy is unknown.
        kg_range: on the cleanest and on the dirtiest grid, where none is named.
        embodied_kg: of making the devices, or None.
        unknown: why a figure is missing, by its name (`kwh`, `kg`, `embodied_kg`).
    """

    usd: dict[Basis, Quantity]
    no_price: dict[Basis, str]
    kwh: Quantity | None
    kg: Quantity | None
    kg_range: tuple[float, float] | None
    embodied_kg: Quantity | None
    unknown: dict[str, str]


@dataclass(frozen=True)
class Limit:
    """One limit.

    Attributes:
        name: as it is asked for: budget, hours, energy, carbon.
        words: what was given, as `$500 on_demand`.
        hours: of the whole pool, that it leaves.
    """

    name: str
    words: str
    hours: float


def limits_of(config: PlanConfig, rates: PoolRates) -> tuple[Limit, ...]:
    """Every limit that was given, the tightest first.

    Raises:
        PlanError: a limit is on a figure that nobody knows for these devices.
    """
    found: list[Limit] = []
    if config.budget_usd is not None:
        found.append(_of_budget(config.budget_usd, config.basis, rates))
    if config.hours is not None:
        found.append(Limit("deadline", f"{config.hours:,.4g} h", config.hours))
    if config.kwh is not None:
        each = _known(rates.kwh, "--kwh", rates.unknown.get("kwh"))
        found.append(Limit("energy", f"{config.kwh:,.4g} kWh", config.kwh / each.value))
    if config.kg_co2e is not None:
        each = _known(rates.kg, "--kg-co2e", rates.unknown.get("kg"))
        made = rates.embodied_kg.value if rates.embodied_kg is not None else 0.0
        hours = config.kg_co2e / (each.value + made)
        found.append(Limit("carbon", f"{config.kg_co2e:,.4g} kg CO2e", hours))
    return tuple(sorted(found, key=lambda limit: limit.hours))


def _of_budget(usd: float, basis: Basis, rates: PoolRates) -> Limit:
    price = rates.usd[basis]
    if price.value == 0:
        raise PlanError(
            f"--budget {usd:g} with devices that cost nothing an hour: it bounds nothing",
            remedy="give --hours, --kwh or --kg-co2e instead, or a price above 0",
        )
    return Limit("budget", f"${usd:,.10g} {basis.replace('_', ' ')}", usd / price.value)


def _known(figure: Quantity | None, option: str, why: str | None) -> Quantity:
    if figure is None or figure.value == 0:
        raise PlanError(
            f"{option} cannot be kept: {why or 'an hour takes nothing'}",
            remedy=f"leave {option} out, or give the figure that is missing "
            "(--grid CODE for carbon; a device with a design power for energy)",
        )
    return figure

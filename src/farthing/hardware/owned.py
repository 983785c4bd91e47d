"""What an hour of an owned device costs: its capital spread over its use, the network, the energy.

    ((usd / (1 - network share)) x annual share / 8766 h
     + kW x server factor x mean draw x PUE x USD per kWh + colocation + staff) / share of time used

After Cottier et al., arXiv 2405.21015; what differs: the share of time used divides the energy too,
since machines that wait draw power.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from pydantic import Field

from farthing.artifacts.prices import Between, End, Ownership
from farthing.hardware.datafile import shipped_section
from farthing.hardware.figure import Entry, Figure
from farthing.quantity import Provenance, Quantity

HOURS_PER_YEAR = 8766  # 365.25 days
_WATTS_PER_KILOWATT = 1000
_MORE_IS_CHEAPER = {"life_years", "used_share"}


class OwnershipConstant(Entry):
    """One published constant of what owning costs."""

    UNITS: ClassVar[Mapping[str, str | None]] = {"figure": None}

    name: str = Field(min_length=1, description="what it is")
    figure: Figure | None = Field(default=None, description="the constant, with its unit")


@cache
def ownership_constants() -> dict[str, OwnershipConstant]:
    """The published constants that ship with farthing, by id."""
    entries = shipped_section("ownership.yaml", "ownership", OwnershipConstant)
    return {entry.id: entry for entry in entries}


def annual_share(owned: Ownership, end: End = "value") -> float:
    """The share of the capital that one year costs; `end` is that of the cost, not of its inputs.

    Raises:
        ValueError: the ownership lacks what its depreciation needs.
    """
    figures = _figures(owned, end)
    if owned.depreciation == "loss_of_value":
        return figures["loss_of_value_per_year"]
    if owned.depreciation == "straight_line":
        return 1 / figures["life_years"]
    interest = figures["interest_per_year"]
    growth: float = (1 + interest) ** figures["life_years"]
    return interest * growth / (growth - 1)


def owned_parts(owned: Ownership, end: End = "value") -> dict[str, float]:
    """US dollars per device-hour by part: devices, network, energy, colocation, staff.

    Args:
        owned: the device.
        end: the figure itself, or what it costs with every input at its cheapest (`low`) or
            dearest (`high`): the cost rises or falls with each of them, so nothing lies outside.
    """
    figures = _figures(owned, end)
    devices = figures["usd_per_device"] * annual_share(owned, end) / HOURS_PER_YEAR
    network = figures["interconnect_share"]
    kilowatts = (
        figures["device_watts"]
        * figures["server_watts_per_device_watt"]
        * figures["mean_draw_share"]
        / _WATTS_PER_KILOWATT
    )
    parts = {
        "devices": devices,
        "network": devices * network / (1 - network),
        "energy": kilowatts * figures["pue"] * figures["usd_per_kwh"],
        "colocation": figures["colocation_usd_per_device_hour"],
        "staff": figures["staff_usd_per_device_hour"],
    }
    return {name: usd / figures["used_share"] for name, usd in parts.items()}


def owned_usd_per_device_hour(owned: Ownership) -> Quantity:
    """US dollars for an hour of one owned device with its range; the source names each part."""
    parts = owned_parts(owned)
    value = sum(parts.values())
    low, high = (sum(owned_parts(owned, end).values()) for end in ("low", "high"))
    shares = " + ".join(f"{name} {usd:.3g}" for name, usd in parts.items() if usd)
    spread = f", {low:.3g} to {high:.3g} with its ranges" if low < high else ""
    return Quantity(
        value=value,
        unit="USD/h",
        provenance=Provenance.ASSUMED,
        source=f"reckoned: {shares or 'nothing paid'}{spread}, of "
        f"{owned.usd_per_device.value:,.10g} USD per device, {_words(owned)}, used "
        f"{owned.used_share.value:.0%}, {owned.date}: {owned.source}",
        low=min(low, value),
        high=max(high, value),
    )


def _figures(owned: Ownership, end: End) -> dict[str, float]:
    """Every figure at that end of the cost: what is cheaper the more it is stands the other way."""
    other: dict[End, End] = {"low": "high", "value": "value", "high": "low"}
    return {
        name: figure.at(other[end] if name in _MORE_IS_CHEAPER else end)
        for name, figure in owned
        if isinstance(figure, Between)
    }


def _words(owned: Ownership) -> str:
    words = owned.depreciation.replace("_", " ")
    if owned.life_years is not None:
        words += f" over {owned.life_years.value:g} years"
    if owned.interest_per_year is not None:
        words += f" at {owned.interest_per_year.value:.3g} a year"
    if owned.loss_of_value_per_year is not None:
        words += f" {owned.loss_of_value_per_year.value:.3g} a year"
    return words

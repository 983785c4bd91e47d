"""What an hour of an owned device costs: its capital spread over its use, the network, the energy.

    ((usd / (1 - network share)) x annual share / 8766 h
     + kW x server factor x mean draw x PUE x USD per kWh + colocation + staff) / share of time used

After Cottier et al., arXiv 2405.21015; what differs: the share of time used divides the energy too,
since machines that wait draw power.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config
from farthing.artifacts.dates import IsoDate
from farthing.hardware.datafile import shipped_section
from farthing.hardware.figure import Entry, Figure
from farthing.quantity import Quantity, assumed

HOURS_PER_YEAR = 8766  # 365.25 days
_WATTS_PER_KILOWATT = 1000


class OwnershipConstant(Entry):
    """One published constant of what owning costs."""

    UNITS: ClassVar[Mapping[str, str | None]] = {"figure": None}

    name: str = Field(min_length=1, description="what it is")
    figure: Figure | None = Field(default=None, description="the constant, with its unit")


class Ownership(Config):
    """An owned device and how it is used; nothing here has a default that could be wrong."""

    usd_per_device: float = Field(
        ge=0, description="US dollars for one device with its share of the server"
    )
    depreciation: Literal["straight_line", "annuity", "loss_of_value"] = Field(
        description="how capital becomes a yearly cost"
    )
    life_years: float | None = Field(default=None, gt=0, description="for the first two of them")
    interest_per_year: float | None = Field(default=None, gt=0, description="for an annuity")
    loss_of_value_per_year: float | None = Field(
        default=None, gt=0, description="share of today's value that a year takes"
    )
    interconnect_share: float = Field(
        ge=0, lt=1, description="the network's share of what the whole cluster costs"
    )
    device_watts: float = Field(gt=0, description="thermal design power of the device, W")
    server_watts_per_device_watt: float = Field(
        ge=1, description="design power of the server over that of its devices"
    )
    mean_draw_share: float = Field(gt=0, le=1, description="mean draw over design power")
    pue: float = Field(ge=1, description="power usage effectiveness of the site")
    usd_per_kwh: float = Field(ge=0, description="US dollars per kWh")
    used_share: float = Field(gt=0, le=1, description="share of the time in which it works")
    colocation_usd_per_device_hour: float = Field(default=0, ge=0, description="rent of the place")
    staff_usd_per_device_hour: float = Field(default=0, ge=0, description="people who run it")
    source: str = Field(min_length=1, description="where these figures come from")
    date: IsoDate = Field(description="the day on which they held")

    @model_validator(mode="after")
    def _has_what_its_depreciation_needs(self) -> Self:
        needs = {
            "straight_line": ("life_years",),
            "annuity": ("life_years", "interest_per_year"),
            "loss_of_value": ("loss_of_value_per_year",),
        }[self.depreciation]
        for field in needs:
            if getattr(self, field) is None:
                raise ValueError(f"depreciation {self.depreciation} needs {field}")
        return self

    def annual_share(self) -> float:
        """The share of the capital that one year costs."""
        if self.depreciation == "loss_of_value":
            assert self.loss_of_value_per_year is not None
            return self.loss_of_value_per_year
        assert self.life_years is not None
        if self.depreciation == "straight_line":
            return 1 / self.life_years
        assert self.interest_per_year is not None
        growth: float = (1 + self.interest_per_year) ** self.life_years
        return self.interest_per_year * growth / (growth - 1)


@cache
def ownership_constants() -> dict[str, OwnershipConstant]:
    """The published constants that ship with farthing, by id."""
    entries = shipped_section("ownership.yaml", "ownership", OwnershipConstant)
    return {entry.id: entry for entry in entries}


def owned_parts(owned: Ownership) -> dict[str, float]:
    """US dollars per device-hour by part: devices, network, energy, colocation, staff."""
    devices = owned.usd_per_device * owned.annual_share() / HOURS_PER_YEAR
    kilowatts = (
        owned.device_watts
        * owned.server_watts_per_device_watt
        * owned.mean_draw_share
        / _WATTS_PER_KILOWATT
    )
    parts = {
        "devices": devices,
        "network": devices * owned.interconnect_share / (1 - owned.interconnect_share),
        "energy": kilowatts * owned.pue * owned.usd_per_kwh,
        "colocation": owned.colocation_usd_per_device_hour,
        "staff": owned.staff_usd_per_device_hour,
    }
    return {name: usd / owned.used_share for name, usd in parts.items()}


def owned_usd_per_device_hour(owned: Ownership) -> Quantity:
    """US dollars for an hour of one owned device, all parts together."""
    said = f"owned, {owned.depreciation}, used {owned.used_share:.0%}, {owned.date}: {owned.source}"
    return assumed(sum(owned_parts(owned).values()), "USD/h", said)

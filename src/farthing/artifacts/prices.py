"""The three ways to give the price of a device-hour in `farthing.yaml`.

prices:
  on_demand: {provider: gcp, device: h100-sxm, region: us-central1}       # of a price list
  spot: {usd_per_device_hour: 2.1, date: 2026-01-31, source: "offer 17"}  # typed
  owned: {usd_per_device: 31250, ...}                                     # from what was paid
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from farthing.artifacts.config import Config
from farthing.artifacts.dates import PastDate

Tier = Literal["on_demand", "spot", "reserved_1y", "reserved_3y"]
End = Literal["low", "value", "high"]

SourceText = Annotated[
    str, Field(min_length=1, description="where the figure comes from, and when")
]


class Price(Config):
    """What one device costs while it is held."""

    usd_per_device_hour: float = Field(
        ge=0, description="US dollars per device-hour (on a CPU machine: per hardware thread)"
    )
    date: PastDate = Field(
        description="the day on which this price held; add the line `date: 2026-01-31` with that "
        "day, beside `source`"
    )
    source: SourceText


class ListedPrice(Config):
    """A price of a dated list by name: of the workspace's own lists, or of the shipped ones."""

    provider: str = Field(min_length=1, description="who rents it out, as the price list names it")
    device: str = Field(
        min_length=1,
        description="what one device is: an id or name such as h100-sxm, or cpu-thread",
    )
    region: str | None = Field(
        default=None, min_length=1, description="the provider's region, where it names them"
    )
    tier: Tier | None = Field(
        default=None,
        description="reserved_1y or reserved_3y under reserved; the basis itself says the others",
    )
    instance: str | None = Field(
        default=None,
        min_length=1,
        description="the provider's name for the instance, where several have other prices",
    )
    snapshot: str | None = Field(
        default=None, min_length=1, description="only of the price list of this name"
    )


class Between(Config):
    """A figure with the least and the most that it may be."""

    value: float = Field(description="the figure")
    low: float = Field(description="the least that it may be")
    high: float = Field(description="the most that it may be")

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value:g} is not between {self.low:g} and {self.high:g}")
        return self

    def at(self, end: End) -> float:
        """The figure, or one end of its range."""
        return {"low": self.low, "value": self.value, "high": self.high}[end]


def _between(given: Any) -> Any:  # noqa: ANN401 - plain YAML data
    """A bare number is a figure without a range."""
    if isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given):
        return Between(value=given, low=given, high=given)
    if not isinstance(given, (dict, Between)):
        raise ValueError("write a number, or a mapping of value, low and high")
    return given


def _from(least: float, most: float = math.inf, *, ends: str = "[]") -> Callable[[Any], Between]:
    def check(figure: Between) -> Between:
        above = figure.low > least or (ends[0] == "[" and figure.low == least)
        below = figure.high < most or (ends[1] == "]" and figure.high == most)
        if not above or not below:
            bounds = f"{'at least' if ends[0] == '[' else 'more than'} {least:g}"
            if most != math.inf:
                bounds += f" and {'at most' if ends[1] == ']' else 'less than'} {most:g}"
            raise ValueError(f"it must be {bounds}")
        return figure

    return check


_Figure = Annotated[Between, BeforeValidator(_between)]
_NotNegative = Annotated[_Figure, AfterValidator(_from(0))]
_Positive = Annotated[_Figure, AfterValidator(_from(0, ends="(]"))]
_AtLeastOne = Annotated[_Figure, AfterValidator(_from(1))]
_Used = Annotated[_Figure, AfterValidator(_from(0, 1, ends="(]"))]
_Part = Annotated[_Figure, AfterValidator(_from(0, 1, ends="[)"))]
_NOTHING = Between(value=0.0, low=0.0, high=0.0)

# What each way of spreading the capital over the years needs to know.
DEPRECIATION_NEEDS: dict[str, tuple[str, ...]] = {
    "straight_line": ("life_years",),
    "annuity": ("life_years", "interest_per_year"),
    "loss_of_value": ("loss_of_value_per_year",),
}


class Ownership(Config):
    """An owned device and how it is used; nothing here has a default that could be wrong.

    Each figure is a number, or a mapping of `value`, `low` and `high` where it is not sure.
    """

    usd_per_device: _NotNegative = Field(
        description="US dollars paid for one device with its share of the server (on a CPU "
        "machine: the machine's price divided by its hardware threads)"
    )
    depreciation: Literal["straight_line", "annuity", "loss_of_value"] = Field(
        description="how capital becomes a yearly cost: straight_line (life_years), annuity "
        "(life_years, interest_per_year) or loss_of_value (loss_of_value_per_year)"
    )
    life_years: _Positive | None = Field(
        default=None, description="years in use; for straight_line and annuity"
    )
    interest_per_year: _Positive | None = Field(
        default=None, description="for an annuity: 0.08 for 8 % a year"
    )
    loss_of_value_per_year: _Positive | None = Field(
        default=None, description="for loss_of_value: share of today's value that a year takes"
    )
    interconnect_share: _Part = Field(
        description="the network's share of what the whole cluster costs: 0 for a machine alone"
    )
    device_watts: _Positive = Field(description="thermal design power of the device, W")
    server_watts_per_device_watt: _AtLeastOne = Field(
        description="design power of the server over that of its devices, at least 1"
    )
    mean_draw_share: _Used = Field(description="mean draw over design power, at most 1")
    pue: _AtLeastOne = Field(description="power usage effectiveness of the site, at least 1")
    usd_per_kwh: _NotNegative = Field(description="US dollars per kWh")
    used_share: _Used = Field(description="share of the time in which it works, at most 1")
    colocation_usd_per_device_hour: _NotNegative = Field(
        default=_NOTHING, description="rent of the place"
    )
    staff_usd_per_device_hour: _NotNegative = Field(
        default=_NOTHING, description="people who run it"
    )
    date: PastDate = Field(description="the day on which these figures held, as 2026-01-31")
    source: SourceText

    @model_validator(mode="after")
    def _has_what_its_depreciation_needs(self) -> Self:
        needs = DEPRECIATION_NEEDS[self.depreciation]
        for field in ("life_years", "interest_per_year", "loss_of_value_per_year"):
            given = getattr(self, field) is not None
            if given != (field in needs):
                wrong = f"has no use for {field}" if given else f"needs {field}"
                raise ValueError(f"depreciation {self.depreciation} {wrong}")
        return self


# What only one of the three ways has tells them apart.
_TYPED, _LISTED, _BOUGHT = "a typed price", "a price of a list", "a purchase"
_SIGNS = {"usd_per_device_hour": _TYPED, "provider": _LISTED, "usd_per_device": _BOUGHT}
_FORMS: dict[type[Config], str] = {Price: _TYPED, ListedPrice: _LISTED, Ownership: _BOUGHT}


def _way(given: Any) -> str | None:  # noqa: ANN401 - plain YAML data
    """Which way was taken; None for more than one. Without any sign it is a typed price."""
    if isinstance(given, Config):
        return _FORMS[type(given)]
    found = [way for sign, way in _SIGNS.items() if isinstance(given, dict) and sign in given]
    if len(found) > 1:
        return None
    return found[0] if found else _TYPED


AnyPrice = Annotated[
    Annotated[Price, Tag(_TYPED)]
    | Annotated[ListedPrice, Tag(_LISTED)]
    | Annotated[Ownership, Tag(_BOUGHT)],
    Discriminator(
        _way,
        custom_error_type="several_prices",
        custom_error_message="this gives a price in several ways: give usd_per_device_hour, or "
        "provider and device of a price list, or usd_per_device of a purchase",
    ),
]

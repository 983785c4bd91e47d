"""What public services ask for a million tokens: to stand beside a price of one's own, dated."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from pydantic import Field

from farthing.artifacts.dates import IsoDate
from farthing.hardware.datafile import shipped_section
from farthing.hardware.figure import Entry, Figure


class ApiPrice(Entry):
    """The price of one model at one provider: other models, other quality, so never a baseline."""

    UNITS: ClassVar[Mapping[str, str | None]] = {
        "usd_per_million_input": "USD/Mtoken",
        "usd_per_million_output": "USD/Mtoken",
        "usd_per_million_cached_input": "USD/Mtoken",
    }

    provider: str = Field(min_length=1, description="who serves it")
    model: str = Field(min_length=1, description="the provider's name for the model")
    date: IsoDate = Field(description="the day on which the price was seen to hold")
    url: str = Field(min_length=1, description="the provider's page of prices")
    usd_per_million_input: Figure | None = Field(
        default=None, description="US dollars per million tokens read"
    )
    usd_per_million_output: Figure | None = Field(
        default=None, description="US dollars per million tokens written"
    )
    usd_per_million_cached_input: Figure | None = Field(
        default=None, description="US dollars per million tokens read from the provider's cache"
    )


@cache
def api_prices() -> tuple[ApiPrice, ...]:
    """The table of public prices that ships with farthing."""
    return shipped_section("api_prices.yaml", "api_prices", ApiPrice)

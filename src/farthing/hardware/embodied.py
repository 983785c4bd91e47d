"""Carbon of making a device, to be spread over the hours of its life."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import ClassVar

from pydantic import Field

from farthing.hardware.datafile import shipped_section
from farthing.hardware.figure import Entry, Figure


class EmbodiedEntry(Entry):
    """What making one device of some kinds emitted, and how long it lives."""

    UNITS: ClassVar[Mapping[str, str | None]] = {"kg_co2e": "kg", "life_years": "year"}

    name: str = Field(min_length=1, description="what the figure is of")
    devices: tuple[str, ...] = Field(description="ids of the devices it holds for")
    covers: str = Field(min_length=1, description="what is in it: chip, memory, server, network")
    kg_co2e: Figure | None = Field(default=None, description="kg of CO2-equivalent per device")
    life_years: Figure | None = Field(default=None, description="years in use")


@cache
def embodied() -> tuple[EmbodiedEntry, ...]:
    """The embodied carbon that ships with farthing."""
    return shipped_section("embodied.yaml", "embodied", EmbodiedEntry)

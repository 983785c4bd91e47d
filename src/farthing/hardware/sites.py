"""Where machines stand: what a site adds to the energy of its machines, and the water it uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import ClassVar

from pydantic import Field

from farthing.hardware.datafile import shipped_section
from farthing.hardware.figure import Entry, Figure


class SiteEntry(Entry):
    """One kind of site: a cloud, a colocation, a data centre of one's own."""

    UNITS: ClassVar[Mapping[str, str | None]] = {"pue": "1", "litres_per_kwh": "L/kWh"}

    name: str = Field(min_length=1, description="the site, as bills name it")
    pue: Figure | None = Field(
        default=None, description="energy at the site's meter per energy of the IT equipment"
    )
    litres_per_kwh: Figure | None = Field(
        default=None, description="water for cooling, litres per kWh of IT energy (WUE, site)"
    )

    def problems(self) -> Iterator[str]:
        """As of every entry; and a site that gives energy away."""
        yield from super().problems()
        if self.pue is not None and self.pue.range()[0] < 1:
            yield f"pue = {self.pue.range()[0]:g}: a site uses at least what its machines use"


class ElectricityWater(Entry):
    """Water that making electricity takes."""

    UNITS: ClassVar[Mapping[str, str | None]] = {"litres_per_kwh": "L/kWh"}

    name: str = Field(min_length=1, description="which electricity")
    litres_per_kwh: Figure | None = Field(
        default=None, description="water at the power stations, litres per kWh (WUE, source)"
    )


@cache
def sites() -> tuple[SiteEntry, ...]:
    """The sites that ship with farthing."""
    return shipped_section("sites.yaml", "sites", SiteEntry)


@cache
def electricity_water() -> tuple[ElectricityWater, ...]:
    """The waters of electricity that ship with farthing."""
    return shipped_section("sites.yaml", "electricity_water", ElectricityWater)

"""The rates of a workspace as an entry of its book: what turns hours and joules into a bill.

With it a sum can be made again from the book alone, whatever `farthing.yaml` and the catalogue say
later. An entry holds from a run on, until one for a later run; of two for the same run the later
entry holds. Nothing is ever edited: a mended price is a further entry.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from farthing.artifacts.body import Body
from farthing.artifacts.dates import IsoDate
from farthing.artifacts.inside import InsideName
from farthing.artifacts.settings import Basis
from farthing.quantity import Provenance, Quantity

ProvenanceName = Literal["measured", "estimated", "assumed"]


class Rate(Body):
    """A figure with unit, provenance, source and range: a `Quantity` as the book writes it."""

    kind_name: ClassVar[str] = "rate"

    value: float = Field(ge=0)
    unit: str
    provenance: ProvenanceName
    source: str = Field(min_length=1)
    low: float = Field(ge=0)
    high: float

    @model_validator(mode="after")
    def _inside(self) -> Rate:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.value} {self.unit} is outside [{self.low}, {self.high}]")
        return self

    @classmethod
    def of(cls, quantity: Quantity) -> Rate:
        """The same, to be entered."""
        return cls.model_validate(quantity.to_json())

    def quantity(self) -> Quantity:
        """The same, to reckon with."""
        return Quantity(
            value=self.value,
            unit=self.unit,
            provenance=Provenance[self.provenance.upper()],
            source=self.source,
            low=self.low,
            high=self.high,
        )


def _in(unit: str) -> AfterValidator:
    def check(rate: Rate) -> Rate:
        if rate.unit != unit:
            raise ValueError(f"{rate.value} {rate.unit}: the unit here is {unit}")
        return rate

    return AfterValidator(check)


_DollarsPerHour = Annotated[Rate, _in("USD/h")]
_GramsPerKwh = Annotated[Rate, _in("g/kWh")]
_LitresPerKwh = Annotated[Rate, _in("L/kWh")]


class PriceRate(Body):
    """What one device cost while it was held.

    Attributes:
        usd_per_device_hour: USD/h.
        date: the day on which the price held.
        snapshot: digest of the list of prices that it was read from; None for the user's own.
        device: the only kind of device that it is of, as price lists name it; None for a price
            that the user gave for whatever was held.
    """

    kind_name: ClassVar[str] = "price"

    usd_per_device_hour: _DollarsPerHour
    date: IsoDate
    snapshot: str | None = None
    device: str | None = Field(default=None, min_length=1)


class SeriesRate(Body):
    """Carbon of electricity by the hour: the file that says it, and what was in it.

    Attributes:
        file: as `farthing.yaml` names it, from the workspace's folder on.
        digest: SHA-256 of the file's bytes. A file of other bytes is another series.
        source: who says it, and when it was fetched.
    """

    kind_name: ClassVar[str] = "series"

    file: InsideName
    digest: str = Field(min_length=1)
    source: str = Field(min_length=1)


class GridRate(Body):
    """How much carbon a unit of electricity carried: one figure, or a series by the hour.

    Attributes:
        grams_per_kwh: grams of CO2-equivalent per kWh; None where a series says it.
        code: the grid's name in the catalogue; None for the user's own figure.
        year: of the figure, where it has one.
        series: by the hour; None where one figure says it.
    """

    kind_name: ClassVar[str] = "grid"

    grams_per_kwh: _GramsPerKwh | None = None
    code: str | None = None
    year: int | None = None
    series: SeriesRate | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> GridRate:
        if (self.grams_per_kwh is None) == (self.series is None):
            raise ValueError("a grid has one figure or a series by the hour, and not both")
        return self


class EmbodiedRate(Body):
    """What making one device and its share of the machine emitted, over how long it serves."""

    kind_name: ClassVar[str] = "embodied"

    kg_per_device: Annotated[Rate, _in("kg")]
    life_hours: Annotated[Rate, _in("h")]

    @model_validator(mode="after")
    def _lives(self) -> EmbodiedRate:
        if self.life_hours.low <= 0:
            raise ValueError("life_hours must be more than zero: a device serves for some time")
        return self


class RatesRecord(Body):
    """The rates that the runs from `from_run` on are priced by; None is unknown, never zero.

    Attributes:
        from_run: number of the first run that they hold for; at most that of the next run.
        currency: of all prices.
        prices: per basis; a basis that is not there has no price.
        grid: carbon of electricity.
        grid_range: the catalogue's cleanest and dirtiest grid, where no grid is set.
        pue: energy at the site's meter per energy at the machine's plug, at least 1.
        water_site: litres evaporated at the site per kWh of the machines.
        water_source: litres used in making the electricity, per kWh at the site's meter.
        embodied: of every device, as the user said.
        embodied_of: of accelerators, by their id in the catalogue, where the user said nothing.
        watts_per_device: the user's figure, for runs that nothing metered.
    """

    kind_name: ClassVar[str] = "rates"

    from_run: int = Field(ge=0)
    currency: Literal["USD"] = "USD"
    prices: dict[Basis, PriceRate]
    grid: GridRate | None
    grid_range: tuple[_GramsPerKwh, _GramsPerKwh] | None = None
    pue: Annotated[Rate, _in("1")] | None
    water_site: _LitresPerKwh | None = None
    water_source: _LitresPerKwh | None = None
    embodied: EmbodiedRate | None = None
    embodied_of: dict[str, EmbodiedRate] = Field(default_factory=dict)
    watts_per_device: Annotated[Rate, _in("W")] | None = None

    @model_validator(mode="after")
    def _possible(self) -> RatesRecord:
        if self.pue is not None and self.pue.low < 1:
            raise ValueError(f"a PUE of {self.pue.low}: no site uses less than its machines do")
        if self.grid is not None and self.grid_range is not None:
            raise ValueError("a range over all grids stands for a grid that nobody has set")
        if self.grid_range is not None:
            cleanest, dirtiest = self.grid_range
            if cleanest.value > dirtiest.value:
                raise ValueError("the cleanest grid comes before the dirtiest")
        return self

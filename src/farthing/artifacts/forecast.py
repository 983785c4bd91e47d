"""What was foreseen of a run, signed into the book before the run starts."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from farthing.artifacts.body import Body
from farthing.artifacts.settings import Basis

EVERYTHING = "everything"

Foreseeable = Literal["seconds", "usd", "kwh", "bits_per_byte"]

UNITS: dict[Foreseeable, str] = {
    "seconds": "s",
    "usd": "USD",
    "kwh": "kWh",
    "bits_per_byte": "bit/B",
}


class Foreseen(Body):
    """One figure that the run will give.

    Attributes:
        what: which one; its unit is that of `UNITS`.
        of: what it is a figure of: a purpose of runs such as `training`, `everything` for all
            those together, or a member's canonical shape.
        value: as likely too high as too low.
        low, high: eight of ten such figures should lie between them.
        source: on what it rests.
    """

    kind_name: ClassVar[str] = "forecast"

    what: Foreseeable
    of: str = Field(min_length=1)
    value: float = Field(ge=0)
    low: float = Field(ge=0)
    high: float = Field(ge=0)
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _inside_its_range(self) -> Self:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.what}: {self.value} is outside [{self.low}, {self.high}]")
        return self


class Forecast(Body):
    """What somebody could have known before the money was spent: it is compared, never added up.

    It is about the next training of this recipe that the book starts.

    Attributes:
        name: the recipe's.
        recipe_digest: as in the run's plan.
        basis: of the dollars; None where none are foreseen.
        figures: what was foreseen.
        not_foreseen: reason by what could not be: a figure's name, with its member where it is of
            one.
    """

    kind_name: ClassVar[str] = "forecast"

    name: str = Field(min_length=1)
    recipe_digest: str = Field(min_length=1)
    basis: Basis | None = None
    figures: tuple[Foreseen, ...]
    not_foreseen: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_figure_once(self) -> Self:
        if any(each.what == "usd" for each in self.figures) != (self.basis is not None):
            raise ValueError("dollars are of a basis, and a basis is of dollars")
        if len({(each.what, each.of) for each in self.figures}) != len(self.figures):
            raise ValueError("a figure is foreseen twice")
        return self

"""What a plan is asked for: limits of money, time, energy and carbon, and a goal."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config
from farthing.artifacts.settings import Basis
from farthing.errors import PlanError
from farthing.predict.sizes import MOST_MEMBERS

# More than the world's yearly product, or than its devices: a slip of the keyboard.
MOST_USD = 1e13
_MOST_HOURS = 1e6
_MOST_KWH = 1e13
_MOST_KG = 1e13


class PlanConfig(Config):
    """Limits and goal; what is None does not bind."""

    budget_usd: float | None = Field(default=None, description="most to spend, US dollars")
    hours: float | None = Field(default=None, description="most wall-clock hours")
    kwh: float | None = Field(default=None, description="most energy at the site's meter, kWh")
    kg_co2e: float | None = Field(
        default=None, description="most carbon, kg of CO2-equivalent; needs a grid"
    )
    bpb: float | None = Field(
        default=None,
        description="a goal in bits per byte for the whole supernet; null: the best family",
    )
    basis: Basis = Field(
        default="on_demand", description="whose price an hour has: on_demand, spot, reserved, owned"
    )
    members: int = Field(default=4, description="shapes in the family, the supernet included")
    text_tokens: float | None = Field(
        default=None, description="tokens of text that there are; null: as many as it takes"
    )
    beyond_the_law: bool = Field(
        default=False, description="predict quality outside the range of the scaling law, marked"
    )

    @model_validator(mode="after")
    def _in_bounds(self) -> Self:
        limits = (
            ("--budget", self.budget_usd, MOST_USD, "US dollars, as in --budget 500"),
            ("--hours", self.hours, _MOST_HOURS, "hours, as in --hours 24"),
            ("--kwh", self.kwh, _MOST_KWH, "kWh, as in --kwh 1000"),
            ("--kg-co2e", self.kg_co2e, _MOST_KG, "kg of CO2e, as in --kg-co2e 200"),
            ("--bpb", self.bpb, 8.0, "bits per byte, as in --bpb 1.9"),
            ("--tokens", self.text_tokens, 1e16, "tokens of text, as in --tokens 2B"),
        )
        for name, value, most, words in limits:
            if value is not None and not 0 < value <= most:
                raise PlanError(
                    f"{name} {value:g} is no sensible limit: it must be above 0 and at most "
                    f"{most:g}",
                    remedy=f"give {words}",
                )
        if not 1 <= self.members <= MOST_MEMBERS:
            raise PlanError(
                f"--members {self.members}: a planned family has 1 to {MOST_MEMBERS} members",
                remedy="choose one of these; the recipe may list more afterwards",
            )
        return self

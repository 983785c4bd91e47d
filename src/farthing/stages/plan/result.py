"""`RunPlan`: everything that a plan says, as values; `text.py` prints it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.settings import BASES, Basis
from farthing.predict.sizes import Family
from farthing.quantity import Quantity
from farthing.stages.plan.limits import Limit, PoolRates
from farthing.stages.plan.sizing import SizedRun


@dataclass(frozen=True)
class PlannedMember:
    """One member of the family.

    Attributes:
        shape: as recipes write it.
        active: parameters that a token touches, without embedding and output matrix.
        total: all parameters, embedding and output matrix included.
        bpb: predicted bits per byte, or None outside the law.
    """

    shape: str
    active: int
    total: int
    bpb: Quantity | None


@dataclass(frozen=True)
class Spending:
    """What a run takes.

    Attributes:
        hours: of the wall clock.
        device_hours: of all devices.
        usd: by basis; those without a price are missing.
        kwh: at the site's meter.
        kg: of CO2-equivalent in operation.
        kg_range: on the cleanest and the dirtiest grid, where none is named.
        embodied_kg: of making the devices.
    """

    hours: Quantity
    device_hours: Quantity
    usd: dict[Basis, Quantity]
    kwh: Quantity | None
    kg: Quantity | None
    kg_range: tuple[float, float] | None
    embodied_kg: Quantity | None


def spending(hours: Quantity, devices: int, rates: PoolRates) -> Spending:
    """What so many hours of the pool take."""
    return Spending(
        hours=hours,
        device_hours=hours.scaled(devices, "device-h"),
        usd={basis: hours.times(price, "USD") for basis, price in rates.usd.items()},
        kwh=hours.times(rates.kwh, "kWh") if rates.kwh is not None else None,
        kg=hours.times(rates.kg, "kg") if rates.kg is not None else None,
        kg_range=(hours.low * rates.kg_range[0], hours.high * rates.kg_range[1])
        if rates.kg_range is not None
        else None,
        embodied_kg=hours.times(rates.embodied_kg, "kg") if rates.embodied_kg is not None else None,
    )


@dataclass(frozen=True)
class Alternative:
    """The plan at other money: its size, its quality, what it takes."""

    factor: float
    run: SizedRun
    bpb: Quantity | None
    spending: Spending


@dataclass(frozen=True)
class LayoutRow:
    """One way to spread the run over the devices, in words."""

    where: str
    layout: str
    micro: str
    memory: str
    seconds: float
    limit: str


@dataclass(frozen=True)
class RunPlan:
    """A whole plan.

    Attributes:
        goal: what was asked, in words.
        pool: the devices, in words.
        limits: all, the tightest first; empty where a goal alone decides.
        run: the family and its training.
        chosen_by: what chose the size.
        members: the supernet first.
        outside: how the run leaves the law's range, or None.
        extrapolated: whether quality is shown all the same.
        law: where the law comes from.
        layouts: the best and the runner-up.
        spending: of the run.
        basis: whose price the budget has.
        no_price: why a basis has none.
        alternatives: at half and at double the money.
        why_no_alternative: by factor, what stands in the way of one.
        recipe: whole, as plain YAML data.
        ledger: memory and time of a rank, line by line.
        notes: what a reader must know.
        explained: where each figure comes from.
    """

    goal: str
    pool: str
    limits: tuple[Limit, ...]
    run: SizedRun
    chosen_by: str
    members: tuple[PlannedMember, ...]
    outside: str | None
    extrapolated: bool
    law: str
    layouts: tuple[LayoutRow, ...]
    spending: Spending
    basis: Basis
    no_price: Mapping[Basis, str]
    alternatives: tuple[Alternative, ...]
    why_no_alternative: Mapping[float, str]
    recipe: dict[str, Any]
    ledger: tuple[str, ...]
    notes: tuple[str, ...]
    explained: tuple[tuple[str, str, str], ...]

    @property
    def family(self) -> Family:
        """What is trained."""
        return self.run.family

    def to_json(self) -> dict[str, Any]:
        """The whole as plain JSON values."""
        return {
            "goal": self.goal,
            "hardware": self.pool,
            "bound_by": [
                {"limit": limit.name, "given": limit.words, "hours": limit.hours}
                for limit in self.limits
            ],
            "model": self.family.model.model_dump(mode="json"),
            "members": [
                {
                    "shape": member.shape,
                    "active_non_embedding": member.active,
                    "total": member.total,
                    "bpb": _json(member.bpb),
                }
                for member in self.members
            ],
            "tokens": self.run.tokens,
            "steps": self.run.steps,
            "batch_tokens": self.run.batch_tokens,
            "flops": self.run.flops,
            "chosen_by": self.chosen_by,
            "outside_the_law": self.outside,
            "law": self.law,
            "layouts": [row.__dict__ for row in self.layouts],
            "spending": spending_json(self.spending),
            "no_price": dict(self.no_price),
            "at_other_money": [
                {
                    "factor": other.factor,
                    "active_non_embedding": other.run.family.active,
                    "tokens": other.run.tokens,
                    "bpb": _json(other.bpb),
                    **spending_json(other.spending),
                }
                for other in self.alternatives
            ],
            "recipe": self.recipe,
            "ledger": list(self.ledger),
            "notes": list(self.notes),
            "explained": [
                {"figure": figure, "kind": kind, "source": source}
                for figure, kind, source in self.explained
            ],
        }


def spending_json(spent: Spending) -> dict[str, Any]:
    """What a run takes as plain JSON values."""
    return {
        "hours": _json(spent.hours),
        "device_hours": _json(spent.device_hours),
        "usd": {basis: _json(spent.usd.get(basis)) for basis in BASES},
        "kwh": _json(spent.kwh),
        "kg_co2e": _json(spent.kg),
        "kg_co2e_range": spent.kg_range,
        "embodied_kg_co2e": _json(spent.embodied_kg),
    }


def _json(value: Quantity | None) -> dict[str, float | str] | None:
    return value.to_json() if value is not None else None

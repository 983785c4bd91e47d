"""The devices of a plan: what an hour of them costs, and how long they take for a step.

Accelerators of the catalogue are as fast as published and booked trainings say; this machine's
processor is as fast as it was booked, or as a probe of it measures now.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from farthing.artifacts.settings import Basis, WorkspaceSettings
from farthing.cost.architecture import Architecture, architecture_of
from farthing.errors import UnknownHardwareError
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.catalogue import Catalogue
from farthing.ledger.embodied import embodied_rate
from farthing.ledger.figures import Rates
from farthing.model.shape import Shape
from farthing.predict.booked import BookedSpeed
from farthing.predict.duration import device_hours
from farthing.predict.money import carbon, kwh_per_device_hour, pool_prices, usual_pue
from farthing.predict.pool import Group, device_count, pool_words
from farthing.predict.sizes import Family
from farthing.predict.throughput import expected_mfu
from farthing.quantity import Quantity, total
from farthing.stages.plan.limits import PoolRates
from farthing.stages.plan.sizing import StepFlops

_SECONDS_PER_HOUR = 3600.0
# Any number will do: the share of the peak does not depend on how many FLOPs there are.
_UNIT_FLOPS = 1e18

Pace = Callable[[Family, int, StepFlops], Quantity]


@dataclass(frozen=True)
class Devices:
    """Where a plan runs.

    Attributes:
        words: the devices in words.
        count: how many; hardware threads of a processor.
        groups: accelerators; empty for a processor.
        rates: what an hour of all of them costs.
        pace: seconds of a step of a family, at so many sequences and FLOPs a step.
        alone: the same on one of them.
        memory_bytes: of a processor's machine; None for accelerators.
        notes: what a reader must know.
        explained: (figure, kind, source) of the speed.
    """

    words: str
    count: int
    groups: tuple[Group, ...]
    rates: PoolRates
    pace: Pace
    alone: Pace | None = None
    memory_bytes: int | None = None
    notes: tuple[str, ...] = ()
    explained: tuple[tuple[str, str, str], ...] = field(default=())


def accelerator_devices(
    groups: tuple[Group, ...],
    catalogue: Catalogue,
    settings: WorkspaceSettings,
    rates: Rates,
    *,
    basis: Basis,
    priced: bool,
    grams_per_kwh: Quantity | None,
    booked: Sequence[BookedSpeed],
) -> Devices:
    """Accelerators of the catalogue.

    Args:
        groups: which, how many, at which prices.
        catalogue: with the workspace's additions.
        settings: `farthing.yaml`.
        rates: what it says of site and grid.
        basis: whose price the budget has.
        priced: whether there is a budget: a price is needed then.
        grams_per_kwh: of the grid that was named, or None.
        booked: trainings of the workspace.

    Raises:
        UnknownHardwareError: the basis of the budget has no price.
    """
    count = device_count(groups)
    usd, no_price = pool_prices(groups, catalogue, asked=basis, needed=priced)
    pue = rates.pue or usual_pue(catalogue)
    unknown: dict[str, str] = {}
    try:
        kwh = total(
            [kwh_per_device_hour(one.device, pue).scaled(one.count) for one in groups], "kWh"
        )
    except UnknownHardwareError as error:
        kwh, unknown["kwh"], unknown["kg"] = None, error.what, error.what
    kg, kg_range = carbon(kwh, grams_per_kwh, catalogue)
    if kg is None and "kg" not in unknown:
        unknown["kg"] = "no grid is named"
    made, why = _embodied(groups, settings, catalogue)
    if made is None:
        unknown["embodied_kg"] = why
    return Devices(
        words=pool_words(groups),
        count=count,
        groups=groups,
        rates=PoolRates(usd, no_price, kwh, kg, kg_range, made, unknown),
        pace=_pace(groups, booked),
        alone=_pace((_one_of(groups[0]),), booked) if count > 1 else None,
        notes=tuple(f"{one.read_as}." for one in groups if one.read_as is not None),
    )


@lru_cache(maxsize=256)
def supernet_of(family: Family) -> Architecture:
    """The whole supernet as an architecture."""
    return architecture_of(family.model, family.vocabulary, Shape.full(family.model))


def pool_seconds(
    groups: Sequence[Group],
    architecture: Architecture,
    flops: float,
    booked: Sequence[BookedSpeed] = (),
) -> Quantity:
    """Seconds that accelerators hold for so many FLOPs of training, each kind as fast as it is.

    Raises:
        UnknownHardwareError: the catalogue has no peak of one of them.
    """
    count = device_count(groups)
    hours = [
        device_hours(
            _UNIT_FLOPS, one.device, expected_mfu(architecture, one.device, count, booked=booked)
        )
        for one in groups
    ]
    seconds, low, high = (
        flops
        / _UNIT_FLOPS
        * _SECONDS_PER_HOUR
        / sum(one.count / getattr(each, end) for one, each in zip(groups, hours, strict=True))
        for end in ("value", "low", "high")
    )
    return Quantity(
        value=seconds,
        unit="s",
        provenance=max(each.provenance for each in hours),
        source="; ".join(dict.fromkeys(each.source for each in hours)),
        low=low,
        high=high,
    )


def _pace(groups: Sequence[Group], booked: Sequence[BookedSpeed]) -> Pace:
    def pace(family: Family, sequences: int, flops: StepFlops) -> Quantity:
        del sequences
        return pool_seconds(groups, supernet_of(family), flops.total, booked)

    return pace


def _one_of(group: Group) -> Group:
    return Group(group.device, 1, group.usd_per_device_hour)


def _embodied(
    groups: Sequence[Group], settings: WorkspaceSettings, catalogue: Catalogue
) -> tuple[Quantity | None, str]:
    """Making all devices, kg per hour, or why it is unknown."""
    parts: list[Quantity] = []
    for group in groups:
        rate = embodied_rate(settings, catalogue, group.device.id)
        if rate is None:
            return None, _why_blank(group.device, catalogue)
        making, life = rate.kg_per_device.quantity(), rate.life_hours.quantity()
        parts.append(
            Quantity(
                value=making.value / life.value * group.count,
                unit="kg",
                provenance=max(making.provenance, life.provenance),
                source=f"{making.source}; {life.source}",
                low=making.low / life.high * group.count,
                high=making.high / life.low * group.count,
            )
        )
    return total(parts, "kg"), ""


def _why_blank(device: Accelerator, catalogue: Catalogue) -> str:
    try:
        entry = catalogue.embodied_of(device.id)
    except UnknownHardwareError as error:
        return error.what
    return next(iter(entry.blanks.values()), f"no figure for {device.name}")

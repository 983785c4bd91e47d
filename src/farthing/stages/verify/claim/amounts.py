"""Adding up what runs used, apart from the sums of a bill."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from farthing.artifacts.claims.statement import Amounts
from farthing.artifacts.work import Work

# Of sums that were added in another order, and of differences of large figures.
ROUNDING = 1e-9
_SECONDS_PER_HOUR = 3600.0
_JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class Part:
    """What one run contributes to a sum: all of its work, or that up to a checkpoint, or the rest.

    Attributes:
        run: number.
        work: amounts.
        less: what is taken away from them; None for nothing.
        usd_per_device_hour: by the book's rates, or None.
    """

    run: int
    work: Work
    less: Work | None
    usd_per_device_hour: float | None

    def figure(self, name: str) -> float:
        """One of the amounts."""
        whole = float(getattr(self.work, name))
        return whole if self.less is None else whole - float(getattr(self.less, name))

    @property
    def joules(self) -> float | None:
        """Energy at the plug, or None."""
        whole, less = self.work.joules, self.less
        if less is None or whole is None:
            return whole
        # Metered by different methods: nobody knows how the energy divides.
        known = less.joules is not None and less.energy_method == self.work.energy_method
        return whole - less.joules if known and less.joules is not None else None


@dataclass(frozen=True)
class Total:
    """A sum, and how large what was added is: what rounding may do to it."""

    runs: int
    device_hours: float
    flops: float
    optimizer_flops: float
    tokens: int
    kwh: float | None
    methods: frozenset[str]
    usd: float | None
    size: float


def add_up(parts: Iterable[Part], *, priced: bool) -> Total:
    """The sum of some parts; a run that stands there twice is counted once.

    Args:
        parts: to add.
        priced: whether the book has any price: without one, nothing costs an unknown sum.
    """
    listed = list(parts)
    joules = [part.joules for part in listed]
    known = [each for each in joules if each is not None]
    prices = [_usd(part) for part in listed]
    paid = [each for each in prices if each is not None]
    seconds = math.fsum(part.figure("device_seconds") for part in listed)
    return Total(
        runs=len({part.run for part in listed}),
        device_hours=seconds / _SECONDS_PER_HOUR,
        flops=math.fsum(part.figure("flops") for part in listed),
        optimizer_flops=math.fsum(part.figure("optimizer_flops") for part in listed),
        tokens=round(math.fsum(part.figure("tokens") for part in listed)),
        kwh=math.fsum(known) / _JOULES_PER_KWH if len(known) == len(listed) else None,
        methods=frozenset(
            part.work.energy_method
            for part in listed
            if part.work.joules != 0.0 or part.work.energy_method != "none"
        ),
        usd=math.fsum(paid) if priced and len(paid) == len(listed) else None,
        size=math.fsum(part.work.device_seconds for part in listed) / _SECONDS_PER_HOUR,
    )


def differences(said: Amounts, total: Total, *, runs: int) -> list[str]:
    """Where a claim's amounts differ from a sum: "tokens: 10 instead of 12"; empty where nowhere.

    Args:
        said: by the claim.
        total: as counted here.
        runs: how many are counted in it.
    """
    found = []
    if said.runs != runs:
        found.append(f"runs: {said.runs} instead of {runs}")
    if said.tokens != total.tokens:
        found.append(f"tokens: {said.tokens} instead of {total.tokens}")
    hours = max(total.size, abs(total.device_hours))
    if abs(said.device_hours - total.device_hours) > ROUNDING * max(hours, ROUNDING):
        found.append(f"device_hours: {said.device_hours:.9g} instead of {total.device_hours:.9g}")
    for name in ("flops", "optimizer_flops"):
        if not close(getattr(said, name), getattr(total, name)):
            found.append(f"{name}: {getattr(said, name):.9g} instead of {getattr(total, name):.9g}")
    for name in ("kwh", "usd"):
        mine, its = getattr(total, name), getattr(said, name)
        if (mine is None) != (its is None) or (mine is not None and not close(its, mine)):
            found.append(f"{name}: {its} instead of {mine}")
    if said.energy_method != method_of(total):
        found.append(f"energy_method: {said.energy_method} instead of {method_of(total)}")
    return found


def method_of(total: Total) -> str:
    """How the energy of a sum was found: one method, `mixed`, or `none` where some is unknown."""
    if total.kwh is None or not total.methods:
        return "none"
    return next(iter(total.methods)) if len(total.methods) == 1 else "mixed"


def close(said: float, counted: float) -> bool:
    """Whether two figures are equal but for rounding."""
    return math.isclose(said, counted, rel_tol=ROUNDING, abs_tol=1e-12)


def _usd(part: Part) -> float | None:
    if part.usd_per_device_hour is None:
        return None
    return part.figure("device_seconds") / _SECONDS_PER_HOUR * part.usd_per_device_hour

"""What a piece of work used: the amounts that the book records and the bill adds up."""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum, isclose
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

SensorMethod = Literal["rapl", "board_counter", "board_power", "psu", "cloud"]
PartMethod = Literal[SensorMethod, "tdp_model", "none"]
EnergyMethod = Literal[PartMethod, "mixed"]

# How each sensor finds energy, in the words of a bill.
SENSORS: dict[EnergyMethod, str] = {
    "rapl": "processor's energy counters (RAPL)",
    "board_counter": "energy counters of the accelerators' boards",
    "board_power": "power of the accelerators' boards, sampled and integrated",
    "psu": "meter at the machine's plug",
    "cloud": "the provider's reading",
}

_ROUNDING = 1e-9


class EnergyPart(BaseModel):
    """The energy of one thing, such as a processor's package or an accelerator's board.

    Parts with the same `covers` and `method` add up. All three figures are running totals, so that
    the parts of a whole and their ranges add up to those of the whole.

    Attributes:
        covers: what the energy went into, by a name that stays the same while it is metered.
        method: how it was found; `none` where nobody knows, and then the figures are None.
        joules: energy.
        low_joules, high_joules: the least and the most that it may have been; `joules` itself where
            a sensor read all of it. A range makes an estimate of what a sensor read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    covers: str = Field(min_length=1)
    method: PartMethod
    joules: float | None
    low_joules: float | None
    high_joules: float | None

    @model_validator(mode="after")
    def _known_and_inside(self) -> EnergyPart:
        figures = (self.low_joules, self.joules, self.high_joules)
        if any((figure is None) != (self.method == "none") for figure in figures):
            raise ValueError("joules and their range are unknown if, and only if, method is none")
        if list(figures) != _in_order(figures):
            raise ValueError(f"{self.joules} J is outside [{self.low_joules}, {self.high_joules}]")
        return self

    @property
    def measured(self) -> bool:
        """Whether a sensor read all of it."""
        return self.method in SENSORS and self.low_joules == self.high_joules

    def combined(self, other: EnergyPart, sign: Literal[1, -1]) -> EnergyPart:
        """This part and another of the same thing, added (1) or taken away (-1)."""
        figures = (
            None if mine is None or its is None else mine + sign * its
            for mine, its in (
                (self.low_joules, other.low_joules),
                (self.joules, other.joules),
                (self.high_joules, other.high_joules),
            )
        )
        # Where a part is less certain than its whole, the rest's least and most change places.
        low, middle, high = _in_order(figures)
        return self.model_copy(
            update={"low_joules": low, "joules": middle, "high_joules": high},
        )


class Work(BaseModel):
    """Amounts used between two moments of one process.

    Attributes:
        wall_seconds: time held, idle and start-up included.
        device_seconds: `wall_seconds` times the devices held (hardware threads on a CPU machine).
        cpu_seconds: processor time of the process and its finished children.
        tokens: tokens processed; zero for work on anything else.
        flops: exact model FLOPs, forward and backward (`farthing.cost.flops`), and once more what
            layers computed again to save memory.
        optimizer_flops: FLOPs of the optimizer's matrix products, beside `flops`.
        joules: energy at the machine's plug before any PUE, or None where nobody knows.
        energy_method: how `joules` was found; `mixed` by several methods.
        energy_parts: what `joules` adds up from, all of it, in the order of names; empty where the
            parts, or those of some of what was added up, are not told apart.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    wall_seconds: float
    device_seconds: float
    cpu_seconds: float
    tokens: int
    flops: float
    optimizer_flops: float
    joules: float | None
    energy_method: EnergyMethod
    energy_parts: tuple[EnergyPart, ...] = ()

    @field_validator("energy_parts")
    @classmethod
    def _told_apart(cls, parts: tuple[EnergyPart, ...]) -> tuple[EnergyPart, ...]:
        if len({_name(part) for part in parts}) < len(parts):
            raise ValueError("two parts of the energy have the same covers and method")
        return _sorted(parts)

    @model_validator(mode="after")
    def _parts_add_up(self) -> Work:
        if not self.energy_parts:
            return self
        if self.energy_method != method_of(self.energy_parts):
            raise ValueError(f"energy_method {self.energy_method!r} is not that of the parts")
        total = joules_of(self.energy_parts)
        if total is None or self.joules is None:
            agree = total is self.joules
        else:
            size = fsum(abs(part.joules or 0.0) for part in self.energy_parts)
            agree = isclose(self.joules, total, rel_tol=0.0, abs_tol=_ROUNDING * size)
        if not agree:
            raise ValueError(f"{self.joules} J, but the parts add up to {total} J")
        return self

    def __add__(self, other: Work) -> Work:
        return self._combine(other, 1)

    def __sub__(self, other: Work) -> Work:
        return self._combine(other, -1)

    def with_energy(
        self,
        joules: float | None,
        method: EnergyMethod,
        parts: tuple[EnergyPart, ...] = (),
    ) -> Work:
        """The same work with another account of its energy, the parts included."""
        amounts = self.model_dump(exclude={"joules", "energy_method", "energy_parts"})
        return Work(**amounts, joules=joules, energy_method=method, energy_parts=parts)

    @property
    def _no_energy(self) -> bool:
        """Whether nothing was used, which adds no doubt about parts and methods to anything."""
        return self.joules == 0.0 and self.energy_method == "none" and not self.energy_parts

    def _combine(self, other: Work, sign: Literal[1, -1]) -> Work:
        joules, method, parts = self._combined_energy(other, sign)
        return Work(
            wall_seconds=self.wall_seconds + sign * other.wall_seconds,
            device_seconds=self.device_seconds + sign * other.device_seconds,
            cpu_seconds=self.cpu_seconds + sign * other.cpu_seconds,
            tokens=self.tokens + sign * other.tokens,
            flops=self.flops + sign * other.flops,
            optimizer_flops=self.optimizer_flops + sign * other.optimizer_flops,
            joules=joules,
            energy_method=method,
            energy_parts=parts,
        )

    def _combined_energy(
        self, other: Work, sign: Literal[1, -1]
    ) -> tuple[float | None, EnergyMethod, tuple[EnergyPart, ...]]:
        told_apart = all(work.energy_parts or work._no_energy for work in (self, other))
        if told_apart and (self.energy_parts or other.energy_parts):
            parts = _combined_parts(self.energy_parts, other.energy_parts, sign)
            return joules_of(parts), method_of(parts), parts
        if self.joules is None or other.joules is None:
            return None, "none", ()
        methods = {work.energy_method for work in (self, other) if not work._no_energy}
        method = methods.pop() if len(methods) == 1 else "mixed" if methods else "none"
        return self.joules + sign * other.joules, method, ()


def joules_of(parts: Iterable[EnergyPart]) -> float | None:
    """J of all parts together, or None if nobody knows one of them."""
    joules = [part.joules for part in parts]
    known = [each for each in joules if each is not None]
    return fsum(known) if len(known) == len(joules) else None


def method_of(parts: Iterable[EnergyPart]) -> EnergyMethod:
    """The method of all parts together: `none` if one is unknown, `mixed` if they differ."""
    methods: set[EnergyMethod] = {part.method for part in parts}
    if len(methods) == 1:
        return methods.pop()
    return "mixed" if methods and "none" not in methods else "none"


def _combined_parts(
    mine: tuple[EnergyPart, ...], its: tuple[EnergyPart, ...], sign: Literal[1, -1]
) -> tuple[EnergyPart, ...]:
    found = {_name(part): part for part in mine}
    for part in its:
        nothing = part.combined(part, -1)
        found[_name(part)] = found.get(_name(part), nothing).combined(part, sign)
    return _sorted(found.values())


def _name(part: EnergyPart) -> tuple[str, str]:
    return part.covers, part.method


def _sorted(parts: Iterable[EnergyPart]) -> tuple[EnergyPart, ...]:
    return tuple(sorted(parts, key=_name))


def _in_order(figures: Iterable[float | None]) -> list[float | None]:
    """From the least to the most; as they are where nobody knows them."""
    found = list(figures)
    known = [figure for figure in found if figure is not None]
    return [*sorted(known)] if len(known) == len(found) else found

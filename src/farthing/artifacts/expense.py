"""Entries about what no meter of a run sees: other expenses, and the readings of other meters."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from farthing.artifacts.body import Body
from farthing.artifacts.dates import IsoDate
from farthing.artifacts.settings import Basis
from farthing.artifacts.work import EnergyPart

_OTHERS_METERS = ("psu", "cloud")


def _each_once(runs: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(runs)) != len(runs):
        raise ValueError("a run is named twice")
    return runs


def _of_another_meter(energy: EnergyPart) -> EnergyPart:
    if energy.method not in _OTHERS_METERS:
        raise ValueError(f"method {energy.method}: a run's own meter enters that with the run")
    if energy.low_joules is not None and energy.low_joules < 0:
        raise ValueError(f"{energy.low_joules} J: no reading is negative")
    return energy


_Run = Annotated[int, Field(ge=0)]
_Runs = Annotated[tuple[_Run, ...], AfterValidator(_each_once)]


class Expense(Body):
    """Money that was spent beside the hours of devices: storage, traffic, an invoice.

    Attributes:
        what: it was spent on.
        usd: how much.
        basis: the only price basis that it belongs to; None for all of them.
        date: the day on which it was due.
        source: where that can be looked up, such as the number of the invoice.
        runs: those that caused it, in equal parts by the hours that they held.
        plan: digest of the plan that caused it, or None; with no runs either, the whole workspace
            did.
    """

    kind_name: ClassVar[str] = "expense"

    what: str = Field(min_length=1)
    usd: float = Field(ge=0)
    basis: Basis | None
    date: IsoDate
    source: str = Field(min_length=1)
    runs: _Runs = ()
    plan: str | None = None


class Reading(Body):
    """Energy that a meter outside of farthing read: a power supply's or the provider's.

    It stands for what the runs' own meters say about the same thing, and is never added to it.

    Attributes:
        runs: the runs during which it was read, in parts by the hours that they held.
        held: instead of runs, digest of the entry of a holding: read while that was idle.
        energy: what it covers, by method `psu` or `cloud`, with its range.
        source: which meter, and who read it.
        file_digest: of the file of readings that it was added up from; None where there is none.
    """

    kind_name: ClassVar[str] = "reading"

    runs: _Runs = ()
    held: str | None = None
    energy: Annotated[EnergyPart, AfterValidator(_of_another_meter)]
    source: str = Field(min_length=1)
    file_digest: str | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Reading:
        if bool(self.runs) == (self.held is not None):
            raise ValueError("runs, or a holding: a reading is of one of them")
        return self

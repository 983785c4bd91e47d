"""The phases of runs on a bill: what start-up, compiling, training and the rest cost.

The same runs as on the lines of the bill, cut another way: they are never added to those.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rich.table import Table

from farthing.artifacts.phase import Phase
from farthing.artifacts.settings import Basis
from farthing.artifacts.work import Work
from farthing.ledger.accounts import RunAccount
from farthing.ledger.figures import Figures, add_figures, make_figures
from farthing.ledger.joules import not_negative
from farthing.ledger.meter import NO_WORK
from farthing.ledger.rates import Pricing
from farthing.quantity import marked

# Books older than phases, and runs that lost their journal or the end of it.
NOT_TOLD: Literal["not told apart"] = "not told apart"
RunPhase = Phase | Literal["not told apart"]

_ORDER: tuple[RunPhase, ...] = (*get_args(Phase), NOT_TOLD)
_AMOUNTS = ("wall_seconds", "device_seconds", "cpu_seconds", "tokens", "flops", "optimizer_flops")
# Sums of differences round in the last digits.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class PhaseLine:
    """What one phase of one run cost; of a run, they add up to its line on the bill.

    Ranges are those of the phase: where a range is not in proportion to the time, those of a run's
    phases together are wider than its own.
    """

    run: int
    phase: RunPhase
    figures: Figures

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"run": self.run, "phase": self.phase, **self.figures.to_json()}


@dataclass(frozen=True)
class PhaseSplit:
    """The phases of all runs of a bill, in the order of the runs."""

    lines: tuple[PhaseLine, ...]

    def sums(self) -> dict[RunPhase, Figures]:
        """All runs together, in the order in which a run goes through its phases."""
        found = {line.phase for line in self.lines}
        return {
            phase: add_figures(line.figures for line in self.lines if line.phase == phase)
            for phase in _ORDER
            if phase in found
        }

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "sums": {phase: figures.to_json() for phase, figures in self.sums().items()},
            "runs": [line.to_json() for line in self.lines],
        }

    def table(self, basis: Basis) -> Table:
        """For a terminal; money on one basis."""
        title = f"Sums of the runs by phase; USD {basis}"
        table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
        for name in ("", "wall h", "device-h", "kWh", "USD"):
            table.add_column(name, overflow="fold")
        for phase, each in self.sums().items():
            shown = (each.wall_hours, each.device_hours, each.kwh, each.usd[basis])
            table.add_row(phase, *map(marked, shown))
        return table


def split_by_phase(runs: Iterable[RunAccount], pricing: Pricing) -> PhaseSplit:
    """The phases of runs, each by the rates of its run."""
    lines: list[PhaseLine] = []
    for run in runs:
        rates = pricing.of(run.start.run)
        told = run_phases(run)
        for phase, work in told:
            whole = work is run.work
            figures = run.figures(rates) if whole else make_figures(work, run.start.machine, rates)
            lines.append(PhaseLine(run.start.run, phase, figures))
    return PhaseSplit(tuple(lines))


def run_phases(run: RunAccount) -> Sequence[tuple[RunPhase, Work]]:
    """What a run used in each phase; all of it together is `run.work`.

    What the book proves beyond the phases is not told apart, and neither is anything of a run whose
    phases would be more than the run.
    """
    whole: list[tuple[RunPhase, Work]] = [(NOT_TOLD, run.work)]
    if run.evidence == "clock" or not run.phases:
        return whole
    told: list[tuple[RunPhase, Work]] = [(each.phase, each.work) for each in run.phases]
    rest = run.work - sum((work for _, work in told), NO_WORK)
    sizes = zip(_amounts(rest), _amounts(run.work), strict=True)
    shares = [part / (size or 1.0) for part, size in sizes]
    if min(shares) < -_ROUNDING or (rest.joules is None) != (run.work.joules is None):
        return whole
    if max(shares) > _ROUNDING:
        told.append((NOT_TOLD, _clear_of_rounding(rest, run.work)))
    return told


def _amounts(work: Work) -> list[float]:
    return [float(getattr(work, name)) for name in _AMOUNTS] + [work.joules or 0.0]


def _clear_of_rounding(rest: Work, whole: Work) -> Work:
    """The same without amounts a little below zero."""
    amounts = {name: max(0, getattr(rest, name)) for name in _AMOUNTS}
    return not_negative(rest.model_copy(update=amounts), whole)

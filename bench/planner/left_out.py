"""Each published training, predicted from all others: farthing's fit, and constants beside it.

Errors are of hours: predicted over published, less one. A left-out run has no part in its own
prediction, its share of the peak, the ridge's penalty and the width of the range included.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from farthing.hardware.catalogue import find_accelerator
from farthing.predict.runs import PublishedRun, implied_mfu, published_runs, training_peak
from farthing.predict.throughput import COVERAGE, ThroughputModel, fit, values_of

# Epoch AI's cost model assumes it where a training's share is unknown
# (cost_analysis_standalone.py of epoch-research/training-cost-trends at 263c40a).
EPOCH = 0.375
# The best round constant for all 28 runs together, so that they all have a part in it.
BEST = 0.35


@dataclass(frozen=True)
class LeftOut:
    """One run and what the others say of it.

    Attributes:
        run: that was left out.
        mfu: predicted.
        low, high: p10 and p90 of it; None of a constant without a range.
    """

    run: PublishedRun
    mfu: float
    low: float | None = None
    high: float | None = None

    @property
    def error(self) -> float:
        """Of hours: predicted over published, less one."""
        return implied_mfu(self.run) / self.mfu - 1

    @property
    def hours(self) -> float:
        """Predicted."""
        return self.run.device_hours * (1 + self.error)

    @property
    def inside(self) -> bool:
        """Whether the published share lies in the range."""
        return (
            self.low is not None
            and self.high is not None
            and self.low <= implied_mfu(self.run) <= self.high
        )


def predicted(model: ThroughputModel, run: PublishedRun) -> LeftOut:
    """What a fit says of a run; where its devices were not published, their typical number."""
    peak = training_peak(find_accelerator(run.device)).value
    devices = run.devices or model.typical_devices(run.flops)
    middle, half = model.log_mfu(values_of(run.architecture, peak, devices))
    return LeftOut(run, math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def left_out() -> list[LeftOut]:
    """Every published run by farthing's fit to the others."""
    return [predicted(fit(others), run) for run, others in _folds()]


Constant = Callable[[PublishedRun, Sequence[PublishedRun]], float]

CONSTANTS: dict[str, Constant] = {
    "constant: median of the others": lambda _, others: _median(others),
    "constant: mean of the others": lambda _, others: statistics.fmean(
        _share(one.name) for one in others
    ),
    "constant: median of the others on such devices": lambda run, others: _median(
        [one for one in others if _kind(one) == _kind(run)] or others
    ),
    "constant: median of the others, those with biases apart": lambda run, others: _median(
        [one for one in others if _biased(one) == _biased(run)]
    ),
    f"constant: {EPOCH:g}, as Epoch AI's cost model assumes": lambda _run, _others: EPOCH,
    f"constant: {BEST:g}, the best for all 28 (not left out)": lambda _run, _others: BEST,
}


def constant(name: str) -> list[LeftOut]:
    """Every published run by a constant share, with the range of the others' errors of it."""
    found = []
    for run, others in _folds():
        share = CONSTANTS[name](run, others)
        off = sorted(abs(math.log(_share(one.name) / share)) for one in others)
        half = off[min(len(off), math.ceil(COVERAGE * (len(off) + 1))) - 1]
        found.append(LeftOut(run, share, share * math.exp(-half), share * math.exp(half)))
    return found


@dataclass(frozen=True)
class Summary:
    """Errors of hours over all runs, absolute."""

    median: float
    p80: float
    worst: float
    within_30: int
    covered: int
    factor: float

    @classmethod
    def of(cls, found: Sequence[LeftOut]) -> Summary:
        """Median, 80th percentile (nearest rank), and so on."""
        errors = sorted(abs(one.error) for one in found)
        factors = [one.high / one.mfu for one in found if one.high is not None]
        return cls(
            median=statistics.median(errors),
            p80=errors[math.ceil(0.8 * len(errors)) - 1],
            worst=errors[-1],
            within_30=sum(error <= 0.3 for error in errors),
            covered=sum(one.inside for one in found),
            factor=statistics.median(factors) if factors else math.nan,
        )


@cache
def _share(name: str) -> float:
    """The published share of the peak of one of the runs."""
    (run,) = (run for run in published_runs() if run.name == name)
    return implied_mfu(run)


def _folds() -> list[tuple[PublishedRun, tuple[PublishedRun, ...]]]:
    runs = published_runs()
    return [(run, (*runs[:i], *runs[i + 1 :])) for i, run in enumerate(runs)]


def _biased(run: PublishedRun) -> float:
    return values_of(run.architecture, 1.0, 1)["biased"]


def _median(runs: Sequence[PublishedRun]) -> float:
    return statistics.median(_share(run.name) for run in runs)


def _kind(run: PublishedRun) -> str:
    """Its generation: forms of one chip count as one, and so do their export versions."""
    return {"a800": "a100", "h800": "h100"}.get(start := run.device.split("-")[0], start)

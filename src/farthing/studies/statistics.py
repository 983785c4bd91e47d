"""What a handful of seeds can say: paired differences, their intervals, and how many are enough.

Every comparison is paired by seed: both sides saw the same text in the same order. With few seeds
Student's t holds; differences of bits per byte between runs of one recipe are close to normal.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import stats

CONFIDENCE = 0.95
_POWER = 0.8
_FEWEST_FOR_SPREAD = 2
_MOST_SEEDS = 1000


@dataclass(frozen=True)
class Sample:
    """One figure over seeds.

    Attributes:
        values: one for each seed, in the order of the seeds.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation; None with a single seed."""
        return statistics.stdev(self.values) if len(self.values) >= _FEWEST_FOR_SPREAD else None

    @property
    def upper(self) -> float | None:
        """One-sided 95 % upper bound of the mean; None with a single seed."""
        reach = self._reach()
        return None if reach is None else self.mean + reach

    @property
    def lower(self) -> float | None:
        """One-sided 95 % lower bound of the mean; None with a single seed."""
        reach = self._reach()
        return None if reach is None else self.mean - reach

    def chance_above_zero(self) -> float | None:
        """How likely chance alone gives a mean this far below zero: the one-sided p-value.

        None with a single seed. Where all values are equal there is no chance in it: 0 or 1.
        """
        deviation = self.deviation
        if deviation is None:
            return None
        if deviation == 0:
            return 0.0 if self.mean < 0 else 1.0
        count = len(self.values)
        return float(stats.t.cdf(self.mean / (deviation / math.sqrt(count)), count - 1))

    def _reach(self) -> float | None:
        deviation, count = self.deviation, len(self.values)
        if deviation is None:
            return None
        return float(stats.t.ppf(CONFIDENCE, count - 1)) * deviation / math.sqrt(count)


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Sample:
    """Ours less theirs, seed by seed."""
    return Sample(tuple(a - b for a, b in zip(ours, theirs, strict=True)))


def mean_over(columns: Iterable[Sequence[float]]) -> Sample:
    """The mean over several figures (members, say), seed by seed."""
    by_seed = zip(*columns, strict=True)
    return Sample(tuple(sum(values) / len(values) for values in by_seed))


@dataclass(frozen=True)
class Ratio:
    """A quotient over seeds, averaged and bounded on the logarithm."""

    logarithms: Sample

    @classmethod
    def of(cls, ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
        """Ours over theirs, seed by seed; all positive."""
        pairs = zip(ours, theirs, strict=True)
        return cls(Sample(tuple(math.log(a / b) for a, b in pairs)))

    @property
    def mean(self) -> float:
        """Geometric mean."""
        return math.exp(self.logarithms.mean)

    @property
    def lower(self) -> float | None:
        """One-sided 95 % lower bound."""
        lower = self.logarithms.lower
        return None if lower is None else math.exp(lower)

    @property
    def upper(self) -> float | None:
        """One-sided 95 % upper bound."""
        upper = self.logarithms.upper
        return None if upper is None else math.exp(upper)


def seeds_needed(deviation: float, effect: float) -> int:
    """Seeds with which a paired, one-sided 5 % test sees `effect` four times out of five.

    Args:
        deviation: of the paired differences, as measured.
        effect: the smallest difference of their mean that matters, in the same unit, above 0.

    Returns:
        The smallest number, at least 2 (one pair has no spread), at most 1000.
    """
    for count in range(_FEWEST_FOR_SPREAD, _MOST_SEEDS):
        freedom = count - 1
        threshold = stats.t.ppf(CONFIDENCE, freedom)
        shift = effect * math.sqrt(count) / deviation if deviation else math.inf
        # Power of the t-test: the t distribution off centre.
        if math.isinf(shift) or stats.nct.sf(threshold, freedom, shift) >= _POWER:
            return count
    return _MOST_SEEDS

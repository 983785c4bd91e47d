"""What booked runs say of a training that is like them, more or less.

A Gaussian process over what the published fit leaves unexplained (log mfu): its deviation is that
fit's own, its correlation falls with the distance in active parameters, in devices and from dense
to sparse. Booked runs of the very same model on as many devices are taken as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farthing.cost.architecture import Architecture, Sparse
from farthing.cost.parameters import architecture_parameters
from farthing.predict.booked import BookedSpeed

# The 90th percentile of a normal distribution, in standard deviations.
_P90 = 1.2816

# Assumed: at a tenfold model, or eightfold devices, correlation has fallen to 1 / e; between dense
# and sparse to the half of that.
_FAR_IN_SIZE, _FAR_IN_DEVICES, _DENSE_TO_SPARSE = math.log(10), math.log(8), 0.5
# Runs of one model on one machine differ by so much (log); less is not believed of few runs.
_OWN_SPREAD = 0.03


@dataclass(frozen=True)
class Refined:
    """Log mfu: middle, half width of p10 to p90, from how many booked runs, of this very model."""

    middle: float
    half_width: float
    runs: int
    exact: bool


@dataclass(frozen=True)
class _Place:
    """Where a training stands among others."""

    active: int
    devices: int
    sparse: bool

    def likeness(self, other: _Place) -> float:
        """Correlation of what the fit leaves unexplained, 0 to 1."""
        distance = (
            abs(math.log(self.active / other.active)) / _FAR_IN_SIZE
            + abs(math.log(self.devices / other.devices)) / _FAR_IN_DEVICES
            + _DENSE_TO_SPARSE * (self.sparse != other.sparse)
        )
        return math.exp(-distance)


# What the published fit says of a model on so many devices: middle and half width of log mfu.
Prior = Callable[[Architecture, int], tuple[float, float]]


def refined(
    prior: Prior,
    architecture: Architecture,
    devices: int,
    *,
    peak: float,
    booked: Sequence[BookedSpeed],
) -> Refined:
    """The prior, moved towards what was booked.

    Args:
        prior: of any model on the same kind of device.
        architecture: what is asked for.
        devices: on how many.
        peak: FLOP/s of one of them.
        booked: runs on the same kind of device.
    """
    same = [run for run in booked if run.architecture == architecture and run.devices == devices]
    if same:
        return _as_booked([math.log(run.share_of(peak)) for run in same])
    middle, half = prior(architecture, devices)
    if not booked:
        return Refined(middle, half, 0, False)
    return _moved(middle, half, prior, _place(architecture, devices), peak, booked)


def _as_booked(shares_N: Sequence[float]) -> Refined:
    """Runs of the very same model: their mean, and how far one more may lie from it."""
    n = len(shares_N)
    mean = math.fsum(shares_N) / n
    squares = math.fsum((share - mean) ** 2 for share in shares_N)
    spread = max(_OWN_SPREAD, math.sqrt(squares / (n - 1)) if n > 1 else 0.0)
    return Refined(mean, _P90 * spread * math.sqrt(1 + 1 / n), n, True)


def _moved(
    middle: float,
    half: float,
    prior: Prior,
    asked: _Place,
    peak: float,
    booked: Sequence[BookedSpeed],
) -> Refined:
    import numpy as np

    # Runs of one model count as one place with a surer mean: books hold hundreds of equal runs.
    places: dict[tuple[Architecture, int], list[float]] = {}
    for run in booked:
        key = run.architecture, run.devices
        places.setdefault(key, []).append(math.log(run.share_of(peak)))
    where = [_place(architecture, devices) for architecture, devices in places]
    left_P = np.array(
        [math.fsum(shares) / len(shares) - prior(*key)[0] for key, shares in places.items()]
    )
    deviation = half / _P90
    likeness_P = np.array([asked.likeness(one) for one in where])
    likeness_PP = np.array([[one.likeness(other) for other in where] for one in where])
    noise_P = np.array([_OWN_SPREAD**2 / len(shares) for shares in places.values()])
    weight_P = np.linalg.solve(
        deviation**2 * likeness_PP + np.diag(noise_P), deviation**2 * likeness_P
    )
    variance = deviation**2 * max(0.0, 1 - float(weight_P @ likeness_P)) + _OWN_SPREAD**2
    return Refined(
        middle=middle + float(weight_P @ left_P),
        half_width=min(half, _P90 * math.sqrt(variance)),
        runs=len(booked),
        exact=False,
    )


def _place(architecture: Architecture, devices: int) -> _Place:
    return _Place(
        active=architecture_parameters(architecture).active,
        devices=devices,
        sparse=any(isinstance(group.feed_forward, Sparse) for group in architecture.groups),
    )

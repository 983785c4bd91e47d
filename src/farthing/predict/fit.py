"""Fits the coefficients of the scaling law (`law`) on measured points.

    rows, spread = fit_law(points)       # the fit and its bootstrap; what `law.csv` was made by

Least squares of logarithms under priors, by Gauss-Newton steps with Levenberg's damping: with few
points, or with points of one batch size, the prior decides what they cannot. What a law is worth
is said by `leave_one_out`: each recipe predicted by a law fitted on the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from farthing.errors import PlanError
from farthing.predict.curve import NAMES, PRIOR_AT_SCALE, curve, models_of
from farthing.predict.points import Point

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

REPLICATES = 200

# Prior mean and standard deviation of what is fitted, those of positive figures as logarithms. A
# level of 0.35 is that of text with 4.1 bytes a token; wide enough to hold 3 to 6.
_PRIOR = {
    "level": (np.log(0.35), 0.3),
    "bend": (np.log(1.5), 1.0),
    "warm_tokens": (np.log(4e6), 1.5),
    "warm_power": (0.3, 0.3),
    "warm_steps": (np.log(50.0), 0.7),
    "size_power": (0.4, 0.3),
    "family_tax": (0.05, 0.1),
}
_LOGARITHMS = ("level", "bend", "warm_tokens", "warm_steps")
# Standard errors of the exponents and the floor in arXiv 2404.10102, table 1, two digits there.
_AT_SCALE_ERRORS = {"floor": 0.03, "alpha": 0.02, "beta": 0.02}
# What a recipe's mean differs from any smooth law by, and a seed from that mean.
_RECIPE_NOISE, _SEED_NOISE = 0.005, 0.004
_ROUNDS, _NUDGE, _SETTLED = 60, 1e-5, 1e-9


@dataclass(frozen=True)
class LeftOut:
    """One recipe predicted by a law that has not seen it.

    Attributes:
        recipe: its name.
        points: of this recipe, in the order of `predicted`.
        predicted: bits per byte.
        rows: the law that predicted them, with its bootstrap.
    """

    recipe: str
    points: tuple[Point, ...]
    predicted: tuple[float, ...]
    rows: Array

    @property
    def errors(self) -> tuple[float, ...]:
        """Predicted over measured, less one."""
        pairs = zip(self.predicted, self.points, strict=True)
        return tuple(predicted / point.bpb - 1 for predicted, point in pairs)


def fit_law(
    points: Sequence[Point], *, replicates: int = REPLICATES, seed: int = 0
) -> tuple[Array, float]:
    """Coefficients and what the law is off for recipes that it has not seen.

    Each replicate weighs recipes, and points within them, by exponential draws (the Bayesian
    bootstrap, Rubin 1981), and draws the exponents and the floor of the law at scale from what
    their own fit left open.

    Args:
        points: at least two recipes, or nothing says how far the law is off.
        replicates: of the bootstrap.
        seed: of its draws.

    Returns:
        ((1 + replicates, len(NAMES)) coefficients, the fit first; root mean square of the
        logarithmic errors of `leave_one_out`).

    Raises:
        PlanError: fewer than two recipes.
    """
    errors = [np.log1p(e) for left in leave_one_out(points, replicates=0) for e in left.errors]
    return _fitted(points, replicates, seed), float(np.sqrt(np.mean(np.square(errors))))


def leave_one_out(
    points: Sequence[Point], *, replicates: int = 0, seed: int = 0
) -> tuple[LeftOut, ...]:
    """Each recipe predicted from the others.

    Args:
        points: of at least two recipes.
        replicates: of the bootstrap of each law.
        seed: of its draws.

    Raises:
        PlanError: fewer than two recipes.
    """
    names = sorted({point.recipe for point in points})
    if len(names) < 2:
        raise PlanError(
            f"a law was asked for of {len(names)} recipes",
            remedy="train models of at least two sizes or lengths first",
        )
    found = []
    for name in names:
        others = [point for point in points if point.recipe != name]
        out = tuple(point for point in points if point.recipe == name)
        rows = _fitted(others, replicates, seed)
        predicted = tuple(float(value) for value in curve(rows[:1], models_of(out))[0])
        found.append(LeftOut(name, out, predicted, rows))
    return tuple(found)


def _fitted(points: Sequence[Point], replicates: int, seed: int) -> Array:
    fit = _Fit(points)
    one = np.ones(len(points))
    best = fit.run(np.array([mean for mean, _ in _PRIOR.values()]), one, PRIOR_AT_SCALE)
    rows = [_row(best, PRIOR_AT_SCALE)]
    generator = np.random.default_rng(seed)
    recipes = sorted({point.recipe for point in points})
    place = np.array([recipes.index(point.recipe) for point in points])
    for _ in range(replicates):
        weights = generator.exponential(size=len(recipes))[place]
        weights = weights * generator.exponential(size=len(points))
        drawn = {
            name: mean + _AT_SCALE_ERRORS[name] * float(generator.standard_normal())
            for name, mean in PRIOR_AT_SCALE.items()
        }
        rows.append(_row(fit.run(best, weights, drawn), drawn))
    return np.array(rows)


class _Fit:
    """Weighted least squares on one set of points."""

    def __init__(self, points: Sequence[Point]) -> None:
        self._models = models_of(points)
        self._measured = np.log([point.bpb for point in points])
        seeds = np.array([point.seeds for point in points], dtype=np.float64)
        self._noise = np.hypot(_RECIPE_NOISE, _SEED_NOISE / np.sqrt(seeds))
        self._means, self._widths = (np.array(each) for each in zip(*_PRIOR.values(), strict=True))

    def run(self, start: Array, weights: Array, at_scale: dict[str, float]) -> Array:
        """The fitted values of `_PRIOR`'s names, logarithms where they are."""

        def residuals(values: Array) -> Array:
            found = np.log(curve(_row(values, at_scale)[None], self._models)[0])
            of_points = np.sqrt(weights) * (found - self._measured) / self._noise
            return np.concatenate([of_points, (values - self._means) / self._widths])

        return _least_squares(residuals, start)


def _least_squares(residuals: Callable[[Array], Array], start: Array) -> Array:
    """Levenberg-Marquardt with a numerical Jacobian, for a handful of unknowns."""
    values, damping = start, 1e-3
    found = residuals(values)
    for _ in range(_ROUNDS):
        nudges = _NUDGE * np.eye(len(values))
        jacobian = np.stack([(residuals(values + n) - found) / _NUDGE for n in nudges], axis=1)
        normal = jacobian.T @ jacobian
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -jacobian.T @ found)
        # A step may leave where the law means anything; then it is taken shorter.
        with np.errstate(invalid="ignore", over="ignore"):
            tried = residuals(values + step)
        gain = float(found @ found - tried @ tried)
        if not np.isfinite(gain) or gain < 0:
            damping *= 10
            continue
        values, found, damping = values + step, tried, damping / 5
        if gain < _SETTLED * float(found @ found):
            break
    return values


def _row(values: Array, at_scale: dict[str, float]) -> Array:
    fitted = {
        name: np.exp(value) if name in _LOGARITHMS else value
        for name, value in zip(_PRIOR, values, strict=True)
    }
    return np.array([{**fitted, **at_scale}[name] for name in NAMES])

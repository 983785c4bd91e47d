"""Other forms of the fit: other terms of a ridge regression of log mfu, and terms chosen anew.

The form that ships was chosen after looking at others on the same 28 runs, so its left-out error is
a little too good. `chosen_anew` is not: in each fold the terms and the penalty are chosen by the
left-out errors of the other 27 runs alone.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from farthing.cost.attention import Grouped
from farthing.cost.parameters import architecture_parameters
from farthing.cost.training import training_flops_by_part
from farthing.hardware.catalogue import find_accelerator
from farthing.predict.runs import PublishedRun, implied_mfu, published_runs, training_peak
from farthing.predict.throughput import PENALTIES, fit, values_of

# What else a plan knows of a training before it runs.
TERMS = (
    *("room", "biased", "sparse", "peak", "peak over bandwidth", "year", "active", "devices"),
    *("context", "attention's share", "output's share", "few key heads", "gated", "layers"),
    *("width", "peak x active"),
)

SHOWN = (
    ("room", "biased", "sparse"),
    ("room", "biased"),
    ("room", "sparse"),
    ("room",),
    ("biased",),
    ("room", "biased", "year"),
    ("room", "biased", "peak"),
    ("room", "biased", "peak over bandwidth"),
    ("room", "gated", "sparse"),
    ("peak", "active", "devices", "biased"),
    ("peak", "peak x active", "biased"),
    ("peak", "peak x active", "biased", "devices"),
    ("peak", "active", "year", "sparse"),
    ("peak", "active", "sparse", "few key heads", "output's share", "gated"),
    TERMS,
)

# Where products with a whole layer's weights are as large as an average published run's.
_MIDDLE_PEAK, _MIDDLE_ACTIVE = 312e12, 1.5e10
_FEW = 8


def values(run: PublishedRun, devices: float) -> list[float]:
    """The terms of one run, in the order of `TERMS`."""
    sizes, device = run.architecture, find_accelerator(run.device)
    peak, bandwidth = training_peak(device).value, device.memory_bytes_per_second
    assert bandwidth is not None
    own = values_of(sizes, peak, devices)
    parts = training_flops_by_part(sizes, (sizes.context,))
    active = architecture_parameters(sizes).active
    attention, block = sizes.groups[-1].attention, sizes.groups[-1].feed_forward
    return [
        *(own["room"], own["biased"], own["sparse"]),
        math.log(peak),
        math.log(peak / bandwidth.value),
        run.year,
        math.log(active),
        math.log(devices),
        math.log(sizes.context),
        parts["attention"] / sum(parts.values()),
        parts["output"] / sum(parts.values()),
        float(isinstance(attention, Grouped) and attention.kv_heads <= _FEW),
        float(getattr(block, "gated", True)),
        math.log(sizes.layers),
        math.log(sizes.width),
        math.log(peak / _MIDDLE_PEAK) * math.log(active / _MIDDLE_ACTIVE),
    ]


def left_out_errors(terms: Sequence[str]) -> list[float]:
    """Errors of hours, each run left out, by a form; its penalty is chosen from the others."""
    columns = [TERMS.index(term) for term in terms]
    return [_predict(*fold, columns)[0] for fold in _folds()]


def chosen_anew(most_terms: int) -> tuple[list[float], Counter[tuple[str, ...]]]:
    """Errors of hours where each fold chooses its terms too, and how often it chose which."""
    sets = [
        list(columns)
        for count in range(1, most_terms + 1)
        for columns in itertools.combinations(range(len(TERMS)), count)
    ]
    errors, chosen = [], Counter[tuple[str, ...]]()
    for fold in _folds():
        trials = [(_predict(*fold, columns), columns) for columns in sets]
        (error, _), columns = min(trials, key=lambda one: one[0][1])
        errors.append(error)
        chosen[tuple(TERMS[column] for column in columns)] += 1
    return errors, chosen


def _folds() -> list[tuple[np.ndarray, np.ndarray, np.ndarray, float]]:
    """Run by run: terms and log mfu of the others (N runs, K terms), then its own."""
    folds = []
    runs = published_runs()
    for i, run in enumerate(runs):
        others = (*runs[:i], *runs[i + 1 :])
        # Devices that were not published are what the others make typical.
        typical = fit(others).typical_devices
        x_NK = [values(one, one.devices or typical(one.flops)) for one in others]
        y_N = [math.log(implied_mfu(one)) for one in others]
        one_K = values(run, run.devices or typical(run.flops))
        folds.append((np.array(x_NK), np.array(y_N), np.array(one_K), math.log(implied_mfu(run))))
    return folds


def _predict(
    x_NK: np.ndarray, y_N: np.ndarray, one_K: np.ndarray, true: float, columns: list[int]
) -> tuple[float, float]:
    """Error of hours of the one, and the least mean squared left-out error of the others."""
    x_NK, one_K = x_NK[:, columns], one_K[columns]
    n, mean_K = len(y_N), x_NK.mean(0)
    spread_K = np.where(x_NK.std(0) > 0, x_NK.std(0), 1.0)
    z_NK, z_K, left_N = (x_NK - mean_K) / spread_K, (one_K - mean_K) / spread_K, y_N - y_N.mean()
    best = (math.inf, 0.0)
    for penalty in PENALTIES:
        hat_KN = np.linalg.solve(z_NK.T @ z_NK + penalty * np.eye(len(columns)), z_NK.T)
        slope_K = hat_KN @ left_N
        pull_N = 1 / n + np.einsum("nk,kn->n", z_NK, hat_KN)
        squared = float(np.mean(((left_N - z_NK @ slope_K) / (1 - pull_N)) ** 2))
        best = min(best, (squared, float(y_N.mean() + z_K @ slope_K)))
    return math.exp(true - best[1]) - 1, best[0]

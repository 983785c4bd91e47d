"""Softmax regression on hashed features: counts of few features a row, out of very many.

Rows are stored one after another: those of row r are `features[firsts[r] : firsts[r + 1]]`, one
number per occurrence. The value of a feature is its count over the square root of the row's
length, so that long rows are no louder than short ones. Two classes give logistic regression.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined

_EPSILON = 1e-8  # keeps the first step of a feature finite


@compiled
def linear_scores(
    features: npt.NDArray[np.int32],
    firsts: npt.NDArray[np.int64],
    weights: npt.NDArray[np.generic],
    out: npt.NDArray[np.float64],
) -> None:
    """The linear score of every row and class, before any softmax.

    Args:
        features: int32; equal ones need not stand together.
        firsts: int64 [R + 1].
        weights: [F, C], int8 (the sum is exact then) or float32.
        out: float64 [R, C], filled; zeros for a row without features.
    """
    classes = weights.shape[1]
    totals = np.empty(classes)
    for row in range(len(firsts) - 1):
        length = firsts[row + 1] - firsts[row]
        totals[:] = 0.0
        for place in range(firsts[row], firsts[row + 1]):
            feature = features[place]
            for kind in range(classes):
                totals[kind] += weights[feature, kind]
        scale = 1.0 / np.sqrt(max(length, 1))
        for kind in range(classes):
            out[row, kind] = totals[kind] * scale


@compiled
def sort_rows(features: npt.NDArray[np.int32], firsts: npt.NDArray[np.int64]) -> None:
    """Sort the features of each row in place, so that `train_epoch` finds equal ones together."""
    for row in range(len(firsts) - 1):
        features[firsts[row] : firsts[row + 1]].sort()


@compiled
def train_epoch(
    features: npt.NDArray[np.int32],
    firsts: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int8],
    order: npt.NDArray[np.int64],
    rate: float,
    weights: npt.NDArray[np.float32],
    squares: npt.NDArray[np.float32],
) -> None:
    """One pass of AdaGrad (Duchi and others, JMLR 12, 2011) over the rows, one row a step.

    Args:
        features: int32, sorted in each row (`sort_rows`).
        firsts: int64 [R + 1].
        labels: int8 [R], below C.
        order: int64, the rows in the order in which they are seen.
        rate: step of a feature that was never seen.
        weights: float32 [F, C], changed.
        squares: float32 [F, C], sums of squared gradients, changed; zeros at the start.
    """
    classes = weights.shape[1]
    gaps = np.empty(classes)
    for row in order:
        begin, end = firsts[row], firsts[row + 1]
        if begin == end:
            continue
        scale = 1.0 / np.sqrt(end - begin)
        _gaps(features[begin:end], weights, labels[row], scale, gaps)
        place = begin
        while place < end:
            feature = features[place]
            first = place
            while place < end and features[place] == feature:
                place += 1
            value = (place - first) * scale
            for kind in range(classes):
                gradient = gaps[kind] * value
                squares[feature, kind] += gradient * gradient
                step = rate * gradient / np.sqrt(squares[feature, kind] + _EPSILON)
                weights[feature, kind] -= step


@inlined
def _gaps(
    row: npt.NDArray[np.int32],
    weights: npt.NDArray[np.float32],
    label: int,
    scale: float,
    gaps: npt.NDArray[np.float64],
) -> None:
    """Probability less truth of every class: the gradient of the cross-entropy by the scores."""
    gaps[:] = 0.0
    for feature in row:
        for kind in range(len(gaps)):
            gaps[kind] += weights[feature, kind]
    highest = gaps.max() * scale
    total = 0.0
    for kind in range(len(gaps)):
        gaps[kind] = np.exp(gaps[kind] * scale - highest)
        total += gaps[kind]
    for kind in range(len(gaps)):
        gaps[kind] /= total
    gaps[label] -= 1.0

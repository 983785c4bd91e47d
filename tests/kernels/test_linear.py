"""Softmax regression on hashed features against the same steps with dense matrices."""

from __future__ import annotations

import numpy as np
import pytest

from farthing.kernels.linear import linear_scores, sort_rows, train_epoch

FEATURES = 64
RATE = 0.1
EPSILON = 1e-8


def rows_of(seed, count, classes):
    """Rows that tell their class by a few features, repeats among them, one row empty."""
    source = np.random.default_rng(seed)
    labels = source.integers(classes, size=count).astype(np.int8)
    rows = []
    for label in labels:
        common = source.integers(FEATURES, size=source.integers(1, 30))
        telling = source.integers(3, size=source.integers(1, 6)) + 5 * label
        rows.append(source.permutation(np.concatenate([common, telling])).astype(np.int32))
    rows[count // 2] = np.zeros(0, dtype=np.int32)
    firsts = np.zeros(count + 1, dtype=np.int64)
    np.cumsum([len(row) for row in rows], out=firsts[1:])
    return rows, np.concatenate(rows), firsts, labels


def dense(rows):
    """Counts over the square root of the length, (rows, FEATURES)."""
    counts = np.stack([np.bincount(row, minlength=FEATURES) for row in rows]).astype(np.float64)
    return counts / np.sqrt(np.maximum(counts.sum(axis=1, keepdims=True), 1))


def dense_epoch(values, labels, order, weights, squares):
    """One pass of AdaGrad on the whole gradient matrix of each row's cross-entropy."""
    for row in order:
        scores = values[row] @ weights
        chances = np.exp(scores) / np.exp(scores).sum()
        truth = np.eye(weights.shape[1])[labels[row]]
        gradient = np.outer(values[row], chances - truth)
        squares += gradient**2
        weights -= RATE * gradient / np.sqrt(squares + EPSILON)


@pytest.mark.parametrize("classes", [2, 5])
def test_training_is_adagrad_on_the_dense_gradient(classes):
    rows, features, firsts, labels = rows_of(0, 200, classes)
    values = dense(rows)
    weights = np.zeros((FEATURES, classes), dtype=np.float32)
    squares = np.zeros_like(weights)
    wanted, wanted_squares = np.zeros((FEATURES, classes)), np.zeros((FEATURES, classes))
    sort_rows(features, firsts)
    for epoch in range(2):
        order = np.random.default_rng(epoch).permutation(len(labels)).astype(np.int64)
        train_epoch(features, firsts, labels, order, RATE, weights, squares)
        dense_epoch(values, labels, order, wanted, wanted_squares)
    assert np.abs(wanted).max() > 0.3
    np.testing.assert_allclose(weights, wanted, atol=2e-4)
    np.testing.assert_allclose(squares, wanted_squares, atol=1e-5)


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_scores_are_the_dense_product(kind):
    rows, features, firsts, _ = rows_of(1, 50, 3)
    weights = np.random.default_rng(2).integers(-127, 128, size=(FEATURES, 3)).astype(kind)
    out = np.full((50, 3), np.nan)
    linear_scores(features, firsts, weights, out)
    np.testing.assert_allclose(out, dense(rows) @ weights.astype(np.float64), atol=1e-9)
    assert (out[25] == 0).all()


def test_sorting_keeps_each_row_and_its_features():
    rows, features, firsts, _ = rows_of(3, 40, 2)
    sort_rows(features, firsts)
    for row, begin, end in zip(rows, firsts[:-1], firsts[1:], strict=True):
        assert features[begin:end].tolist() == sorted(row.tolist())

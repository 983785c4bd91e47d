"""The error of a paired difference against a simulation in which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal, stats

from farthing.studies.search.paired import BLOCKS, paired_over_blocks

TEXTS = 1500
# Windows of the two domains.
LENGTHS = (1000, 2400)


def _autoregressive(draws, shape, carried=0.8):
    """Each window takes 0.8 of what the one before it was."""
    noise = draws.standard_normal((shape[0], shape[1] + 100))
    return signal.lfilter([1.0], [1.0, -carried], noise, axis=1)[:, 100:]


def _documents(draws, shape):
    """Windows of one document share an offset; documents have 1 to 12 windows."""
    rows = []
    for _ in range(shape[0]):
        lengths = draws.integers(1, 13, size=shape[1])
        offsets = np.repeat(draws.standard_normal(shape[1]), lengths)[: shape[1]]
        rows.append(offsets + 0.5 * draws.standard_normal(shape[1]))
    return np.stack(rows)


def _independent(draws, shape):
    return draws.standard_normal(shape)


def _texts(kind):
    draws = np.random.default_rng(7)
    # Each window's part of its domain's mean; the second domain is three times as noisy.
    return [
        scale * kind(draws, (TEXTS, length)) / length
        for scale, length in zip((1.0, 3.0), LENGTHS, strict=True)
    ]


@pytest.mark.parametrize("kind", [_autoregressive, _documents, _independent])
def test_the_error_is_the_spread_over_many_texts_though_neighbours_are_alike(kind):
    texts = _texts(kind)
    found = [paired_over_blocks(list(each)) for each in zip(*texts, strict=True)]
    true = np.std([one.mean for one in found])
    assert np.sqrt(np.mean([one.standard_error**2 for one in found])) == pytest.approx(
        true, rel=0.08
    )
    # There is no difference: a one-sided 95 % test finds one in one text of twenty.
    wrong = [one.mean < -stats.t.ppf(0.95, one.freedom) * one.standard_error for one in found]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.02)


def test_windows_taken_as_independent_would_promise_too_much():
    """So the simulation above can fail: the plain formula is three times too sure there."""
    texts = _texts(_autoregressive)
    means = sum(text.sum(axis=1) for text in texts) / 2
    plain = sum(text.shape[1] * text.var(axis=1, ddof=1) for text in texts) / 4
    assert means.std() / np.sqrt(plain.mean()) == pytest.approx(3.0, rel=0.1)


def test_blocks_of_one_window_are_the_plain_formula():
    draws = np.random.default_rng(1)
    windows = [draws.standard_normal(length) for length in (BLOCKS, 6)]
    found = paired_over_blocks(windows)
    plain = sum(len(each) * each.var(ddof=1) for each in windows)
    assert found.standard_error == pytest.approx(np.sqrt(plain) / 2)
    assert (found.windows, found.blocks) == (BLOCKS + 6, BLOCKS + 6)
    assert found.mean == pytest.approx(sum(each.sum() for each in windows) / 2)


def test_degrees_of_freedom_are_those_of_welch_and_satterthwaite():
    draws = np.random.default_rng(2)
    one, other = draws.standard_normal(BLOCKS), 3 * draws.standard_normal(8)
    # scipy compares means, and this is a sum of sums: windows of a mean's weight.
    expected = stats.ttest_ind(one, other, equal_var=False).df
    assert paired_over_blocks([one / len(one), other / len(other)]).freedom == pytest.approx(
        expected
    )
    assert paired_over_blocks([one]).freedom == pytest.approx(BLOCKS - 1)


def test_a_domain_of_one_window_says_nothing_about_the_spread():
    found = paired_over_blocks([np.array([0.5]), np.array([0.1, 0.3])])
    assert (found.mean, found.standard_error, found.freedom) == (pytest.approx(0.45), None, None)


def test_no_difference_anywhere_has_no_error():
    found = paired_over_blocks([np.zeros(50), np.zeros(30)])
    assert (found.mean, found.standard_error, found.freedom) == (0.0, 0.0, 2 * (BLOCKS - 1))

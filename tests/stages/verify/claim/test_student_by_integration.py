from __future__ import annotations

import pytest
from scipy import stats

from farthing.stages.verify.claim.student import quantile, reach


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 30, 99])
@pytest.mark.parametrize("probability", [0.6, 0.95, 0.99])
def test_the_quantile_is_that_of_a_statistics_package(freedom, probability):
    assert quantile(freedom, probability) == pytest.approx(
        stats.t.ppf(probability, freedom), rel=1e-10
    )


def test_the_bound_of_a_mean_is_that_of_its_confidence_interval():
    values = [1.1, 1.3, 1.25, 0.9]
    low, high = stats.t.interval(0.9, 3, loc=1.1375, scale=stats.sem(values))
    assert reach(values) == pytest.approx((high - low) / 2, rel=1e-10)


def test_equal_values_leave_no_doubt():
    assert reach([1.5, 1.5, 1.5]) == 0.0

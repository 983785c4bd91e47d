"""What it costs to reach a loss, between finished runs."""

import math

import pytest

from farthing.studies.cost_curve import EndPoint, bpb_at_cost, cost_to_reach

SMALL = [EndPoint("small", 1.0, 3.0), EndPoint("small", 4.0, 2.0)]
LARGE = [EndPoint("large", 2.0, 2.8), EndPoint("large", 8.0, 1.6)]


def test_between_two_lengths_the_loss_falls_with_the_logarithm_of_the_cost():
    assert cost_to_reach(2.5, SMALL) == pytest.approx(2.0)
    assert bpb_at_cost(2.0, SMALL) == pytest.approx(2.5)
    # There and back.
    assert bpb_at_cost(cost_to_reach(2.3, SMALL), SMALL) == pytest.approx(2.3)


def test_the_cheapest_size_counts():
    both = [*LARGE, *SMALL]
    assert cost_to_reach(2.5, both) == pytest.approx(2.0)
    # The large one is at 2.0 after two thirds of the way from 2.8 to 1.6.
    assert cost_to_reach(2.0, both) == pytest.approx(min(4.0, 2 * 4 ** (2 / 3)))
    assert cost_to_reach(1.8, both) == pytest.approx(2 * 4 ** (5 / 6))


def test_nothing_is_extrapolated():
    assert cost_to_reach(1.0, [*SMALL, *LARGE]) is None
    assert cost_to_reach(9.0, SMALL) == 1.0, "the shortest run is the least that is known to do"
    assert bpb_at_cost(0.5, SMALL) is None
    assert bpb_at_cost(5.0, SMALL) is None
    assert bpb_at_cost(1.0, SMALL) == 3.0
    assert cost_to_reach(2.0, []) is None


def test_a_longer_run_that_is_worse_is_passed_over():
    bumpy = [EndPoint("a", 1.0, 3.0), EndPoint("a", 2.0, 3.2), EndPoint("a", 4.0, 2.2)]
    assert cost_to_reach(3.0, bumpy) == 1.0
    expected = 2.0 * (4.0 / 2.0) ** ((3.2 - 2.7) / (3.2 - 2.2))
    assert cost_to_reach(2.7, bumpy) == pytest.approx(expected)
    assert math.isclose(cost_to_reach(2.2, bumpy), 4.0)

"""What it costs to reach a loss, between finished runs."""

import math

import pytest

from farthing.artifacts.cost_curve import EndPoint, Reached, bpb_at_cost, cost_to_reach

SMALL = [EndPoint("small", 1.0, 3.0), EndPoint("small", 4.0, 2.0)]
LARGE = [EndPoint("large", 2.0, 2.8), EndPoint("large", 8.0, 1.6)]


def test_between_two_lengths_the_loss_falls_with_the_logarithm_of_the_cost():
    assert cost_to_reach(2.5, SMALL).spent == pytest.approx(2.0)
    assert cost_to_reach(2.5, SMALL).exact
    assert bpb_at_cost(2.0, SMALL) == pytest.approx(2.5)
    # There and back.
    assert bpb_at_cost(cost_to_reach(2.3, SMALL).spent, SMALL) == pytest.approx(2.3)


def test_the_cheapest_size_counts():
    both = [*LARGE, *SMALL]
    assert cost_to_reach(2.5, both).spent == pytest.approx(2.0)
    # The large one is at 2.0 after two thirds of the way from 2.8 to 1.6.
    assert cost_to_reach(2.0, both).spent == pytest.approx(min(4.0, 2 * 4 ** (2 / 3)))
    assert cost_to_reach(1.8, both).spent == pytest.approx(2 * 4 ** (5 / 6))


def test_nothing_is_extrapolated():
    assert cost_to_reach(1.0, [*SMALL, *LARGE]) is None
    assert cost_to_reach(9.0, SMALL) == Reached(1.0, exact=False), "a shorter run might do too"
    assert cost_to_reach(3.0, SMALL) == Reached(1.0, exact=True)
    assert bpb_at_cost(0.5, SMALL) is None
    assert bpb_at_cost(5.0, SMALL) is None
    assert bpb_at_cost(1.0, SMALL) == 3.0
    assert cost_to_reach(2.0, []) is None


def test_a_longer_run_that_is_worse_is_passed_over():
    bumpy = [EndPoint("a", 1.0, 3.0), EndPoint("a", 2.0, 3.2), EndPoint("a", 4.0, 2.2)]
    assert cost_to_reach(3.0, bumpy) == Reached(1.0, exact=True)
    expected = 2.0 * (4.0 / 2.0) ** ((3.2 - 2.7) / (3.2 - 2.2))
    assert cost_to_reach(2.7, bumpy).spent == pytest.approx(expected)
    assert math.isclose(cost_to_reach(2.2, bumpy).spent, 4.0)


def test_a_cheap_run_that_is_better_than_asked_for_makes_the_answer_a_bound():
    tiny = [EndPoint("tiny", 0.5, 2.4), EndPoint("tiny", 1.0, 2.2)]
    assert cost_to_reach(2.5, [*SMALL, *tiny]) == Reached(0.5, exact=False)
    # Where another model is known to do it for less, that is the answer.
    assert cost_to_reach(2.9, [*SMALL, EndPoint("big", 4.0, 2.0)]).exact

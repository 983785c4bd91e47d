"""Which two runs a cost lies between, and costs of nothing."""

import pytest

from farthing.artifacts.cost_curve import EndPoint, between, cheapest_way, cost_to_reach

SHORT = EndPoint("a", 1.0, 3.0, "short")
LONG = EndPoint("a", 4.0, 2.0, "long")


def test_the_way_names_both_runs_and_how_far_between_them_the_loss_lies():
    way = cheapest_way(2.5, [LONG, SHORT])
    assert (way.before, way.point, way.share) == (SHORT, LONG, pytest.approx(0.5))
    assert way.reached == cost_to_reach(2.5, [LONG, SHORT])


def test_the_shortest_run_has_nothing_before_it():
    way = cheapest_way(3.5, [LONG, SHORT])
    assert (way.before, way.point.name, way.reached.exact) == (None, "short", False)


def test_between_is_the_geometric_mean_half_way_and_never_below_a_free_run():
    assert between(1.0, 4.0, 0.5) == pytest.approx(2.0)
    # A price of zero has no logarithm: the higher end is the most that it can cost.
    assert between(0.0, 4.0, 0.5) == 4.0
    free = [EndPoint("a", 0.0, 3.0), EndPoint("a", 0.0, 2.0)]
    assert cost_to_reach(2.5, free).spent == 0.0

"""Limits of money, time, energy and carbon on one scale: the tightest comes first."""

import pytest

from farthing.errors import PlanError
from farthing.quantity import assumed
from farthing.stages.plan.config import PlanConfig
from farthing.stages.plan.limits import PoolRates, limits_of


def _rates(**changes):
    given = {
        "usd": {"on_demand": assumed(20.0, "USD/h", "a list"), "spot": assumed(5.0, "USD/h", "it")},
        "no_price": {},
        "kwh": assumed(10.0, "kWh", "design power"),
        "kg": assumed(4.0, "kg", "a grid"),
        "kg_range": None,
        "embodied_kg": assumed(1.0, "kg", "making"),
        "unknown": {},
    }
    return PoolRates(**{**given, **changes})


def test_each_limit_leaves_its_hours_and_the_tightest_is_first():
    config = PlanConfig(budget_usd=100, hours=7, kwh=40, kg_co2e=100)
    found = limits_of(config, _rates())
    assert [(limit.name, limit.hours) for limit in found] == [
        ("energy", 4.0),
        ("budget", 5.0),
        ("deadline", 7.0),
        ("carbon", 20.0),
    ]


def test_the_budget_is_at_the_price_of_its_basis():
    (limit,) = limits_of(PlanConfig(budget_usd=100, basis="spot"), _rates())
    assert limit.hours == 20
    assert "$100 spot" in limit.words


def test_carbon_counts_the_making_where_it_is_known():
    (limit,) = limits_of(PlanConfig(kg_co2e=100), _rates(embodied_kg=None))
    assert limit.hours == 25


def test_a_limit_on_what_nobody_knows_is_refused_with_the_reason():
    rates = _rates(kg=None, unknown={"kg": "no grid is named"})
    with pytest.raises(PlanError, match="no grid is named") as caught:
        limits_of(PlanConfig(kg_co2e=5), rates)
    assert "--grid" in caught.value.remedy


def test_a_budget_for_devices_that_cost_nothing_bounds_nothing():
    free = _rates(usd={"on_demand": assumed(0.0, "USD/h", "yours")})
    with pytest.raises(PlanError, match="cost nothing"):
        limits_of(PlanConfig(budget_usd=5), free)


@pytest.mark.parametrize(
    "wrong",
    [
        {"budget_usd": -5},
        {"budget_usd": 0},
        {"budget_usd": 1e20},
        {"hours": -1},
        {"kwh": 0},
        {"kg_co2e": -3},
        {"bpb": 99},
        {"text_tokens": 0},
        {"members": 0},
        {"members": 30},
    ],
)
def test_absurd_limits_are_refused_with_what_would_be_right(wrong):
    with pytest.raises(PlanError) as caught:
        PlanConfig(**wrong)
    assert caught.value.remedy

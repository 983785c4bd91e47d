"""What a few seeds can say, against textbook values and against simulation."""

import math

import numpy as np
import pytest

from farthing.studies.statistics import Ratio, Sample, paired, seeds_needed

# Student's t at 95 %, one-sided, as tables print it.
T_95 = {1: 6.314, 4: 2.132, 9: 1.833}


@pytest.mark.parametrize("count", [2, 5, 10])
def test_bounds_are_those_of_students_t(count):
    values = tuple(np.random.default_rng(count).normal(size=count))
    sample = Sample(values)
    reach = T_95[count - 1] * np.std(values, ddof=1) / math.sqrt(count)
    assert sample.upper == pytest.approx(np.mean(values) + reach, rel=1e-3)
    assert sample.lower == pytest.approx(np.mean(values) - reach, rel=1e-3)


def test_one_seed_has_no_spread_no_bound_and_no_chance():
    sample = Sample((1.5,))
    assert sample.mean == 1.5
    nothing = (sample.deviation, sample.upper, sample.lower, sample.chance_above_zero())
    assert nothing == (None,) * 4


def test_differences_are_paired_by_seed():
    assert paired((1.0, 2.0), (0.5, 2.5)).values == (0.5, -0.5)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        paired((1.0, 2.0), (0.5,))


def test_the_chance_is_that_of_data_without_any_effect():
    """Of samples around zero, one in twenty is called better at 5 %: no more, no less."""
    random = np.random.default_rng(0)
    called = [
        Sample(tuple(row)).chance_above_zero() < 0.05 for row in random.normal(size=(4000, 5))
    ]
    assert np.mean(called) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize(("value", "chance"), [(-0.1, 0.0), (0.0, 1.0), (0.1, 1.0)])
def test_equal_values_leave_nothing_to_chance(value, chance):
    assert Sample((value,) * 3).chance_above_zero() == chance


def test_ratios_are_averaged_on_the_logarithm():
    ratio = Ratio.of((2.0, 8.0), (1.0, 1.0))
    assert ratio.mean == pytest.approx(4.0)
    assert ratio.lower == pytest.approx(math.exp(math.log(4) - T_95[1] * math.log(2)), rel=1e-3)
    assert Ratio.of((1.0,), (3.0,)).lower is None


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_as_many_seeds_as_asked_for_see_the_effect_four_times_out_of_five(times):
    deviation, effect = 0.01, 0.01 * times
    count = seeds_needed(deviation, effect)
    random = np.random.default_rng(1)

    def power(seeds):
        rows = random.normal(-effect, deviation, size=(3000, seeds))
        return np.mean([Sample(tuple(row)).chance_above_zero() < 0.05 for row in rows])

    assert power(count) > 0.78
    assert count == 2 or power(count - 1) < 0.82


def test_seeds_that_agree_exactly_need_no_more_than_two():
    assert seeds_needed(0.0, 0.1) == 2

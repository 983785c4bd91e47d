"""The family that fills the hours: sized by rule where no law reaches, by the law where it does."""

import dataclasses

import pytest

from farthing.errors import PlanError
from farthing.predict.law import shipped_law
from farthing.predict.sizes import family_of
from farthing.quantity import estimated
from farthing.stages.plan.goal import check_within, least_for
from farthing.stages.plan.limits import Limit
from farthing.stages.plan.sizing import StepFlops, World, outside, predicted, size_for, sized

# FLOP/s of the imagined machine.
SPEED = 1e12


def _world(speed=SPEED, **changes):
    def flops(family, steps, sequences):
        del steps
        tokens = sequences * family.model.context
        return StepFlops(passes=6.0 * family.active * tokens, optimizer=0.0)

    def seconds(family, sequences, step):
        del family, sequences
        return estimated(
            step.total / speed,
            "s",
            "imagined",
            low=0.8 * step.total / speed,
            high=1.3 * step.total / speed,
        )

    return World(
        step_flops=flops,
        step_seconds=seconds,
        law=shipped_law(),
        **{"members": 4, **changes},
    )


@pytest.mark.parametrize("hours", [1.0, 30.0, 1000.0])
def test_the_hours_are_filled_and_never_passed(hours):
    run, _ = size_for(_world(speed=1e15), hours)
    assert 0.97 * hours < run.hours.value <= hours
    assert run.hours.low < run.hours.value < run.hours.high


def test_beyond_the_law_the_size_is_that_of_twenty_tokens_a_parameter():
    run, chosen_by = size_for(_world(speed=1e15), 100.0)
    # 6 N D = 6 x 20 N^2 FLOPs.
    expected = (100 * 3600 * 1e15 / 120) ** 0.5
    assert run.family.active == pytest.approx(expected, rel=0.15)
    assert run.tokens / run.family.active == pytest.approx(20, rel=0.3)
    assert "by rule" in chosen_by


def test_where_the_law_reaches_no_size_beside_is_better_by_it():
    world = _world()
    run, chosen_by = size_for(world, 0.1)
    assert "law's best" in chosen_by
    best = predicted(world.law, run, run.family.members[0]).value
    for factor in (0.35, 0.7, 1.4, 2.8):
        other, _ = size_for(
            dataclasses.replace(world, family=family_of(run.family.active * factor)), 0.1
        )
        assert predicted(world.law, other, other.family.members[0]).value > 0.995 * best


def test_more_hours_give_a_larger_family_on_more_text():
    small, _ = size_for(_world(speed=1e15), 10.0)
    large, _ = size_for(_world(speed=1e15), 20.0, near=small.family.active)
    assert large.family.active > small.family.active
    assert large.tokens > small.tokens


def test_little_text_is_read_four_times_at_most_by_a_larger_family():
    rich, _ = size_for(_world(speed=1e15), 10.0)
    poor, _ = size_for(_world(speed=1e15, text_tokens=rich.tokens / 40), 10.0)
    assert poor.tokens <= 4.001 * rich.tokens / 40
    assert poor.family.active > rich.family.active


def test_a_family_that_the_devices_do_not_hold_is_not_chosen():
    run, chosen_by = size_for(_world(speed=1e15, most_active=1e8), 100.0)
    assert run.family.active == pytest.approx(1e8, rel=0.15)
    assert "memory" in chosen_by
    assert run.hours.value == pytest.approx(100, rel=0.03)


def test_sizes_of_the_users_own_stay_and_the_steps_fill_the_hours():
    own = family_of(3e8)
    run, chosen_by = size_for(_world(speed=1e15, family=own), 50.0)
    assert run.family == own
    assert run.hours.value == pytest.approx(50, rel=0.03)
    assert "yours" in chosen_by


def test_too_few_hours_are_refused_with_what_the_smallest_takes():
    with pytest.raises(PlanError, match="minutes"):
        size_for(_world(speed=1e6), 0.001)


def test_a_batch_is_shared_evenly_by_the_devices():
    world = _world(speed=1e15, devices=24)
    run = sized(world, family_of(1e9), 2e10)
    assert run.batch_sequences % 24 == 0


def test_a_goal_is_reached_by_the_size_that_takes_the_fewest_hours():
    world = _world()
    run, _ = least_for(world, 1.8, beyond=False)
    assert predicted(world.law, run, run.family.members[0]).value == pytest.approx(1.8, abs=0.02)
    assert outside(world.law, run) is None
    for factor in (0.5, 2.0):
        fixed = dataclasses.replace(world, family=family_of(run.family.active * factor))
        other, _ = least_for(fixed, 1.8, beyond=False)
        assert other.hours.value > 0.97 * run.hours.value


def test_a_goal_beyond_the_law_is_refused_with_its_sentence():
    with pytest.raises(PlanError, match="law"):
        least_for(_world(), 0.9, beyond=False)


def test_a_goal_takes_no_more_text_than_there_is():
    with pytest.raises(PlanError, match="text"):
        least_for(_world(text_tokens=1e5), 1.7, beyond=False)


def test_a_goal_that_the_limits_do_not_pay_for_is_refused():
    run, _ = least_for(_world(), 1.8, beyond=False)
    limit = Limit("deadline", "a little", run.hours.value / 2)
    with pytest.raises(PlanError, match="deadline") as caught:
        check_within(run, (limit,), 1.8)
    assert "2 times" in caught.value.remedy
    check_within(run, (Limit("deadline", "enough", run.hours.value * 2),), 1.8)

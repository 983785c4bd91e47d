"""Warm-up, stable, decay: values worked out by hand."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.stages.train.config import ScheduleConfig
from farthing.stages.train.schedule import rate_share


def _all(steps, **settings):
    schedule = ScheduleConfig(**settings)
    return [rate_share(step, steps, schedule) for step in range(steps)]


def test_ten_steps_with_two_of_warmup_and_four_of_decay():
    shares = _all(10, warmup_share=0.2, decay_share=0.4, final_share=0.0)
    assert shares == pytest.approx([0.5, 1, 1, 1, 1, 1, 4 / 5, 3 / 5, 2 / 5, 1 / 5])


def test_the_rate_falls_towards_the_final_share_from_above():
    shares = _all(10, warmup_share=0.0, decay_share=0.4, final_share=0.5)
    assert shares == pytest.approx([1] * 6 + [0.9, 0.8, 0.7, 0.6])


def test_without_warmup_and_decay_the_rate_is_constant():
    assert _all(7, warmup_share=0.0, decay_share=0.0) == [1.0] * 7


def test_a_whole_run_can_be_warmup():
    assert _all(4, warmup_share=1.0, decay_share=0.0) == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_a_whole_run_can_be_decay():
    assert _all(4, warmup_share=0.0, decay_share=1.0) == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_a_cosine_falls_as_nanogpt_does():
    steps, warmup, lowest = 40, 10, 0.1
    shares = _all(steps, warmup_share=0.25, decay_share=0.75, final_share=0.1, decay_shape="cosine")
    # Its decay_ratio runs over lr_decay_iters - warmup_iters and is 0 right after the warm-up.
    for step in range(warmup, steps):
        ratio = (step - warmup) / (steps - warmup)
        expected = lowest + 0.5 * (1 + math.cos(math.pi * ratio)) * (1 - lowest)
        assert shares[step] == pytest.approx(expected)
    assert shares[:warmup] == pytest.approx([(step + 1) / warmup for step in range(warmup)])


SHARES = st.integers(0, 100)


@given(st.integers(1, 300), SHARES, SHARES, SHARES, st.sampled_from(["linear", "cosine"]))
def test_the_rate_rises_then_falls_and_is_never_zero(steps, warmup, decay, final, shape):
    shares = _all(
        steps,
        decay_shape=shape,
        warmup_share=warmup / 100,
        decay_share=min(decay, 100 - warmup) / 100,
        final_share=final / 100,
    )
    assert all(0 < share <= 1 for share in shares)
    peak = shares.index(max(shares))
    assert all(earlier <= later for earlier, later in pairwise(shares[: peak + 1]))
    assert all(earlier >= later for earlier, later in pairwise(shares[peak:]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"warmup_share": 0.7, "decay_share": 0.4}, "overlap"),
        ({"warmup_share": -0.1}, "warmup_share = -0.1"),
        ({"decay_share": 1.5}, "decay_share = 1.5"),
        ({"final_share": 2.0}, "final_share = 2.0"),
    ],
)
def test_phases_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(ScheduleConfig, settings, where="recipe")
    assert message in str(caught.value)

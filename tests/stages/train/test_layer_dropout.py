"""Layer dropout: its mean is the rate, whatever its profile."""

import math

import pytest

from farthing.errors import ConfigError
from farthing.stages.train.elastic_config import LayerDropoutConfig
from farthing.stages.train.layer_dropout import LayerDropout

LAYERS = (5, 3, 1, 4, 2)
FIRST, STEPS = 10, 50


def _dropout(**settings):
    return LayerDropout(LayerDropoutConfig(**settings), LAYERS, first=FIRST, steps=STEPS)


@pytest.mark.parametrize("profile", ["even", "rising"])
@pytest.mark.parametrize("time", ["constant", "rising", "falling"])
def test_the_mean_over_layers_and_steps_is_the_rate(profile, time):
    dropout = _dropout(rate=0.21, profile=profile, time=time)
    every = [dropout.probability(layer, step) for layer in LAYERS for step in range(FIRST, STEPS)]
    assert math.fsum(every) / len(every) == pytest.approx(0.21, rel=1e-12)
    assert all(0 <= probability <= 1 for probability in every)


def test_a_rising_profile_is_linear_in_depth():
    dropout = _dropout(rate=0.1, profile="rising")
    by_layer = [dropout.probability(layer, 20) for layer in sorted(LAYERS)]
    assert by_layer == pytest.approx([0.02, 0.06, 0.10, 0.14, 0.18])


@pytest.mark.parametrize(
    ("time", "ends"), [("rising", (0.005, 0.395)), ("falling", (0.395, 0.005))]
)
def test_time_is_linear_in_the_elastic_steps(time, ends):
    dropout = _dropout(rate=0.2, time=time)
    assert dropout.probability(1, FIRST) == pytest.approx(ends[0])
    assert dropout.probability(1, STEPS - 1) == pytest.approx(ends[1])
    middle = (dropout.probability(1, 29) + dropout.probability(1, 30)) / 2
    assert middle == pytest.approx(0.2)


def test_a_rate_that_would_need_more_than_certainty_is_refused_with_one_that_fits():
    with pytest.raises(ConfigError) as caught:
        _dropout(rate=0.6, profile="rising")
    assert "rate of 0.6" in caught.value.what
    assert "1.08" in caught.value.what
    assert "lower the rate to 0.556" in caught.value.remedy
    _dropout(rate=0.5555, profile="rising")


def test_a_model_whose_layers_must_all_stay_is_refused():
    with pytest.raises(ConfigError, match=r"train\.elastic\.layer_dropout: no layer"):
        LayerDropout(LayerDropoutConfig(rate=0.1), (), first=0, steps=5)

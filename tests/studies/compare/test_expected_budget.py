"""What a budget adds up step by step is what the expectation says beforehand."""

import pytest
from tiny_models import MANY_SIZES

from farthing.flow import RunConfig
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.train.config import OptimizerConfig, TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.elastic_expectation import expected_step_flops
from farthing.studies.compare.budget import run_flops, step_flops

VOCAB, STEPS = 40, 6000
AXES = {"depths": (4, 6), "expert_counts": (4, 8), "top_ks": (1, 2)}
CHOICES = {
    "axes apart": AXES,
    "whole sizes": {"sizes": ("4L-4E-1K", "6L-8E-2K"), "full_probability": 0.6},
    "sandwich, taught, late": AXES
    | {"passes": ("full", "draw"), "distill_weight": 0.5, "onset": 0.5},
}


def _run(elastic):
    return RunConfig(
        name="budget",
        model=MANY_SIZES,
        # AdamW has no matrix products: what is left is the model's.
        train=TrainConfig(
            steps=STEPS,
            batch_sequences=2,
            elastic=elastic,
            optimizer=OptimizerConfig(matrix_optimizer="adamw", matrix_learning_rate=1e-3),
        ),
        evaluate=EvaluateConfig(members=("8L",)),
    )


@pytest.mark.parametrize("elastic", CHOICES.values(), ids=CHOICES.keys())
def test_the_budget_of_many_steps_is_that_many_expected_steps(elastic):
    run, plain = _run(ElasticConfig(**elastic)), _run(None)
    full = expected_step_flops(plain.train, MANY_SIZES, VOCAB)
    assert step_flops(plain, VOCAB) == pytest.approx(full, rel=1e-12)
    expected = expected_step_flops(run.train, MANY_SIZES, VOCAB)
    assert abs(expected / full - 1) > 0.1, "these settings change what a step costs"
    # A step varies by two fifths at most: four standard errors of the mean.
    within = 4 * 0.4 / STEPS**0.5
    assert run_flops(run, VOCAB) / STEPS == pytest.approx(expected, rel=within)


def test_without_elasticity_both_agree_to_the_last_flop():
    plain = _run(None)
    assert run_flops(plain, VOCAB) == pytest.approx(STEPS * step_flops(plain, VOCAB), rel=1e-12)

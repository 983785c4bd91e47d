"""The expected FLOPs of elastic steps are the mean over what the schedule really draws."""

import itertools
import json
import math
from fractions import Fraction

import pytest
from tiny_models import MANY_SIZES

from farthing.errors import ConfigError
from farthing.model.shape import Shape
from farthing.stages.train.config import ScheduleConfig, TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.elastic_expectation import _of_random_subset, expected_step_flops
from farthing.stages.train.elastic_schedule import ElasticSchedule, StepPlan
from farthing.stages.train.passes import own_students, plan_flops

VOCAB, BATCH, STEPS = 37, 4, 4_000
SIZES = {"depths": (4, 6, 7), "expert_counts": (2, 8), "top_ks": (1, 3)}
NEVER = {"depth_probability": 0.0, "experts_probability": 0.0, "top_k_probability": 0.0}
DROPOUT = {"rate": 0.2, "profile": "rising"}
DENSE = MANY_SIZES.model_copy(update={"num_experts": 0, "top_k": 0, "num_dense_layers": 1})

SETTINGS = {
    "axes apart": SIZES,
    "weights": SIZES
    | {"depth_weights": (1, 2, 5), "expert_count_weights": (3, 1), "top_k_weights": (1, 4)},
    "full probability": SIZES | {"full_probability": 0.4},
    "never full": SIZES | {"full_probability": 0.0, "depth_probability": 0.0},
    "whole sizes": {
        "sizes": ("4L-2E-1K", "8L-8E-2K", "7L-16E-1K"),
        "size_weights": (5, 1, 2),
        "full_probability": 0.3,
    },
    "a top-k for each layer": SIZES | {"top_k_scope": "layer", "top_k_probability": 0.7},
    "restricted layers": SIZES | {"restricted_layers": 4, "experts_probability": 0.6},
    "random subsets": SIZES | {"layer_subset": "random", "expert_subset": "random"},
    "layer dropout": SIZES | {"layer_dropout": DROPOUT},
    "dropout of random layers, some restricted": SIZES
    | {
        "layer_dropout": DROPOUT,
        "layer_subset": "random",
        "restricted_layers": 3,
        "experts_probability": 0.8,
        "depth_probability": 0.6,
    },
    "dropout that rises, some restricted": SIZES
    | {
        "layer_dropout": DROPOUT | {"time": "rising"},
        "restricted_layers": 5,
        "experts_probability": 0.8,
        "onset": 0.4,
    },
    "dropout alone": NEVER | {"layer_dropout": DROPOUT, "full_probability": 0.25},
    "late onset": SIZES | {"onset": 0.7},
    "while the rate decays": SIZES | {"onset": "decay"},
    "two draws and the smallest": SIZES | {"passes": ("draw", "smallest", "draw")},
    "sandwich, taught by the full shape": SIZES
    | {"passes": ("full", "draw", "smallest"), "distill_weight": 0.5},
    "taught by a pass of its own": SIZES | {"distill_weight": 0.5, "full_probability": 0.5},
    "lists with the full size, taught": {
        "depths": (4, 8),
        "expert_counts": (2, 16),
        "top_ks": (1, 4),
        "depth_probability": 0.5,
        "experts_probability": 0.9,
        "top_k_probability": 0.9,
        "top_k_scope": "layer",
        "passes": ("draw", "draw"),
        "distill_weight": 1.0,
    },
    "dropout that falls, taught": SIZES
    | {"layer_dropout": DROPOUT | {"time": "falling"}, "distill_weight": 0.5},
}


def _train(steps=STEPS, seed=0, **elastic):
    return TrainConfig(
        steps=steps,
        batch_sequences=BATCH,
        seed=seed,
        schedule=ScheduleConfig(decay_share=0.3),
        elastic=ElasticConfig.model_validate_json(json.dumps(elastic)),
    )


class Planned:
    """FLOPs of plans, as training counts them; equal plans are counted once."""

    def __init__(self, train, model):
        self.train, self.model, self.known = train, model, {}

    def flops(self, plan):
        key = tuple(
            (
                len(shape.layers),
                *sorted(zip(map(self._count, shape.experts), shape.top_k, strict=True)),
            )
            for shape in plan.shapes
        )
        if key not in self.known:
            share = self.train.elastic.distill_weight
            tokens = BATCH * self.model.context
            self.known[key] = plan_flops(
                self.model,
                VOCAB,
                plan,
                students=len(own_students(plan, self.model, share)),
                teacher=self.model,
                tokens=tokens,
                attended_pairs=tokens * (self.model.context + 1) // 2,
            )
        return self.known[key]

    def _count(self, experts):
        return experts if isinstance(experts, int) else len(experts)


def _check(train, model):
    schedule, planned = ElasticSchedule(train, model), Planned(train, model)
    drawn = [planned.flops(schedule.plan(step)) for step in range(train.steps)]
    mean = math.fsum(drawn) / len(drawn)
    variance = math.fsum((flops - mean) ** 2 for flops in drawn) / (len(drawn) - 1)
    # Four standard errors: one false alarm in 16,000 settings.
    error = 4 * math.sqrt(variance / len(drawn))
    assert error < 0.04 * mean, "the draws say too little"
    assert expected_step_flops(train, model, VOCAB) == pytest.approx(mean, abs=error)


@pytest.mark.parametrize("elastic", SETTINGS.values(), ids=SETTINGS.keys())
def test_the_expectation_is_the_mean_of_what_is_drawn(elastic):
    _check(_train(**elastic), MANY_SIZES)


@pytest.mark.parametrize("subset", ["middle", "random"])
def test_a_model_without_experts_is_made_smaller_by_its_depth(subset):
    elastic = NEVER | {
        "depths": (4, 6),
        "depth_probability": 0.5,
        "layer_subset": subset,
        "layer_dropout": DROPOUT,
        "distill_weight": 0.5,
    }
    _check(_train(**elastic), DENSE)


def test_without_elastic_settings_every_step_is_full():
    train = TrainConfig(steps=10, batch_sequences=BATCH)
    full = StepPlan((Shape.full(MANY_SIZES),), (0,))
    tokens = BATCH * MANY_SIZES.context
    assert expected_step_flops(train, MANY_SIZES, VOCAB) == plan_flops(
        MANY_SIZES,
        VOCAB,
        full,
        students=0,
        teacher=MANY_SIZES,
        tokens=tokens,
        attended_pairs=tokens * (MANY_SIZES.context + 1) // 2,
    )


def test_a_tiny_setting_is_the_sum_over_all_its_draws_exactly():
    """Eight shapes, each with its probability as a fraction, costed one by one."""
    elastic = {
        "depths": (5,),
        "expert_counts": (2,),
        "top_ks": (3,),
        "depth_probability": 0.25,
        "experts_probability": 0.5,
        "top_k_probability": 0.125,
    }
    planned = Planned(_train(**elastic), MANY_SIZES)
    total = Fraction(0)
    for depth, experts, top_k in itertools.product((8, 5), (16, 2), (4, 3)):
        weight = Fraction(1, 4) if depth == 5 else Fraction(3, 4)
        weight *= Fraction(1, 2)
        weight *= Fraction(1, 8) if top_k == 3 else Fraction(7, 8)
        shape = Shape.uniform(MANY_SIZES, depth, experts, min(top_k, experts))
        total += weight * planned.flops(StepPlan((shape,), (0,)))
    assert expected_step_flops(planned.train, MANY_SIZES, VOCAB) == pytest.approx(
        float(total), rel=1e-14
    )


@pytest.mark.parametrize("taken", range(5))
def test_random_subsets_are_averaged_over_all_of_them(taken):
    chances = (0.9, 0.5, 0.25, 1.0)
    expected = [0.0] * (taken + 1)
    subsets = list(itertools.combinations(chances, taken))
    for subset in subsets:
        for runs in itertools.product((False, True), repeat=taken):
            pairs = zip(subset, runs, strict=True)
            expected[sum(runs)] += math.prod(p if run else 1 - p for p, run in pairs)
    found = _of_random_subset(chances, taken)
    assert found == pytest.approx([value / len(subsets) for value in expected])


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"train\.elastic\.depths: 9"):
        expected_step_flops(_train(**(SIZES | {"depths": (9,)})), MANY_SIZES, VOCAB)

"""The baselines differ from the quick start in the idea under test, and in nothing else."""

import pytest

from farthing.cost.parameters import count_parameters
from farthing.flow.config import RunConfig
from farthing.model.shape import Shape
from farthing.recipes.loader import load_recipe

BASELINES = ("baseline-nanogpt", "baseline-nanochat")


def _load(name):
    return load_recipe(name, [], RunConfig)


def _active(run):
    return count_parameters(run.model, run.corpus.vocab_size, Shape.full(run.model))


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_reads_what_the_quick_start_reads(name):
    baseline, quickstart = _load(name), _load("quickstart")
    assert baseline.corpus == quickstart.corpus
    for setting in ("steps", "batch_sequences", "mixture", "seed", "precision", "clip_norm"):
        assert getattr(baseline.train, setting) == getattr(quickstart.train, setting), setting
    assert baseline.model.context == quickstart.model.context
    assert baseline.evaluate.split == quickstart.evaluate.split


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_has_the_active_parameters_of_the_quick_start(name):
    baseline, quickstart = _active(_load(name)), _active(_load("quickstart"))
    share = baseline.active_non_embedding / quickstart.active_non_embedding
    assert share == pytest.approx(1, abs=0.06)
    assert baseline.active == baseline.total


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_is_dense_and_not_elastic(name):
    run = _load(name)
    assert run.model.num_experts == 0
    assert run.train.elastic is None
    assert [Shape.parse(text, run.model) for text in run.evaluate.members] == [
        Shape.full(run.model)
    ]

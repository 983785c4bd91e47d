"""Muon's products counted from sizes alone, against the count over real weights."""

import pytest
import torch

from farthing.cost.muon import muon_step_flops
from farthing.flow.config import RunConfig
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.recipes.loader import load_recipe
from farthing.stages.train.optimizer import mean_optimizer_flops


@pytest.mark.parametrize("recipe", ["quickstart", "smoke", "baseline-nanochat"])
@pytest.mark.parametrize("member", [None, "smallest"])
def test_the_count_from_sizes_is_that_over_the_weights(recipe, member):
    run = load_recipe(recipe, [], RunConfig)
    shapes = [Shape.full(run.model)]
    if member is not None:
        shapes = [Shape.parse(run.evaluate.members[-1], run.model)]
    tokens = run.train.batch_sequences * run.model.context
    with torch.device("meta"):
        model = Transformer(run.model, 4096, end_of_text=0)
    expected = mean_optimizer_flops(model, run.train.optimizer, tokens, shapes)
    counted = muon_step_flops(run.model, 4096, shapes, step_tokens=tokens)
    assert expected > 0
    assert counted == pytest.approx(expected, rel=1e-12)

"""One step: what it reads, what it says, and what it leaves alone."""

import math

import pytest
import torch
from tiny_models import TINY

from farthing.cost.flops import training_flops
from farthing.errors import ConfigError
from farthing.stages.train.assemble import assemble
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.recompute import GIB, measure, recomputed_flops
from farthing.text.batches import Batches

CPU = torch.device("cpu")

ELASTIC = ElasticConfig(
    depths=(3,), expert_counts=(2,), top_ks=(1,), expert_subset="random", depth_probability=0.5
)


@pytest.fixture
def batches(corpus):
    return Batches(corpus, context=TINY.context, weights=None, seed=3)


@pytest.fixture
def build(corpus, batches):
    def make(**changes):
        config = TrainConfig(
            **{"steps": 8, "batch_sequences": 4, "micro_sequences": 2, "seed": 3} | changes
        )
        end = corpus.tokenizer.end_of_text
        return assemble(config, TINY, batches, CPU, rows=corpus.vocab_size, end_of_text=end)

    return make


def _train(made, steps, feed=None):
    guard = LossGuard(100.0)
    return [made.step.run(number, guard, feed) for number in range(steps)]


def _state(model):
    return {
        name: tensor.clone() for name, tensor in [*model.named_parameters(), *model.named_buffers()]
    }


@pytest.mark.parametrize("ahead", [None, 0, 2])
def test_a_feed_changes_nothing_but_who_reads(build, ahead):
    alone, fed = build(elastic=ELASTIC), build(elastic=ELASTIC)
    expected = _train(alone, 4)
    with fed.step.feed(range(4), ahead=ahead) as feed:
        assert _train(fed, 4, feed) == expected
    for name, tensor in _state(alone.model).items():
        assert torch.equal(tensor, _state(fed.model)[name]), name


def test_the_loss_is_the_mean_of_the_micro_batches_before_the_update(build):
    made, twin = build(), build(micro_sequences=4)
    result = _train(made, 1)[0]
    assert result.loss == pytest.approx(twin.step.forward_only(4).item(), abs=1e-5)
    assert result.loss == pytest.approx(math.log(twin.model.vocab_size), abs=1e-5)


def test_the_load_ratio_is_that_of_the_worst_layer_that_took_part(build):
    made = build()
    seen = []
    routers = [block.router for block in made.model.sparse_blocks()]
    for router in routers:
        router.end_step = lambda _rate, router=router: seen.append(
            router.load.max() / router.load[router.present].mean()
        )
    result = _train(made, 1)[0]
    assert len(seen) == len(routers)
    assert result.load_ratio == pytest.approx(float(max(seen)))


def test_layers_that_sat_out_have_no_part_in_the_load_ratio(build):
    shallow = ElasticConfig(
        depth_probability=1.0,
        depths=(2,),
        experts_probability=1.0,
        expert_counts=(2,),
        top_k_probability=0,
    )
    result = _train(build(elastic=shallow), 1)[0]
    assert len(result.shapes[0].layers) == 2
    assert result.load_ratio == 1.0, "two experts of two, top-2"


def test_a_gradient_that_is_no_number_stops_the_update(build):
    made = build()
    before = _state(made.model)
    made.model.norm.weight.register_hook(lambda grad: grad * math.nan)
    result = made.step.run(0, LossGuard(100.0))
    assert result.complaint == "the gradient norm is nan"
    assert result.optimizer_flops == 0
    for name, weight in made.model.named_parameters():
        assert torch.equal(weight, before[name]), name


def test_a_rehearsal_leaves_nothing_behind(build):
    made = build()
    _train(made, 2)
    before, randomness = _state(made.model), torch.get_rng_state()
    held = {name: t.clone() for name, t in made.optimizer.state_tensors().items()}
    made.step.rehearse()
    assert all(weight.grad is None for weight in made.model.parameters())
    for name, tensor in _state(made.model).items():
        assert torch.equal(tensor, before[name]), name
    for name, tensor in made.optimizer.state_tensors().items():
        assert torch.equal(tensor, held[name]), name
    assert torch.equal(torch.get_rng_state(), randomness)
    assert made.model.training


def test_a_budget_for_activations_recomputes_layers_and_counts_them_apart(build, batches):
    plain = build(precision="fp32")
    held = measure(list(plain.model.layers), plain.step.forward_only)
    budget = sum(layer.saved(2) for layer in held) - 1
    tight = build(precision="fp32", activation_gib=budget / GIB)
    assert len(tight.step.recomputed) == 1
    assert plain.step.recomputed == frozenset()
    pairs = sum(batches.batch(first, 2).attended_pairs for first in tight.step.micro_batches(0))
    expected = {"tokens": 4 * TINY.context, "attended_pairs": pairs}
    for step, (one, other) in enumerate(zip(_train(plain, 3), _train(tight, 3), strict=True)):
        assert (one.loss, one.grad_norm, one.flops) == (other.loss, other.grad_norm, other.flops)
        assert one.recomputed_flops == 0
        if step == 0:
            again = recomputed_flops(TINY, one.shapes[0], tight.step.recomputed, **expected)
            assert other.recomputed_flops == again > 0
            rows = tight.model.vocab_size
            assert other.flops == training_flops(TINY, rows, one.shapes[0], **expected)


def test_a_budget_that_holds_nothing_is_refused(build):
    with pytest.raises(ConfigError, match=r"activation_gib 9.31e-10 holds no micro-batch of 2"):
        build(activation_gib=1e-9)

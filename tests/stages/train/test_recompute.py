"""Recomputed layers change memory and work, never results."""

import pytest
import torch

from farthing.cost.flops import forward_flops
from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.recompute import (
    LayerBytes,
    choose_layers,
    measure,
    peak_bytes,
    recompute,
    recomputed_flops,
)

VOCAB, SEQUENCES = 50, 4
CONFIG = ModelConfig(
    num_layers=4,
    num_dense_layers=1,
    hidden_dim=64,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    dense_ffn_dim=128,
    num_experts=6,
    expert_dim=32,
    num_shared_experts=1,
    top_k=2,
    context=64,
)
TOKENS_BW = torch.randint(0, VOCAB, (SEQUENCES, 65), generator=torch.Generator().manual_seed(0))


def _model(recomputed=()):
    model = Transformer(CONFIG, VOCAB, end_of_text=0).train()
    initialize(model, seed=0)
    for layer in recomputed:
        recompute(model.layers[layer])
    return model


def _loss(model, sequences=SEQUENCES, shape=None):
    tokens_BW = TOKENS_BW[:sequences]
    return model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:], shape)


def _measured(model):
    return measure(model.layers, lambda sequences: _loss(model, sequences))


class Held:
    """Bytes that autograd holds when the forward pass has ended, weights left out."""

    def __init__(self, model):
        self.weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        self.tensors = []

    def __enter__(self):
        self.hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, lambda tensor: tensor)
        self.hooks.__enter__()
        return self

    def __exit__(self, *details):
        self.hooks.__exit__(*details)

    def _pack(self, tensor):
        self.tensors.append(tensor)
        return tensor

    def bytes(self):
        storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in self.tensors}
        return sum(
            storage.nbytes() for place, storage in storages.items() if place not in self.weights
        )


@pytest.mark.parametrize("recomputed", [(0,), (1, 3), (0, 1, 2, 3)])
def test_losses_gradients_and_router_counts_stay_the_same(recomputed):
    plain, checkpointed = _model(), _model(recomputed)
    for shape in (None, Shape.parse("3L-3E-1K", CONFIG)):
        for _micro_batch in range(2):
            losses = [_loss(model, shape=shape) for model in (plain, checkpointed)]
            for loss in losses:
                loss.backward()
            assert torch.equal(*losses)
        for expected, actual in zip(plain.parameters(), checkpointed.parameters(), strict=True):
            assert (expected.grad is None) == (actual.grad is None)
            if expected.grad is not None:
                torch.testing.assert_close(actual.grad, expected.grad, atol=0, rtol=0)
        for expected, actual in zip(plain.buffers(), checkpointed.buffers(), strict=True):
            assert torch.equal(actual, expected)
    counted = [block.router.load.sum() for block in checkpointed.sparse_blocks()]
    assert max(counted) == 2 * SEQUENCES * 64 * 2 + 2 * SEQUENCES * 64 * 1


@pytest.mark.parametrize("recomputed", [(0,), (2, 3), (0, 1, 2, 3)])
def test_held_bytes_fall_as_predicted(recomputed):
    model, checkpointed = _model(), _model(recomputed)
    held = _measured(model)
    bytes_ = []
    for each in (model, checkpointed):
        with Held(each) as holding:
            loss = _loss(each)
        bytes_.append(holding.bytes())
        loss.backward()
    fall = sum(held[i].saved(SEQUENCES) - held[i].input(SEQUENCES) for i in recomputed)
    assert bytes_[0] - bytes_[1] == pytest.approx(fall, rel=0.05)
    # Next to nothing is held outside of the layers: embedding, last norm, loss.
    assert sum(layer.saved(SEQUENCES) for layer in held) == pytest.approx(bytes_[0], rel=0.05)


def test_measuring_leaves_no_count_and_no_hook_behind():
    model = _model()
    before = [buffer.clone() for buffer in model.buffers()]
    held = _measured(model)
    assert all(torch.equal(*pair) for pair in zip(model.buffers(), before, strict=True))
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in model.layers)
    assert [layer.input_per_sequence for layer in held] == [64 * 64 * 4] * 4
    assert all(layer.per_sequence > 10 * layer.input_per_sequence for layer in held)


def test_as_few_layers_recompute_as_the_budget_needs():
    held = [LayerBytes(fixed=10, per_sequence=100, input_per_sequence=5)] * 4
    everything = peak_bytes(held, 2, ())
    assert everything == 4 * 210
    assert choose_layers(held, 2, everything) == frozenset()
    # The first layer is recomputed last, when the other three are gone.
    assert peak_bytes(held, 2, {0}) == 10 + 3 * 210
    assert choose_layers(held, 2, everything - 1) == {0}
    assert choose_layers(held, 2, 10 + 3 * 210 - 1) == {0, 1}
    assert choose_layers(held, 2, 3 * 10 + 210) == {0, 1, 2}
    # Recomputing the last one as well saves nothing: it is held in full either way.
    assert peak_bytes(held, 2, {0, 1, 2, 3}) == 3 * 10 + 210
    with pytest.raises(ConfigError, match=r"micro-batch of 2 sequences.*still takes(?s:.*)remedy"):
        choose_layers(held, 2, 3 * 10 + 209)


def test_the_layer_that_holds_most_goes_first():
    small = LayerBytes(fixed=0, per_sequence=50, input_per_sequence=5)
    large = LayerBytes(fixed=0, per_sequence=100, input_per_sequence=5)
    assert choose_layers([small, small, large, small], 1, 200) == {2}


def test_recomputation_is_billed_as_one_more_forward_pass_of_those_layers():
    work = {"tokens": 256, "attended_pairs": 5000}
    full = Shape.full(CONFIG)
    outside = forward_flops(CONFIG, VOCAB, full, **work) - forward_flops(CONFIG, 0, full, **work)
    everything = recomputed_flops(CONFIG, full, range(4), **work)
    assert everything == forward_flops(CONFIG, VOCAB, full, **work) - outside
    assert recomputed_flops(CONFIG, full, (), **work) == 0
    by_layer = [recomputed_flops(CONFIG, full, (layer,), **work) for layer in range(4)]
    assert sum(by_layer) == everything
    # Layers that a shape skips are not recomputed; the others at its experts and top-k.
    small = Shape.parse("layers=0,3/experts=3/top_k=1", CONFIG)
    dense = by_layer[0]
    part = recomputed_flops(CONFIG, small, (0, 1, 3), **work)
    assert part == forward_flops(CONFIG, 0, small, **work)
    assert dense < part < dense + by_layer[3]

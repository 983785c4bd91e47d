"""A balancing bias for each pair of experts that take part and top-k."""

import json

import pytest
import torch

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.cut import cut_config
from farthing.model.huggingface import write_tensors_of
from farthing.model.router import Router
from farthing.model.shape import Shape
from farthing.model.supernet import load_weights, save_weights
from farthing.model.transformer import Transformer

NUM_EXPERTS, HIDDEN = 6, 8
PAIRS = ((6, 1), (3, 2), (3, 1))


@pytest.fixture
def router():
    router = Router(NUM_EXPERTS, HIDDEN, 1.0, own_bias=PAIRS)
    with torch.no_grad():
        router.weight.copy_(10 * torch.eye(NUM_EXPERTS, HIDDEN))
    return router


def _send(router, counts, top_k=1):
    """Send `counts[e]` tokens to expert e first; with a higher top-k all choose one more."""
    ids = [expert for expert, count in counts.items() for _ in range(count)]
    taking_part = None if len(counts) == NUM_EXPERTS else torch.tensor(sorted(counts))
    router(torch.eye(HIDDEN)[ids], taking_part, top_k)


def _biases(router):
    return [router.balance_bias.tolist(), *router.pair_bias.tolist()]


NOTHING = [0.0] * NUM_EXPERTS


def test_each_pair_moves_its_own_bias_by_its_own_load(router):
    _send(router, {0: 3, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1})
    _send(router, {1: 1, 2: 5, 4: 3})
    router.end_step(0.5)
    assert _biases(router) == [
        NOTHING,
        [-0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
        NOTHING,
        [0.0, 0.5, -0.5, 0.0, 0.0, 0.0],
    ]
    assert not router.row_load.any()
    assert not router.row_present.any()


def test_passes_and_micro_batches_of_one_pair_add_up(router):
    _send(router, {1: 1, 2: 5, 4: 3})
    _send(router, {1: 7, 2: 1, 4: 1})
    router.end_step(1.0)
    # Loads 8, 6, 4: their mean is 6.
    assert router.pair_bias[2].tolist() == [0.0, -1.0, 0.0, 0.0, 1.0, 0.0]


def test_each_pair_chooses_by_its_own_bias(router):
    with torch.no_grad():
        router.weight.zero_()
    router.balance_bias[0] = router.pair_bias[0, 1] = 1.0
    router.pair_bias[2, 2] = router.pair_bias[1, 3] = router.pair_bias[1, 4] = 1.0
    tokens, every, three = torch.zeros(2, HIDDEN), None, torch.tensor([2, 3, 4])
    chosen = {
        (6, 1): router(tokens, every, 1)[0],
        (3, 1): router(tokens, three, 1)[0],
        (3, 2): router(tokens, three, 2)[0],
    }
    found = {pair: set(ids.flatten().tolist()) for pair, ids in chosen.items()}
    assert found == {(6, 1): {1}, (3, 1): {2}, (3, 2): {3, 4}}


def test_a_pair_without_a_bias_of_its_own_takes_and_moves_that_of_the_full_pair(router):
    router.balance_bias[4] = 99.0
    assert set(router(torch.zeros(3, HIDDEN), torch.tensor([1, 4]), 1)[0].flatten().tolist()) == {4}
    router.end_step(1.0)
    assert router.balance_bias.tolist() == [0.0, 1.0, 0.0, 0.0, 98.0, 0.0]
    assert router.pair_bias.count_nonzero() == 0
    assert torch.equal(router.bias_of(2, 1), router.balance_bias)
    assert torch.equal(router.bias_of(3, 2), router.pair_bias[1])


def test_the_totals_of_load_and_mass_are_those_of_a_shared_bias(router):
    shared = Router(NUM_EXPERTS, HIDDEN, 1.0)
    with torch.no_grad():
        shared.weight.copy_(router.weight)
    for one in (router, shared):
        _send(one, {1: 1, 2: 5, 4: 3})
        _send(one, {0: 3, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1})
    assert torch.equal(router.load, shared.load)
    assert torch.equal(router.present, shared.present)
    for one in (router, shared):
        one.end_step(0.1)
    assert torch.equal(router.mass, shared.mass)


def test_a_shared_bias_leaves_no_trace_in_the_state():
    assert set(Router(NUM_EXPERTS, HIDDEN, 1.0).state_dict()) == {"weight", "balance_bias", "mass"}


@pytest.fixture
def model(build, sparse_config):
    """Every pair of every router has another bias."""
    sizes = sparse_config.model_copy(update={"balance_pairs": ((6, 2), (4, 3), (4, 2))})
    made = build(sizes)
    source = torch.Generator().manual_seed(3)
    for block in made.sparse_blocks():
        block.router.pair_bias.copy_(torch.randn(3, 6, generator=source))
    return made.eval()


def test_a_saved_supernet_comes_back_with_its_biases(model, tmp_path):
    model = model.float()
    save_weights(model, tmp_path, {})
    other = Transformer(model.config, model.vocab_size, model.end_of_text)
    load_weights(other, tmp_path / "model.safetensors")
    for name, tensor in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name
    assert "layers.1.mlp.router.pair_bias" in model.state_dict()
    written = json.loads((tmp_path / "config.json").read_text())["model"]
    assert parse_config(ModelConfig, written, where="config.json") == model.config


@pytest.mark.parametrize("text", ["5L-6E-2K", "5L-4E-2K", "4L-4E-3K", "5L-6E-3K", "5L-3E-1K"])
def test_a_shape_computes_as_a_plain_model_whose_only_bias_is_its_own(
    build, model, draw_tokens, text
):
    shape = Shape.parse(text, model.config)
    plain = build(model.config.model_copy(update={"balance_pairs": ()})).eval()
    pair = (shape.experts[0], shape.top_k[0])
    for own, shared in zip(model.sparse_blocks(), plain.sparse_blocks(), strict=True):
        shared.router.balance_bias.copy_(own.router.bias_of(*pair))
    tokens_BT = draw_tokens(2, 10)
    assert torch.equal(model(tokens_BT, shape), plain(tokens_BT, shape))


def test_a_cut_out_model_has_one_bias(model):
    sizes = cut_config(model.config, Shape.parse("5L-4E-2K", model.config))
    assert sizes.balance_pairs == ()
    assert (sizes.num_experts, sizes.top_k) == (4, 2)


def test_what_other_tools_read_has_the_bias_of_the_full_pair(model):
    names = write_tensors_of(model)
    assert not any("pair_bias" in name for name in names)
    bias = names["model.layers.2.mlp.gate.e_score_correction_bias"]
    assert torch.equal(bias, model.sparse_blocks()[1].router.balance_bias)


def test_pairs_that_the_model_has_no_room_for_are_refused(sparse_config):
    data = sparse_config.model_dump(mode="json") | {"balance_pairs": [[2, 3]]}
    with pytest.raises(ConfigError, match=r"balance_pairs"):
        parse_config(ModelConfig, data, where="recipe")

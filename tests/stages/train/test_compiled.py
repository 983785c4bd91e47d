"""Compiled elastic training: a bounded number of graphs, the losses of plain layers."""

import functools

import pytest
import torch
from torch.nn.attention import flex_attention

from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.device import choose_device
from farthing.model.initialize import initialize
from farthing.model.kernels import attention, varlen
from farthing.model.transformer import Transformer
from farthing.stages.train.compiled import (
    bounded_graphs,
    compile_layers,
    graph_limit,
    graphs_compiled,
)
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_config import ElasticConfig
from farthing.stages.train.elastic_fit import balance_pairs
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.stages.train.recompute import recompute

pytestmark = pytest.mark.filterwarnings("ignore")
VOCAB, STEPS = 50, 20
SIZES = ModelConfig(
    num_layers=4,
    num_dense_layers=1,
    hidden_dim=32,
    num_heads=4,
    num_kv_heads=2,
    head_dim=8,
    dense_ffn_dim=64,
    num_experts=6,
    expert_dim=16,
    num_shared_experts=1,
    top_k=3,
    context=32,
)
ELASTIC = ElasticConfig(
    depth_probability=0.5,
    depths=(2, 3),
    experts_probability=0.5,
    expert_counts=(1, 2, 4),
    top_k_probability=0.5,
    top_ks=(1, 2),
)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def _traced_only(monkeypatch):
    """Traced and differentiated as ever, but no code generated: that would take minutes."""
    compile_with = functools.partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", lambda function, **_mode: compile_with(function))


def _model(elastic=ELASTIC):
    sizes = SIZES.model_copy(update={"balance_pairs": balance_pairs(elastic, SIZES)})
    model = Transformer(sizes, VOCAB, end_of_text=0).train()
    initialize(model, seed=0)
    return model


def _losses(model, steps, *, first=0):
    """Losses of forward and backward passes; every other batch has document boundaries."""
    schedule = ElasticSchedule(TrainConfig(steps=STEPS, batch_sequences=2, elastic=ELASTIC), SIZES)
    losses, graphs = [], []
    for step in range(first, first + steps):
        source = torch.Generator().manual_seed(step)
        tokens_BW = torch.randint(1 - step % 2, VOCAB, (2, 33), generator=source).to(
            model.norm.weight.device
        )
        loss = model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:], schedule.draw(step))
        loss.backward()
        losses.append(loss.item())
        graphs.append(graphs_compiled())
    return losses, graphs


def _assert_equal_training(compiled, plain):
    for expected, actual in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(actual.grad, expected.grad, atol=1e-4, rtol=1e-3)
    for expected, actual in zip(plain.sparse_blocks(), compiled.sparse_blocks(), strict=True):
        assert torch.equal(actual.router.load, expected.router.load)


@pytest.mark.slow
@pytest.mark.usefixtures("_traced_only")
@pytest.mark.parametrize("balance", ["shared", "by_size"])
def test_elastic_steps_meet_few_graphs_and_the_losses_of_plain_layers(balance):
    elastic = ELASTIC.model_copy(update={"balance": balance})
    plain, compiled = _model(elastic), _model(elastic)
    compile_layers(compiled, "blocks")
    before = graphs_compiled()
    with bounded_graphs(graph_limit(SIZES, elastic)):
        losses, graphs = _losses(compiled, STEPS)
    assert losses == pytest.approx(_losses(plain, STEPS)[0], abs=1e-5)
    _assert_equal_training(compiled, plain)
    # Each kind of step compiles the pieces of a layer once; then nothing is compiled any more.
    assert 0 < graphs[-1] - before <= graph_limit(SIZES, elastic)
    if balance == "shared":
        # Nine pairs of sizes need more steps to be met.
        assert graphs[-1] == graphs[STEPS * 3 // 4]


@pytest.mark.slow
@pytest.mark.usefixtures("_traced_only")
def test_recomputation_goes_around_compiled_layers():
    _compare_with_recomputation("blocks", "cpu")


@pytest.mark.slow
@pytest.mark.gpu
@pytest.mark.parametrize("mode", ["blocks", "graphs"])
def test_an_accelerator_gives_the_losses_of_plain_layers(mode):
    _compare_with_recomputation(mode, "auto")


def _compare_with_recomputation(mode, device):
    plain, both = (_model().to(choose_device(device)) for _ in range(2))
    compile_layers(both, mode)
    for layer in both.layers:
        recompute(layer)
    with bounded_graphs(graph_limit(SIZES, ELASTIC)):
        losses, _ = _losses(both, 3)
    assert losses == pytest.approx(_losses(plain, 3)[0], abs=1e-5)
    _assert_equal_training(both, plain)


@pytest.mark.slow
@pytest.mark.usefixtures("_traced_only")
def test_what_accelerators_compute_is_one_graph_for_each_kind_of_layer(monkeypatch):
    """FlexAttention with one mask for all layers, grouped products: nothing breaks the graph."""
    # Every expert is chosen: the last bits of bf16 decide nothing.
    wide = {"hidden_dim": 64, "head_dim": 16, "context": 160, "top_k": SIZES.num_experts}
    sizes = SIZES.model_copy(update=wide)

    def build():
        model = Transformer(sizes, VOCAB, end_of_text=0).train()
        initialize(model, seed=0)
        source = torch.Generator().manual_seed(1)
        for name, weight in model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight", "down_proj", "lm_head.weight")):
                weight.data.normal_(std=0.05, generator=source)
        for block in model.sparse_blocks():
            block.experts.path = "grouped"
        return model

    plain, compiled = build(), build()
    compile_layers(compiled, "blocks")
    before = graphs_compiled()
    breaks = torch._dynamo.utils.counters["graph_break"]
    breaks.clear()
    # This CPU as an accelerator.
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *_: None)
    monkeypatch.setattr(attention, "usable", lambda *_: False)
    for step in range(3):
        tokens_BW = torch.randint(0, VOCAB, (2, 161), generator=torch.Generator().manual_seed(step))
        losses = []
        for model, devices in ((plain, ()), (compiled, ("cpu",))):
            monkeypatch.setattr(varlen, "_FLEX_DEVICES", devices)
            with bounded_graphs(2), torch.autocast("cpu", dtype=torch.bfloat16):
                loss = model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:])
            loss.backward()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(losses[1], abs=5e-3)
    assert graphs_compiled() - before == 2
    assert not breaks
    for expected, actual in zip(plain.parameters(), compiled.parameters(), strict=True):
        assert (actual.grad - expected.grad).norm() < 0.05 * expected.grad.norm()


def test_one_graph_too_many_stops_the_run_and_says_what_to_do():
    model = _model()
    for layer in model.layers:
        layer.forward = torch.compile(layer.forward, backend="eager")
    with (
        pytest.raises(ConfigError, match=r"more than the 1 compiled(?s:.*)train.compile=off"),
        bounded_graphs(1),
    ):
        _losses(model, 4)
    assert not torch._dynamo.config.fail_on_recompile_limit_hit


def test_the_limit_counts_what_the_settings_can_draw():
    dense = SIZES.model_copy(update={"num_experts": 0})
    assert graph_limit(dense, None) == 4
    # One dense kind, and the full top-k over all experts.
    assert graph_limit(SIZES, None) == 4 * (1 + 1)
    # top-k 1, 2 and 3, over all experts, one, or some.
    assert graph_limit(SIZES, ELASTIC) == 4 * (1 + 3 * 3)

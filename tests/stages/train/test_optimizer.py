"""Both optimizers as one: who moves which weight, how far, and what a checkpoint must hold."""

import math

import pytest
import torch

from farthing.cost.flops import training_flops
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.optimizer import ModelOptimizer, mean_optimizer_flops

CONFIG = ModelConfig(
    num_layers=3,
    num_dense_layers=1,
    hidden_dim=16,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    dense_ffn_dim=24,
    num_experts=4,
    expert_dim=8,
    top_k=2,
    context=8,
)
RATES = OptimizerConfig(
    embedding_learning_rate=0.03, output_learning_rate=0.01, other_learning_rate=0.007
)


def _model(**changes):
    model = Transformer(CONFIG.model_copy(update=changes), 19, end_of_text=0)
    initialize(model, seed=0)
    return model


def _train(model, optimizer, steps, *, share=1.0):
    for step in steps:
        torch.manual_seed(step)
        tokens_BT = torch.randint(1, 19, (2, 9))
        shape = Shape.parse(("3L", "2L-2E-1K", "3L-3E-2K")[step % 3], model.config)
        model.mean_nats(tokens_BT[:, :-1], tokens_BT[:, 1:], shape).backward()
        optimizer.step(share, step)


def _names(model, optimizer):
    names = {weight: name for name, weight in model.named_parameters()}
    return {names[w] for group in optimizer.param_groups for w in group["params"]}


def test_muon_moves_hidden_matrices_and_adamw_everything_else():
    model = _model()
    optimizer = ModelOptimizer(model, RATES)
    projections = {f"self_attn.{kind}_proj.weight" for kind in "qkvo"}
    dense = {f"mlp.{kind}_proj.weight" for kind in ("gate", "up", "down")}
    experts = {f"mlp.experts.{kind}_proj" for kind in ("gate", "up", "down")}
    shared = {f"mlp.shared_experts.{kind}_proj.weight" for kind in ("gate", "up", "down")}
    hidden = {f"layers.0.{name}" for name in projections | dense}
    for layer in (1, 2):
        hidden |= {f"layers.{layer}.{name}" for name in projections | experts | shared}
    everything = {name for name, _ in model.named_parameters()}
    assert _names(model, optimizer.muon) == hidden
    assert _names(model, optimizer.adamw) == everything - hidden


@pytest.mark.parametrize(
    "changes",
    [{"num_experts": 0, "top_k": 0}, {"tie_embeddings": True}],
    ids=["dense", "tied"],
)
def test_every_weight_has_exactly_one_optimizer(changes):
    model = _model(**changes)
    optimizer = ModelOptimizer(model, RATES)
    muon, adamw = _names(model, optimizer.muon), _names(model, optimizer.adamw)
    assert muon | adamw == {name for name, _ in model.named_parameters()}
    assert not muon & adamw


def test_the_adamw_part_matches_torch_with_the_rates_of_each_kind():
    model, twin = _model(), _model()
    optimizer = ModelOptimizer(model, RATES)
    names = _names(model, optimizer.adamw)
    kinds = {"embed_tokens.weight": 0.03, "lm_head.weight": 0.01}
    expected = {name: weight for name, weight in twin.named_parameters() if name in names}
    references = {
        name: torch.optim.Adam([weight], lr=kinds.get(name, 0.007), betas=(0.9, 0.95), eps=1e-10)
        for name, weight in expected.items()
    }
    for step, share in enumerate((0.25, 1.0, 0.5)):
        torch.manual_seed(step)
        for name, weight in model.named_parameters():
            weight.grad = torch.randn_like(weight)
            if name in names:
                expected[name].grad = weight.grad.clone()
        optimizer.step(share, 0)
        for name, reference in references.items():
            reference.param_groups[0]["lr"] = share * kinds.get(name, 0.007)
            reference.step()
    actual = dict(model.named_parameters())
    for name, weight in expected.items():
        torch.testing.assert_close(actual[name], weight, atol=1e-6, rtol=1e-6)


def test_a_step_of_no_rate_moves_no_weight_but_remembers_the_gradient():
    model = _model()
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = ModelOptimizer(model, RATES)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    optimizer.step(0.0, 0)
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())
    assert optimizer.state_tensors()["layers.0.self_attn.q_proj.weight/momentum"].max() > 0


def test_rates_follow_the_share_of_the_peak_not_of_the_last_step():
    optimizer = ModelOptimizer(_model(), RATES)
    for share in (0.5, 0.1, 1.0, 0.25):
        optimizer.step(share, 0)
        assert optimizer.muon.param_groups[0]["lr"] == pytest.approx(0.02 * share)
        rates = {group["lr"] for group in optimizer.adamw.param_groups}
        assert rates == {0.03 * share, 0.01 * share, 0.007 * share}


def test_a_step_drops_the_gradients():
    model = _model()
    optimizer = ModelOptimizer(model, RATES)
    _train(model, optimizer, [0])
    assert all(weight.grad is None for weight in model.parameters())


def test_weight_decay_shrinks_hidden_matrices_only():
    model = _model()
    optimizer = ModelOptimizer(model, RATES.model_copy(update={"weight_decay": 0.5}))
    twin = _model()
    plain = ModelOptimizer(twin, RATES)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for first, second in zip(model.parameters(), twin.parameters(), strict=True):
        first.grad = torch.randn(first.shape, generator=torch.Generator().manual_seed(1))
        second.grad = first.grad.clone()
    optimizer.step(1.0, 0)
    plain.step(1.0, 0)
    others = _names(model, optimizer.adamw)
    undecayed = dict(twin.named_parameters())
    for name, weight in model.named_parameters():
        decay = 0.0 if name in others else 0.02 * 0.5
        expected = undecayed[name] - decay * before[name]
        torch.testing.assert_close(weight, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("changes", [{}, {"tie_embeddings": True}], ids=["untied", "tied"])
def test_state_that_was_saved_and_loaded_gives_the_same_bits(changes):
    model = _model(**changes)
    optimizer = ModelOptimizer(model, RATES)
    _train(model, optimizer, range(4))
    resumed = _model(**changes)
    resumed.load_state_dict({name: t.clone() for name, t in model.state_dict().items()})
    loaded = ModelOptimizer(resumed, RATES)
    loaded.load_state_tensors({k: t.clone() for k, t in optimizer.state_tensors().items()})
    _train(model, optimizer, range(4, 9), share=0.5)
    _train(resumed, loaded, range(4, 9), share=0.5)
    expected = dict(model.named_parameters())
    assert all(torch.equal(weight, expected[name]) for name, weight in resumed.named_parameters())
    states, restored = optimizer.state_tensors(), loaded.state_tensors()
    assert states.keys() == restored.keys()
    assert all(torch.equal(restored[key], tensor) for key, tensor in states.items())


def test_loaded_state_is_a_copy():
    model = _model()
    optimizer = ModelOptimizer(model, RATES)
    _train(model, optimizer, [0])
    saved = optimizer.state_tensors()
    other = _model()
    loaded = ModelOptimizer(other, RATES)
    loaded.load_state_tensors(saved)
    before = {key: tensor.clone() for key, tensor in saved.items()}
    _train(other, loaded, [1])
    assert all(torch.equal(saved[key], before[key]) for key in before)


def test_loaded_state_is_where_its_weight_is():
    model = _model()
    optimizer = ModelOptimizer(model, RATES)
    _train(model, optimizer, [0])
    # No accelerator is needed to see where everything goes.
    other = Transformer(CONFIG, 19, end_of_text=0).to("meta")
    loaded = ModelOptimizer(other, RATES)
    loaded.load_state_tensors(optimizer.state_tensors())
    state = loaded.adamw.state[other.embed_tokens.weight]
    assert state["step"].device == other.embed_tokens.weight.device
    assert {tensor.device.type for tensor in loaded.state_tensors().values()} == {"meta"}


def test_state_names_the_weight_and_the_kind():
    model = _model()
    optimizer = ModelOptimizer(model, RATES)
    assert optimizer.state_tensors() == {}
    _train(model, optimizer, range(3))
    names = set(optimizer.state_tensors())
    assert "layers.1.mlp.experts.gate_proj/momentum" in names
    assert {f"embed_tokens.weight/{kind}" for kind in ("step", "exp_avg", "exp_avg_sq")} <= names


def test_training_lowers_the_loss():
    model = _model()
    optimizer = ModelOptimizer(model, RATES)
    tokens_BT = torch.arange(1, 10).repeat(2, 1)

    def loss():
        return model.mean_nats(tokens_BT[:, :-1], tokens_BT[:, 1:])

    first = loss().item()
    assert first == pytest.approx(torch.tensor(19.0).log().item(), abs=1e-6)
    for _ in range(30):
        loss().backward()
        optimizer.step(1.0, 0)
    assert loss().item() < 0.1


def test_newton_schulz_keeps_within_its_share_by_taking_turns():
    model = _model()
    flops = {}
    for share in (1e9, 0.005):
        config = RATES.model_copy(update={"newton_schulz_share": share})
        twin = _model()
        optimizer = ModelOptimizer(twin, config, step_tokens=4096)
        flops[share] = [0] * optimizer.muon.every
        for step in range(optimizer.muon.every):
            for weight in twin.parameters():
                weight.grad = torch.ones_like(weight)
            optimizer.step(1.0, step)
            flops[share][step] = optimizer.muon.flops
    (always,) = flops[1e9]
    pairs = 4096 * (CONFIG.context + 1) // 2
    full = training_flops(CONFIG, 19, model.full_shape, tokens=4096, attended_pairs=pairs)
    assert len(flops[0.005]) == math.ceil(always / (0.005 * full)) > 1
    # Every matrix has had exactly one turn, and none of the turns cost much more than another.
    assert sum(flops[0.005]) == always
    assert max(flops[0.005]) < 2 * 0.005 * full


@pytest.mark.parametrize("shape", ["3L", "2L-2E-1K", "3L-3E-2K", "2L-4E-2K"])
def test_the_planned_products_of_a_step_are_those_of_what_it_trains(shape):
    model = _model()
    # Matrices that start at zero let no gradient through.
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(1))
    optimizer = ModelOptimizer(model, RATES)
    trained = Shape.parse(shape, CONFIG)
    tokens_BT = torch.randint(1, 19, (32, 9), generator=torch.Generator().manual_seed(0))
    model.mean_nats(tokens_BT[:, :-1], tokens_BT[:, 1:], trained).backward()
    optimizer.step(1.0, 0)
    # So many tokens that every matrix has its turn in each step, and every expert some tokens.
    assert mean_optimizer_flops(model, RATES, 1 << 20, [trained]) == optimizer.muon.flops
    # Passes of one step: what any of them trains is updated once.
    smaller = Shape.parse("2L-2E-1K", CONFIG)
    both = mean_optimizer_flops(model, RATES, 1 << 20, [trained, smaller])
    assert both == optimizer.muon.flops

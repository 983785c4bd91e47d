"""Predicted memory against what autograd keeps and what torch's allocator hands out."""

import gc

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from farthing.cost.activations import LayerBytes, native_activations
from farthing.cost.memory import training_memory
from farthing.model.config import ModelConfig
from farthing.model.kernels.native import kernels_in_use
from farthing.model.transformer import Transformer
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.optimizer import ModelOptimizer
from farthing.stages.train.recompute import measure, recompute

native = pytest.mark.skipif(
    kernels_in_use().startswith("torch's own"), reason="the formulas are the compiled kernels'"
)
SPARSE = ModelConfig(
    num_layers=5,
    num_dense_layers=1,
    hidden_dim=64,
    num_heads=4,
    num_kv_heads=2,
    head_dim=16,
    dense_ffn_dim=160,
    num_experts=6,
    expert_dim=48,
    top_k=2,
    context=64,
)
DENSE = SPARSE.model_copy(update={"num_experts": 0, "top_k": 0})
GPT = DENSE.model_copy(
    update={
        "tie_embeddings": True,
        "positions": "learned",
        "norm": "layer",
        "qk_norm": False,
        "activation": "gelu",
    }
)


def _model(config, vocabulary):
    torch.manual_seed(0)
    model = Transformer(config, vocabulary, end_of_text=0).train()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return model


def _tokens(config, vocabulary, sequences):
    return torch.randint(1, vocabulary, (sequences, config.context + 1))


def _loss(model, tokens_BW):
    return model.mean_nats(tokens_BW[:, :-1], tokens_BW[:, 1:])


@native
def test_what_layers_keep_is_what_autograd_saves(config, build, vocab):
    model, tokens_BW = build(config).train(), _tokens(config, vocab, 2)
    measured = measure(model.layers, lambda count: _loss(model, tokens_BW[:count]))
    assert native_activations(config) == measured


@native
@pytest.mark.parametrize(
    "options",
    [{"qk_norm": False}, {"positions": "learned"}, {"norm": "layer"}, {"top_k": 5}],
    ids=["no norm of heads", "learned positions", "LayerNorm", "many choices"],
)
def test_the_formula_holds_for_every_setting_that_changes_what_is_kept(build, vocab, options):
    config = SPARSE.model_copy(update=options)
    model, tokens_BW = build(config).train(), _tokens(config, vocab, 2)
    measured = measure(model.layers, lambda count: _loss(model, tokens_BW[:count]))
    assert native_activations(config) == measured


def _allocated(model, optimizer, batches, step):
    """The most bytes that the tensors of one step took beside those that stay."""
    kinds = [ProfilerActivity.CPU]
    # Tensors that other tests left behind may be freed at any moment, and would be taken off.
    gc.collect()
    with profile(activities=kinds, profile_memory=True) as found:
        for tokens_BW in batches:
            _loss(model, tokens_BW).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        optimizer.step(1.0, step)
    events = found.profiler.kineto_results.events()
    changes = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")
    total = highest = 0
    for _, size in changes:
        total += size
        highest = max(highest, total)
    return highest


def _resident(model, optimizer):
    tensors = [*model.parameters(), *model.buffers(), *optimizer.state_tensors().values()]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


# Sizes, vocabulary, sequences, micro-batches, recomputed layers, optimizer, share of Newton-Schulz.
STEPS = {
    "experts, few tokens, every matrix in turn": (SPARSE, 100, 1, 1, (), "muon", 100.0),
    "experts, few tokens, a quarter in turn": (SPARSE, 100, 1, 1, (), "muon", 0.01),
    "experts, many tokens": (SPARSE, 100, 12, 1, (), "muon", 0.25),
    "dense, many words": (DENSE, 6000, 3, 1, (), "muon", 0.25),
    "dense, AdamW": (DENSE, 300, 2, 1, (), "adamw", 0.25),
    "GPT-2 style, tied, many words": (GPT, 6000, 2, 1, (), "adamw", 0.25),
    "two micro-batches": (DENSE, 1000, 4, 2, (), "adamw", 0.25),
    "recomputed but for one": (DENSE, 300, 12, 1, (0, 1, 2, 3), "muon", 0.25),
}


@native
@pytest.mark.parametrize("case", STEPS.values(), ids=STEPS.keys())
def test_the_peak_is_that_of_the_allocator(case):
    config, vocabulary, sequences, micro_batches, recomputed, kind, share = case
    model = _model(config, vocabulary)
    rate = 1e-3 if kind == "adamw" else None
    settings = OptimizerConfig(
        matrix_optimizer=kind, matrix_learning_rate=rate, newton_schulz_share=share
    )
    optimizer = ModelOptimizer(model, settings, step_tokens=sequences * config.context)
    for layer in recomputed:
        recompute(model.layers[layer])
    batches = [_tokens(config, vocabulary, sequences) for _ in range(micro_batches)]
    _allocated(model, optimizer, batches, step=0)
    resident = _resident(model, optimizer)
    measured = resident + _allocated(model, optimizer, batches, step=1)
    predicted = training_memory(
        config,
        vocabulary,
        micro_sequences=sequences,
        matrix_optimizer=kind,
        turns=optimizer.muon.every,
        accumulated=micro_batches > 1,
        recomputed=recomputed,
    )
    assert predicted.weights + predicted.states == pytest.approx(resident, rel=0.001)
    assert predicted.peak == pytest.approx(measured, rel=0.08)


def test_the_phases_that_a_model_can_have():
    """Many tokens peak in the backward pass, many words at the loss, neither at the update."""
    phases = {
        training_memory(SPARSE, 100, micro_sequences=12).phase,
        training_memory(DENSE, 6000, micro_sequences=2).phase,
        training_memory(SPARSE, 100, micro_sequences=1).phase,
    }
    assert phases == {"backward", "loss", "update"}


def test_measured_layers_take_the_place_of_the_formula():
    held = [LayerBytes(fixed=0, per_sequence=1 << 20, input_per_sequence=1 << 10)] * 5
    memory = training_memory(DENSE, 100, micro_sequences=2, held=held)
    assert memory.activations == 10 << 20
    less = training_memory(DENSE, 100, micro_sequences=2, held=held, recomputed={1, 2})
    assert less.activations == (6 << 20) + (4 << 10)


def test_adamw_keeps_two_numbers_for_each_weight_and_muon_one_for_those_of_its_matrices():
    adamw = training_memory(SPARSE, 100, micro_sequences=1, matrix_optimizer="adamw")
    muon = training_memory(SPARSE, 100, micro_sequences=1)
    assert adamw.states == 2 * adamw.gradients
    matrices = [
        weight.numel()
        for name, weight in _model(SPARSE, 100).named_parameters()
        if weight.ndim >= 2 and not any(part in name for part in ("embed_", "lm_head", "router"))
    ]
    assert adamw.states - muon.states == 4 * sum(matrices)

"""The least traffic counts every weight that the model really has, and every row of the stream."""

import pytest

from farthing.cost.traffic import optimizer_traffic, training_traffic
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.stages.train.config import OptimizerConfig
from farthing.stages.train.optimizer import ModelOptimizer


def _elements(groups):
    return sum(weight.numel() for group in groups for weight in group["params"])


def test_without_tokens_each_weight_is_read_twice_and_its_gradient_written(build, config, vocab):
    model = build(config)
    parts = training_traffic(config, vocab, Shape.full(config), tokens=0, activation_bytes=4)
    positions = 0 if model.embed_positions is None else model.embed_positions.weight.numel()
    embedding = 4 * (model.embed_tokens.weight.numel() + positions)
    # A look-up reads no weight but the rows of its tokens; only the gradient is whole.
    assert parts["embedding"].bytes == embedding
    others = sum(part.bytes for part in parts.values()) - embedding
    looked_up = 0 if config.tie_embeddings else model.embed_tokens.weight.numel()
    assert others == 12 * (sum(w.numel() for w in model.parameters()) - looked_up - positions)


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_an_update_touches_what_each_optimizer_holds(build, config, vocab, kind):
    rate = 0.1 if kind == "adamw" else None
    settings = OptimizerConfig(matrix_optimizer=kind, matrix_learning_rate=rate)
    optimizer = ModelOptimizer(build(config), settings)
    muon = _elements(optimizer.muon.param_groups)
    adamw = _elements(optimizer.adamw.param_groups)
    assert bool(muon) == (kind == "muon")
    touched = optimizer_traffic(config, vocab, Shape.full(config), matrix_optimizer=kind).bytes
    assert touched == 4 * (5 * muon + 7 * adamw)


TINY = ModelConfig(
    num_layers=2,
    num_dense_layers=1,
    hidden_dim=8,
    num_heads=2,
    num_kv_heads=1,
    head_dim=4,
    dense_ffn_dim=16,
    num_experts=4,
    expert_dim=8,
    top_k=2,
    context=16,
)


@pytest.mark.parametrize("activation_bytes", [2, 4])
def test_rows_are_counted_by_hand(activation_bytes):
    parts = training_traffic(
        TINY, 0, Shape.full(TINY), tokens=10, activation_bytes=activation_bytes
    )
    stream = 10 * 8 * activation_bytes
    # In and out; back: the output's gradient, the input again, the input's gradient. Two layers.
    assert parts["attention"].bytes == 2 * 5 * stream + 12 * (2 * (2 * 8 * 4 * 3) + 2 * 2 * 4)
    assert parts["experts"].bytes == 5 * 2 * stream + 12 * 4 * 3 * 8 * 8
    # Gather and its backward, weighted sum and its backward: 4 streams of tokens, 5 of rows.
    assert parts["dispatch"].bytes == 4 * stream + 5 * 2 * stream
    assert (parts["attention"].calls, parts["experts"].calls, parts["norms"].calls) == (2, 1, 5)


def test_a_smaller_shape_moves_less():
    full = training_traffic(TINY, 64, Shape.full(TINY), tokens=10, activation_bytes=4)
    less = training_traffic(TINY, 64, Shape.parse("2L-2E-1K", TINY), tokens=10, activation_bytes=4)
    assert less["experts"].bytes < full["experts"].bytes
    assert less["attention"] == full["attention"]

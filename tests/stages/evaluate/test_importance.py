"""Importance against loops over single tokens, and the shapes that pruning makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.evaluate.calibration import CalibrationText
from farthing.stages.evaluate.importance import Importance, measure_importance, pruned_shape
from farthing.text.batches import Batch

SIZES = ModelConfig(
    num_layers=6,
    num_dense_layers=1,
    hidden_dim=8,
    num_heads=1,
    num_kv_heads=1,
    head_dim=8,
    dense_ffn_dim=8,
    num_experts=4,
    expert_dim=4,
    top_k=2,
    context=8,
)
SCORES = {layer: (0.1 * layer, 0.9, 0.4, 0.7) for layer in range(1, 6)}
KNOWN = Importance(
    tokens=1,
    mean_nats=2.0,
    expert_scores=SCORES,
    skipped_nats={1: 0.3, 2: 0.5, 3: 0.1, 4: 0.4},
    turns=dict.fromkeys(range(6), 0.0),
)


@pytest.fixture(scope="module")
def text(supernet) -> CalibrationText:
    model = supernet.model
    draws = np.random.default_rng(3)
    batches = {
        domain: Batch(
            draws.integers(5, 200, (rows, model.config.context + 1)), supernet.model.end_of_text
        )
        for domain, rows in (("en", 17), ("zh", 2))
    }
    return CalibrationText(batches, {"en": 1.0, "zh": 3.0})


@pytest.fixture(scope="module")
def measured(supernet, text: CalibrationText) -> Importance:
    return measure_importance(supernet.model, text)


def rows(text: CalibrationText) -> list[torch.Tensor]:
    return [torch.from_numpy(row[None]) for b in text.batches.values() for row in b.tokens]


def reap_token_by_token(model: Transformer, text: CalibrationText) -> dict[int, list[float]]:
    """The definition: for each token, each chosen expert, weight times norm of its SwiGLU."""
    found: dict[int, list[list[float]]] = {
        layer: [[] for _ in range(model.config.num_experts)] for layer in (1, 2)
    }

    def watch(layer: int):
        def hook(block, inputs):
            x_ND = inputs[0].reshape(-1, inputs[0].shape[-1])
            for x_D in x_ND:
                chosen, weights = block.router(x_D[None], None, model.config.top_k)
                for expert, weight in zip(chosen[0].tolist(), weights[0].tolist(), strict=True):
                    gate = block.experts.gate_proj[expert] @ x_D
                    up = block.experts.up_proj[expert] @ x_D
                    out = block.experts.down_proj[expert] @ (F.silu(gate) * up)
                    found[layer][expert].append(weight * float(out.pow(2).sum().sqrt()))

        return hook

    blocks = model.sparse_blocks()
    hooks = [b.register_forward_pre_hook(watch(1 + i)) for i, b in enumerate(blocks)]
    with torch.no_grad():
        for row in rows(text):
            model(row[:, :-1])
    for hook in hooks:
        hook.remove()
    return {
        layer: [sum(each) / len(each) if each else 0.0 for each in experts]
        for layer, experts in found.items()
    }


def test_expert_scores_are_the_mean_of_weight_times_norm(supernet, text, measured: Importance):
    expected = reap_token_by_token(supernet.model, text)
    assert set(measured.expert_scores) == {1, 2}
    for layer, scores in measured.expert_scores.items():
        assert scores == pytest.approx(expected[layer], rel=1e-4)
        assert len(set(scores)) > 1


def test_an_expert_that_nobody_visits_scores_zero(supernet, text):
    router = supernet.model.sparse_blocks()[0].router
    before = router.balance_bias.clone()
    try:
        router.balance_bias[3] = -1e4
        scores = measure_importance(supernet.model, text).expert_scores[1]
    finally:
        router.balance_bias.copy_(before)
    assert scores[3] == 0
    assert min(scores[:3]) > 0


def test_a_layers_importance_is_what_the_loss_gains_without_it(supernet, text, measured):
    model = supernet.model

    def loss(shape: Shape) -> float:
        with torch.no_grad():
            each = [float(model.mean_nats(r[:, :-1], r[:, 1:], shape)) for r in rows(text)]
        return sum(each) / len(each)

    without = Shape.parse("layers=0,2/experts=4/top_k=2", model.config)
    assert measured.mean_nats == pytest.approx(loss(Shape.full(model.config)), rel=1e-5)
    assert set(measured.skipped_nats) == {1}
    expected = loss(without) - loss(Shape.full(model.config))
    assert measured.skipped_nats[1] == pytest.approx(expected, abs=1e-5)


def test_a_layers_turn_is_one_minus_the_cosine(supernet, text, measured: Importance):
    model, seen = supernet.model, []
    hook = model.layers[2].register_forward_hook(
        lambda _layer, inputs, out: seen.append((inputs[0], out))
    )
    with torch.no_grad():
        for row in rows(text):
            model(row[:, :-1])
    hook.remove()
    cosines = [
        float(a @ b / a.norm() / b.norm())
        for before, after in seen
        for a, b in zip(before[0], after[0], strict=True)
    ]
    assert measured.turns[2] == pytest.approx(1 - sum(cosines) / len(cosines), abs=1e-5)


def test_measuring_changes_no_output_and_tells_what_it_read(supernet, text):
    model = supernet.model
    tokens = rows(text)[0]
    with torch.no_grad():
        before = model(tokens)
    passes = []
    measure_importance(model, text, on_pass=lambda shape, n: passes.append((str(shape), n)))
    with torch.no_grad():
        assert torch.equal(model(tokens), before)
    each = 19 * model.config.context
    assert passes == [
        ("layers=0-2/experts=4/top_k=2", each),
        ("layers=0,2/experts=4/top_k=2", each),
    ]


def test_importance_survives_json(measured: Importance):
    assert Importance.model_validate_json(measured.model_dump_json()) == measured


@pytest.mark.parametrize(
    ("depth", "experts", "top_k", "expected"),
    [
        (6, 4, 2, "layers=0-5/experts=4/top_k=2"),
        # Layer 3 is the least important, though keep_layers would drop layer 2 first.
        (5, 4, 2, "layers=0-2,4-5/experts=4/top_k=2"),
        (3, 2, 1, "layers=0,2,5/experts=e1+3/top_k=1"),
        # In layer 5, the only sparse one left, expert 0 scores more than expert 2.
        (2, 3, 2, "layers=0,5/experts=e0-1+3/top_k=2"),
    ],
)
def test_pruning_keeps_the_best_layers_and_experts(depth, experts, top_k, expected):
    shape = pruned_shape(KNOWN, SIZES, depth=depth, experts=experts, top_k=top_k)
    assert str(shape) == expected


@pytest.mark.parametrize("wrong", [{"depth": 1}, {"depth": 7}, {"experts": 5}, {"top_k": 3}])
def test_what_the_supernet_does_not_hold_is_no_pruned_shape(wrong):
    with pytest.raises(ShapeError):
        pruned_shape(KNOWN, SIZES, **({"depth": 4, "experts": 2, "top_k": 1} | wrong))


def test_another_models_importance_is_refused():
    other = SIZES.model_copy(update={"num_experts": 8})
    with pytest.raises(ShapeError, match="importance is of 5 sparse layers"):
        pruned_shape(KNOWN, other, depth=4, experts=2, top_k=1)


def test_a_dense_model_is_pruned_by_its_layers():
    dense = SIZES.model_copy(update={"num_experts": 0, "expert_dim": 0, "top_k": 0})
    known = KNOWN.model_copy(update={"expert_scores": {}})
    assert str(pruned_shape(known, dense, depth=3, experts=0, top_k=0)) == "layers=0,2,5"

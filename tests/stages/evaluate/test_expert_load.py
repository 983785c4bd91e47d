"""Counted visits against the router asked again, and that counting changes nothing."""

from __future__ import annotations

import pytest
import torch

from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.evaluate.expert_load import VisitCounter

TOKENS = torch.randint(5, 200, (3, 12), generator=torch.Generator().manual_seed(2))


def visits(model: Transformer, shape: Shape, tokens: torch.Tensor) -> list[list[float]]:
    """Each expert's share by layer, token by token, from what enters the router."""
    seen = []
    hooks = [
        block.router.register_forward_pre_hook(lambda router, args: seen.append((router, *args)))
        for block in model.sparse_blocks()
    ]
    with torch.no_grad():
        model(tokens, shape)
    for hook in hooks:
        hook.remove()
    shares = []
    for router, x_ND, ids_S, top_k in seen:
        counts = [0.0] * model.config.num_experts
        for x_D in x_ND:
            chosen, _ = router(x_D[None], ids_S, top_k)
            for expert in chosen[0].tolist():
                counts[expert] += 1
        shares.append([count / sum(counts) for count in counts])
    return shares


@pytest.mark.parametrize("member", ["3L-4E-2K", "3L-2E-1K", "2L-4E-1K"])
def test_shares_are_those_of_the_router_asked_token_by_token(supernet, member: str):
    model = supernet.model
    shape = Shape.parse(member, model.config)
    counter = VisitCounter(model, shape)
    for domain, tokens in (("en", TOKENS[:1]), ("zh", TOKENS[1:])):
        with counter.counting(domain), torch.no_grad():
            for row in tokens:
                model(row[None], shape)
    load = counter.result()
    assert load is not None
    assert load.label == shape.label(model.config)
    assert load.layers == tuple(layer for layer in shape.layers if layer > 0)
    for domain, tokens in (("en", TOKENS[:1]), ("zh", TOKENS[1:])):
        expected = visits(model, shape, tokens)
        for found, each in zip(load.shares[domain], expected, strict=True):
            assert found == pytest.approx(each)
            assert sum(found) == pytest.approx(1)


def test_counting_changes_no_score_and_leaves_no_hook(supernet):
    model = supernet.model
    with torch.no_grad():
        before = model(TOKENS)
        with VisitCounter(model, model.full_shape).counting("en"):
            during = model(TOKENS)
    assert torch.equal(before, during)
    assert not any(block.router._forward_hooks for block in model.sparse_blocks())


def test_a_dense_family_has_no_load():
    sizes = ModelConfig(
        num_layers=2,
        hidden_dim=16,
        num_heads=2,
        num_kv_heads=1,
        head_dim=8,
        dense_ffn_dim=24,
        context=8,
    )
    model = Transformer(sizes, 300, 0)
    counter = VisitCounter(model, model.full_shape)
    with counter.counting("en"):
        model(TOKENS)
    assert counter.result() is None

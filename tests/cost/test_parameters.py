"""Parameter counts equal those of models that are really built."""

import pytest
import torch

from farthing.cost.parameters import count_parameters
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer


def _built(model):
    return sum(weight.numel() for weight in model.parameters())


def test_the_full_shape_has_the_parameters_of_the_built_model(build, config, vocab):
    count = count_parameters(config, vocab, Shape.full(config))
    model = build(config)
    assert count.total == _built(model)
    matrices = {model.embed_tokens.weight, model.lm_head.weight}
    if model.embed_positions is not None:
        matrices.add(model.embed_positions.weight)
    assert count.embedding == sum(matrix.numel() for matrix in matrices)
    assert count.non_embedding == count.total - count.embedding


# The sizes of a standalone model that holds just the shape.
MEMBERS = {
    "2L-6E-3K": {"num_layers": 2},
    "4L-3E-2K": {"num_experts": 3, "top_k": 2},
    "3L-1E-1K": {"num_layers": 3, "num_experts": 1, "top_k": 1},
    "layers=0,2/experts=e1+5/top_k=1": {"num_layers": 2, "num_experts": 2, "top_k": 1},
    "layers=0": {"num_layers": 1, "num_experts": 0, "top_k": 0},
    "layers=1-3/experts=6/top_k=3": {"num_layers": 3, "num_dense_layers": 0},
}


@pytest.mark.parametrize(("text", "sizes"), MEMBERS.items(), ids=MEMBERS.keys())
def test_a_member_has_the_parameters_of_a_model_built_at_its_size(
    build, sparse_config, vocab, text, sizes
):
    count = count_parameters(sparse_config, vocab, Shape.parse(text, sparse_config))
    assert count.total == _built(build(sparse_config.model_copy(update=sizes)))


def test_uneven_layers_are_each_counted_as_they_are(build, sparse_config, vocab):
    shape = Shape.parse("layers=0-1,3/experts=5,e0+4/top_k=2,1", sparse_config)
    model = build(sparse_config)
    router_row, one_expert = 24, 3 * 24 * 9
    missing = sum(w.numel() for w in model.layers[2].parameters())
    missing += (6 - 5 + 6 - 2) * (router_row + one_expert)
    count = count_parameters(sparse_config, vocab, shape)
    assert count.total == _built(model) - missing
    assert count.active == count.total - (5 - 2 + 2 - 1) * one_expert


@pytest.mark.parametrize("text", ["4L", *MEMBERS])
def test_active_parameters_are_those_that_one_token_touches(build, sparse_config, vocab, text):
    """A weight is touched if its matrix (or its expert's slice) gets a gradient from one token."""
    model, shape = build(sparse_config), Shape.parse(text, sparse_config)
    model(torch.tensor([[5]]), shape).square().sum().backward()
    touched = 0
    for name, weight in model.named_parameters():
        if weight.grad is None:
            continue
        if ".experts." in name:
            touched += weight[weight.grad.abs().amax(dim=(1, 2)) > 0].numel()
        elif "router" not in name:
            touched += weight.numel()
    # The router's scores are products with every expert it may choose, chosen or not.
    for layer in shape.layers:
        if sparse_config.is_sparse(layer):
            experts, _ = shape.selection(layer, sparse_config)
            touched += 24 * (experts if isinstance(experts, int) else len(experts))
    count = count_parameters(sparse_config, vocab, shape)
    assert count.active == touched
    assert count.active_non_embedding == touched - count.embedding


PUBLISHED = {
    # Published total and active parameters; SwiGLU models without biases, output matrix untied.
    # Llama 2 (arXiv 2307.09288), Llama 3 (arXiv 2407.21783); OLMoE (arXiv 2409.02060).
    "Llama 2 7B": (32, 4096, 32, 32, 11008, 32000, 0, 0, 6.74e9, 6.74e9),
    "Llama 2 70B": (80, 8192, 64, 8, 28672, 32000, 0, 0, 68.98e9, 68.98e9),
    "Llama 3 8B": (32, 4096, 32, 8, 14336, 128256, 0, 0, 8.03e9, 8.03e9),
    "Llama 3.1 405B": (126, 16384, 128, 8, 53248, 128256, 0, 0, 405.9e9, 405.9e9),
    "OLMoE 1B-7B": (16, 2048, 16, 16, 1024, 50304, 64, 8, 6.92e9, 1.28e9),
}


@pytest.mark.parametrize("sizes", PUBLISHED.values(), ids=PUBLISHED.keys())
def test_published_models_have_their_published_parameters(sizes):
    layers, width, heads, kv_heads, inner, vocab_size, experts, top_k, total, active = sizes
    config = ModelConfig(
        num_layers=layers,
        num_dense_layers=0,
        hidden_dim=width,
        num_heads=heads,
        num_kv_heads=kv_heads,
        head_dim=128,
        dense_ffn_dim=inner,
        num_experts=experts,
        expert_dim=inner if experts else 0,
        num_shared_experts=0,
        top_k=top_k,
        context=4096,
    )
    count = count_parameters(config, vocab_size, Shape.full(config))
    assert count.total == pytest.approx(total, rel=0.002)
    assert count.active == pytest.approx(active, rel=0.005)
    with torch.device("meta"):  # shapes without memory
        assert count.total == _built(Transformer(config, vocab_size, end_of_text=0))

"""First weights: a function of the seed, and a model that starts undecided."""

import pytest
import torch

from farthing.model.initialize import initialize
from farthing.model.transformer import Transformer

VOCAB = 600
TIED = {"tie_embeddings": True}
DENSE = {"num_experts": 0, "top_k": 0}


@pytest.fixture
def start(sparse_config):
    def start(seed, **changes):
        model = Transformer(sparse_config.model_copy(update=changes), VOCAB, end_of_text=0)
        for weight in model.parameters():
            torch.nn.init.constant_(weight, float("nan"))  # whatever initialize leaves out shows
        initialize(model, seed)
        return model

    return start


@pytest.mark.parametrize("changes", [{}, TIED, DENSE], ids=["sparse", "tied", "dense"])
def test_the_same_seed_gives_the_same_bits(start, changes):
    first, second = start(7, **changes).state_dict(), start(7, **changes).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_first_weights_do_not_depend_on_the_global_random_state(start):
    torch.manual_seed(1)
    first = start(7).state_dict()
    torch.manual_seed(2)
    assert all(torch.equal(tensor, first[name]) for name, tensor in start(7).state_dict().items())


def test_another_seed_gives_other_bits_in_every_random_weight(start):
    first, second = dict(start(0).named_parameters()), dict(start(1).named_parameters())
    random = {name for name, weight in first.items() if weight.std() > 0}
    assert "embed_tokens.weight" in random
    assert "layers.1.mlp.experts.gate_proj" in random
    assert not any(torch.equal(first[name], second[name]) for name in random)


def test_no_two_weights_start_from_the_same_stream(start):
    starts = [
        weight.flatten()[:8] / weight.std()
        for weight in start(3).parameters()
        if weight.numel() >= 64 and weight.std() > 0
    ]
    for i, first in enumerate(starts):
        for second in starts[:i]:
            assert (first - second).abs().max() > 0.1


def test_every_weight_is_filled(start):
    assert all(weight.isfinite().all() for weight in start(0).parameters())


@pytest.mark.parametrize("changes", [{}, DENSE], ids=["sparse", "dense"])
def test_the_first_logits_are_even(start, draw_tokens, changes):
    logits_BTV = start(0, **changes)(draw_tokens(2, 8))
    assert logits_BTV.count_nonzero() == 0


def test_layers_start_as_the_identity(start, draw_tokens):
    model = start(0)
    tokens_BT = draw_tokens(2, 8)
    with torch.no_grad():
        model.lm_head.weight.copy_(torch.eye(VOCAB, model.config.hidden_dim))
    embedded_BTD = model.embed_tokens.weight[tokens_BT]
    mean_square = embedded_BTD.square().mean(-1, keepdim=True)
    normed_BTD = embedded_BTD / (mean_square + model.config.norm_eps).sqrt()
    logits_BTV = model(tokens_BT)
    torch.testing.assert_close(logits_BTV[..., : model.config.hidden_dim], normed_BTD)


def test_tied_embeddings_are_one_matrix(start, draw_tokens):
    model = start(0, **TIED)
    assert model.lm_head.weight is model.embed_tokens.weight
    assert [name for name, _ in model.named_parameters() if "lm_head" in name] == []
    model(draw_tokens(1, 4)).sum().backward()
    used = set(draw_tokens(1, 4).flatten().tolist())
    # Rows of tokens that never came in get a gradient as outputs.
    unused = next(token for token in range(VOCAB) if token not in used)
    assert model.embed_tokens.weight.grad[unused].abs().max() > 0


def test_random_weights_have_the_spread_of_their_inputs(start):
    weights = dict(start(0).named_parameters())
    assert weights["embed_tokens.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    gate = weights["layers.2.mlp.experts.gate_proj"]
    assert gate.std().item() == pytest.approx(gate.shape[-1] ** -0.5, rel=0.15)

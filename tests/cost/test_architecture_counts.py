"""Counts of any architecture equal those of plain torch models, product by product."""

import pytest
import torch
from plain_models import (
    Decoder,
    Experts,
    ExtraPrediction,
    FeedForward,
    GroupedAttention,
    LatentAttention,
    Layer,
    MixtureAttention,
    causal,
)
from pydantic import ValidationError
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from farthing.cost.architecture import Architecture, Dense, LayerGroup, Sparse
from farthing.cost.attention import Grouped, Latent, Mixture, causal_pairs, document_pairs
from farthing.cost.flops import architecture_flops
from farthing.cost.parameters import architecture_parameters, extra_prediction_parameters
from farthing.cost.training import (
    hardware_flops,
    training_flops_by_part,
    training_flops_of,
)

WIDTH, VOCAB, TOKENS = 24, 37, 12
GQA = Grouped(heads=4, kv_heads=2, head_dim=10)
LATENT = {"heads": 3, "kv_rank": 7, "plain_dim": 6, "rotary_dim": 4, "value_dim": 5}
LATENT_SIZES = (3, 14, 7, 6, 4, 5)
MOA = {"experts": 5, "top_k": 2, "heads": 4, "kv_heads": 4, "head_dim": 6}


def _gqa(biases="none"):
    return GroupedAttention(WIDTH, 4, 2, 10, biases)


def _decoder(layers, **options):
    return Decoder(WIDTH, VOCAB, layers, **options)


def _sizes(groups, **options):
    sizes = {"width": WIDTH, "vocabulary": VOCAB, "context": TOKENS}
    return Architecture(groups=tuple(groups), **(sizes | options))


def _group(count, attention, feed_forward, window=None):
    return LayerGroup(count=count, attention=attention, feed_forward=feed_forward, window=window)


def _layer_norm(width):
    return nn.LayerNorm(width, bias=True)


def _grouped_cases():
    yield (
        "grouped, SwiGLU, untied",
        lambda: _decoder([Layer(WIDTH, _gqa(), FeedForward(WIDTH, 20)) for _ in range(2)]),
        _sizes([_group(2, GQA, Dense(inner=20))]),
    )
    yield (
        "GPT-2 style: biases, tied, learned positions",
        lambda: _decoder(
            [
                Layer(WIDTH, _gqa("all"), FeedForward(WIDTH, 20, False, True), _layer_norm)
                for _ in range(2)
            ],
            tied=True,
            positions=TOKENS,
            norm=_layer_norm,
        ),
        _sizes(
            [
                _group(
                    2,
                    GQA.model_copy(update={"biases": "all"}),
                    Dense(inner=20, gated=False, biases=True),
                )
            ],
            tied=True,
            learned_positions=TOKENS,
            norm_vectors=2,
        ),
    )
    yield (
        "biases of the inputs, gated with biases",
        lambda: _decoder([Layer(WIDTH, _gqa("inputs"), FeedForward(WIDTH, 20, biases=True))]),
        _sizes(
            [_group(1, GQA.model_copy(update={"biases": "inputs"}), Dense(inner=20, biases=True))]
        ),
    )


def _other_cases():
    yield (
        "latent attention, experts behind a dense layer",
        lambda: _decoder(
            [
                Layer(WIDTH, LatentAttention(WIDTH, *LATENT_SIZES), FeedForward(WIDTH, 30)),
                Layer(WIDTH, LatentAttention(WIDTH, *LATENT_SIZES), Experts(WIDTH, 6, 2, 9, 11)),
                Layer(WIDTH, LatentAttention(WIDTH, *LATENT_SIZES), Experts(WIDTH, 6, 2, 9, 11)),
            ]
        ),
        _sizes(
            [
                _group(1, Latent(**LATENT, query_rank=14), Dense(inner=30)),
                _group(
                    2,
                    Latent(**LATENT, query_rank=14),
                    Sparse(experts=6, top_k=2, inner=9, shared_inner=11),
                ),
            ]
        ),
    )
    yield (
        "latent attention with queries of the stream itself",
        lambda: _decoder(
            [Layer(WIDTH, LatentAttention(WIDTH, 3, None, 7, 6, 4, 5), FeedForward(WIDTH, 20))]
        ),
        _sizes([_group(1, Latent(**LATENT, query_rank=None), Dense(inner=20))]),
    )
    yield (
        "mixture of attention heads",
        lambda: _decoder(
            [Layer(WIDTH, MixtureAttention(WIDTH, 5, 2, 4, 4, 6), Experts(WIDTH, 5, 3, 8))],
            tied=True,
        ),
        _sizes(
            [
                _group(
                    1,
                    Mixture(**MOA, output_bias=True),
                    Sparse(experts=5, top_k=3, inner=8),
                )
            ],
            tied=True,
        ),
    )


CASES = {name: (build, sizes) for name, build, sizes in (*_grouped_cases(), *_other_cases())}
parametrized = pytest.mark.parametrize(("build", "sizes"), CASES.values(), ids=CASES.keys())


def _counted(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()


def _tokens():
    return torch.arange(TOKENS) % VOCAB


def _every_pair(_window):
    # The models above compute every pair, and hide some of them afterwards.
    return TOKENS * TOKENS


@parametrized
def test_parameters_are_those_of_the_model(build, sizes):
    built = sum(weight.numel() for weight in build().parameters())
    assert architecture_parameters(sizes).total == built


@parametrized
def test_forward_flops_are_those_of_its_products(build, sizes):
    model = build()
    parts = architecture_flops(sizes, tokens=TOKENS, pairs=_every_pair)
    assert sum(parts.values()) == _counted(lambda: model(_tokens()))


@parametrized
def test_training_takes_three_times_the_forward_products(build, sizes):
    model = build()
    counted = _counted(lambda: model(_tokens()).sum().backward())
    parts = architecture_flops(sizes, tokens=TOKENS, pairs=_every_pair)
    assert 3 * sum(parts.values()) == counted


@parametrized
def test_active_parameters_have_a_gradient_from_every_token(build, sizes):
    """What has a gradient was touched; a router's rows and a tied matrix always are."""
    model = build()
    model(_tokens()).square().sum().backward()
    touched = sum(weight.numel() for weight in model.parameters() if weight.grad is not None)
    assert architecture_parameters(sizes).active == touched


def test_a_further_prediction_adds_a_layer_a_join_and_an_output():
    latent = Latent(**LATENT, query_rank=14)
    block = Sparse(experts=6, top_k=2, inner=9, shared_inner=11)
    sizes = _sizes([_group(1, latent, block)], extra_predictions=1)

    def layer():
        return Layer(WIDTH, LatentAttention(WIDTH, *LATENT_SIZES), Experts(WIDTH, 6, 2, 9, 11))

    model = _decoder([layer()])
    extra = ExtraPrediction(model, WIDTH, layer())
    assert extra_prediction_parameters(sizes) == sum(w.numel() for w in extra.parameters())
    counted = _counted(lambda: extra(_tokens(), _tokens()))
    counted -= _counted(lambda: model.hidden(_tokens()))
    found = training_flops_by_part(sizes, (TOKENS,))["extra_predictions"]
    # Counted were all pairs, of which the mask leaves some.
    hidden_pairs = TOKENS * TOKENS - causal_pairs(TOKENS)
    assert found == 3 * (counted - 2 * hidden_pairs * latent.pair_products)
    two = sizes.model_copy(update={"extra_predictions": 2})
    assert training_flops_by_part(two, (TOKENS,))["extra_predictions"] == 2 * found


@pytest.mark.parametrize("window", [None, 1, 3, 11, 12, 40])
def test_pairs_are_what_the_mask_leaves(window):
    assert causal_pairs(TOKENS, window) == int(causal(_tokens(), window).sum())
    lengths = (5, 1, 6)
    apart = sum(int(causal(torch.arange(length), window).sum()) for length in lengths)
    assert document_pairs(lengths, window) == apart


def test_windows_save_pairs_in_their_own_layers_only():
    groups = [_group(1, GQA, Dense(inner=20)), _group(3, GQA, Dense(inner=20), window=4)]
    parts = training_flops_by_part(_sizes(groups), (TOKENS,))
    plain = training_flops_by_part(_sizes([_group(4, GQA, Dense(inner=20))]), (TOKENS,))
    saved = causal_pairs(TOKENS) - causal_pairs(TOKENS, 4)
    assert plain["attention"] - parts["attention"] == 3 * 3 * 2 * saved * 2 * 4 * 10
    assert {**parts, "attention": 0} == {**plain, "attention": 0}


def test_a_run_is_its_sequences_and_recomputation_one_more_forward_pass_of_the_layers():
    sizes = _sizes([_group(4, GQA, Dense(inner=20))])
    one = sum(training_flops_by_part(sizes, (TOKENS,)).values())
    assert training_flops_of(sizes, tokens=10 * TOKENS) == 10 * one
    output = 3 * 2 * TOKENS * WIDTH * VOCAB
    every = hardware_flops(sizes, tokens=TOKENS, recomputed="full")
    assert every == one + (one - output) / 3
    assert hardware_flops(sizes, tokens=TOKENS, recomputed={0, 2}) == one + (one - output) / 6
    assert hardware_flops(sizes, tokens=TOKENS, recomputed="none") == one
    with pytest.raises(ValueError, match=r"layers \[4\] of a model of 4"):
        hardware_flops(sizes, tokens=TOKENS, recomputed={4})


def test_sizes_that_cannot_be_are_refused():
    with pytest.raises(ValidationError, match="top_k 7 of 6 experts"):
        Sparse(experts=6, top_k=7, inner=2)
    with pytest.raises(ValidationError, match="top_k 6 of 5 experts"):
        Mixture(**(MOA | {"top_k": 6}))
    with pytest.raises(ValidationError, match="extra_predictions need a group"):
        _sizes([], extra_predictions=1)

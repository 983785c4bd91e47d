"""Decoding reads the weights once and the cache of every sequence; caches are as published."""

import pytest
import torch
from plain_models import Decoder, FeedForward, GroupedAttention, Layer
from torch.utils.flop_counter import FlopCounterMode

from farthing.cost.architecture import Architecture, Dense, LayerGroup, Sparse
from farthing.cost.attention import Grouped, Latent
from farthing.cost.decode import cache_bytes, decode_bytes, decode_flops
from farthing.cost.parameters import architecture_parameters
from farthing.cost.published import further_published, published, published_model

GQA = Grouped(heads=4, kv_heads=2, head_dim=10)
SIZES = Architecture(
    width=24,
    vocabulary=37,
    context=16,
    groups=(
        LayerGroup(count=1, attention=GQA, feed_forward=Dense(inner=20)),
        LayerGroup(count=2, attention=GQA, feed_forward=Dense(inner=20), window=3),
    ),
)
SPARSE = SIZES.model_copy(
    update={
        "groups": (
            LayerGroup(count=2, attention=GQA, feed_forward=Sparse(experts=8, top_k=2, inner=5)),
        )
    }
)


def test_one_token_that_sees_itself_alone_costs_one_forward_pass():
    layers = [Layer(24, GroupedAttention(24, 4, 2, 10), FeedForward(24, 20)) for _ in range(3)]
    model = Decoder(24, 37, layers)
    with FlopCounterMode(display=False) as counter:
        model(torch.tensor([1]))
    assert decode_flops(SIZES, 1) == counter.get_total_flops()


def test_further_positions_cost_their_scores_and_values_as_far_as_windows_see():
    one_more = decode_flops(SIZES, 3) - decode_flops(SIZES, 2)
    assert one_more == 3 * 2 * GQA.pair_products
    assert decode_flops(SIZES, 4) - decode_flops(SIZES, 3) == 2 * GQA.pair_products
    assert cache_bytes(SIZES, 10, element_bytes=4) == 4 * 2 * 2 * 10 * (10 + 2 * 3)


@pytest.mark.parametrize(
    "model",
    [model for model in (*published(), *further_published()) if model.cache],
    ids=lambda model: model.name,
)
def test_caches_are_those_that_were_published(model):
    assert cache_bytes(model.sizes, 1) == model.cache.bytes_per_token


def test_short_vectors_make_a_cache_small_and_its_scores_wide():
    latent = published_model("DeepSeek-V3").sizes.groups[0].attention
    assert isinstance(latent, Latent)
    # 512 shared columns are compared and summed by 128 heads, and 64 rotary ones compared.
    assert latent.decoded_pair_products == 128 * (512 + 512 + 64)
    assert latent.cached == 576


def test_weights_are_read_once_and_caches_for_every_sequence():
    weights = architecture_parameters(SIZES).total - 24 * 37  # rows are looked up instead
    one = decode_bytes(SIZES, 5)
    assert one == 2 * (weights + 24) + cache_bytes(SIZES, 5)
    four = decode_bytes(SIZES, 5, sequences=4)
    assert four == 2 * (weights + 4 * 24) + 4 * cache_bytes(SIZES, 5)
    tied = SIZES.model_copy(update={"tied": True})
    assert decode_bytes(tied, 5) == 2 * (weights + 24) + cache_bytes(SIZES, 5)


@pytest.mark.parametrize(("sequences", "visited"), [(1, 2), (3, 6), (4, 8), (9, 8)])
def test_sequences_together_read_the_experts_that_they_can_visit(sequences, visited):
    expert = 3 * 24 * 5
    rest = architecture_parameters(SPARSE).total - 24 * 37 - 2 * 8 * expert
    read = decode_bytes(SPARSE, 1, sequences=sequences)
    read -= sequences * cache_bytes(SPARSE, 1)
    assert read == 2 * (rest + 2 * visited * expert + sequences * 24)

"""Bytes on the wire, against a hand count and against what sharded training really calls."""

import pytest
import torch
import torch.distributed as dist
from plain_models import Decoder, FeedForward, GroupedAttention, Layer
from pydantic import ValidationError
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.testing._internal.distributed.fake_pg import FakeStore
from torch.utils._python_dispatch import TorchDispatchMode

from farthing.cost.architecture import Architecture, Dense, LayerGroup, Sparse
from farthing.cost.attention import Grouped
from farthing.cost.communication import Layout, traffic_per_rank
from farthing.cost.parameters import architecture_parameters
from farthing.cost.published import published_model

GQA = Grouped(heads=4, kv_heads=2, head_dim=8)
SPARSE = Sparse(experts=8, top_k=2, inner=16)
DENSE = Architecture(
    width=32,
    vocabulary=64,
    context=16,
    groups=(LayerGroup(count=4, attention=GQA, feed_forward=Dense(inner=48)),),
)
MIXED = DENSE.model_copy(
    update={
        "groups": (
            LayerGroup(count=1, attention=GQA, feed_forward=Dense(inner=48)),
            LayerGroup(count=3, attention=GQA, feed_forward=SPARSE),
        )
    }
)
TOKENS = 128


def _sent(architecture=DENSE, **layout):
    return traffic_per_rank(architecture, Layout(**layout), tokens=TOKENS)


def test_one_rank_sends_nothing():
    assert all(traffic.bytes == traffic.calls == 0 for traffic in _sent().values())


@pytest.mark.parametrize(
    ("sharding", "moved", "calls"), [("none", 8, 1), ("states", 4 + 2, 2), ("weights", 4 + 4, 3)]
)
def test_replicas_send_their_share_of_gradients_and_weights(sharding, moved, calls):
    found = _sent(data=4, sharding=sharding)
    total = architecture_parameters(DENSE).total
    assert found["data"].bytes == 3 * total * moved // 4
    assert found["data"].calls == calls
    assert {name for name, traffic in found.items() if traffic.bytes} == {"data"}


def test_experts_are_reduced_among_the_ranks_that_hold_the_same_ones():
    found = _sent(MIXED, data=4, expert=2)
    experts = 3 * 8 * 3 * 32 * 16
    others = architecture_parameters(MIXED).total - experts
    assert found["data"].bytes == round(others * 8 * 3 / 4 + experts / 2 * 8 * 1 / 2)
    # Each of three layers, four times: a row of 32 bf16 numbers for each of two choices; half of
    # the experts are elsewhere.
    assert found["expert"].bytes == 3 * 4 * TOKENS * 2 * 32 * 2 // 2
    assert found["expert"].calls == 12
    everywhere = _sent(MIXED, data=4, expert=4)
    assert everywhere["data"].bytes == others * 8 * 3 // 4
    assert everywhere["expert"].bytes == 3 * 4 * TOKENS * 2 * 32 * 2 * 3 // 4


def test_a_further_prediction_is_one_more_of_the_last_layers_everywhere():
    """Counted by hand: two depths, each a sparse layer, a product of two streams, three norms."""
    twice = MIXED.model_copy(update={"extra_predictions": 2})
    expert_weights = 8 * 3 * 32 * 16
    attention = 32 * (4 * 8) + 2 * 32 * (2 * 8) + (4 * 8) * 32
    rest = attention + 8 * 32 + 2 * 32 + 2 * 32 * 32 + 3 * 32
    others = architecture_parameters(MIXED).total - 3 * expert_weights + 2 * rest
    found = _sent(twice, data=4, expert=2)
    assert found["data"].bytes == round(others * 8 * 3 / 4 + 5 * expert_weights / 2 * 8 / 2)
    assert found["expert"].bytes == 5 * 4 * TOKENS * 2 * 32 * 2 // 2
    assert found["expert"].calls == 4 * 5
    ring = _sent(twice, context=4)["context"]
    assert ring.bytes == 3 * TOKENS * 6 * 2 * 2 * 8 * 2 * 3 // 4
    assert ring.calls == 3 * 3 * 6
    assert _sent(twice, tensor=2)["tensor"].bytes == 4 * 6 * TOKENS * 32 * 2


def test_of_deepseek_v3_the_experts_of_its_further_prediction_are_spread_too():
    """All of it out of its published sizes: width 7168, experts of 2048, 58 + 1 sparse layers."""
    sizes = published_model("DeepSeek-V3").sizes
    layout = Layout(data=128, expert=64, pipeline=16, sharding="states")
    found = traffic_per_rank(sizes, layout, tokens=4096)["data"].bytes
    experts = 59 * 256 * 3 * 7168 * 2048
    attention = (
        7168 * 1536
        + 1536 * 128 * (128 + 64)
        + 7168 * (512 + 64)
        + 512 * 128 * (128 + 128)
        + 128 * 128 * 7168
        + 1536
        + 512
    )
    layers = 61 + 1
    others = (
        layers * (attention + 2 * 7168)
        + 3 * 3 * 7168 * 18432
        + 59 * (3 * 7168 * 2048 + 256 * 7168)
        + 2 * 129280 * 7168
        + 7168
        + 2 * 7168**2
        + 3 * 7168
    )
    gradients_and_weights = 4 + 2
    by_hand = (127 / 128 * others + 1 / 2 * experts / 64) / 16 * gradients_and_weights
    assert found == pytest.approx(by_hand, rel=1e-6)
    assert found / 1e9 == pytest.approx(8.44, abs=0.01)


def test_tensor_pipeline_and_context_ranks_send_the_stream_and_the_keys():
    stream = TOKENS * 32 * 2
    assert _sent(tensor=2)["tensor"].bytes == 4 * 4 * stream
    assert _sent(tensor=4)["tensor"].bytes == 4 * 4 * stream * 3 // 2
    assert _sent(pipeline=2)["pipeline"].bytes == stream
    assert _sent(pipeline=4)["pipeline"].bytes == 2 * stream
    keys = 4 * 2 * 2 * 8
    assert _sent(context=4)["context"].bytes == 3 * TOKENS * keys * 2 * 3 // 4
    both = _sent(tensor=2, pipeline=2, context=2)
    assert both["tensor"].bytes == 4 * 4 * stream // 4
    assert both["pipeline"].bytes == stream // 2


def test_a_ring_of_context_ranks_reduces_gradients_like_replicas():
    assert _sent(data=2, context=2)["data"] == _sent(data=4)["data"]


def test_experts_must_fit_into_the_data_ranks():
    with pytest.raises(ValidationError, match="expert 3 does not divide data 4"):
        Layout(data=4, expert=3)
    assert Layout(data=4, expert=2, tensor=2, pipeline=3, context=5).ranks == 120


RANKS = 4


@pytest.fixture
def four_ranks():
    """A process group of four ranks, of which this process is one and the others are thought."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=RANKS)
    yield
    dist.destroy_process_group()


class Collectives:
    """Adds up what the collectives of a step are given, by kind."""

    def __init__(self):
        counts = self.elements = {}

        class Mode(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                name = function.__name__.split(".")[0]
                if "c10d" in str(function):
                    tensors = args[0] if name != "_reduce_scatter_base_" else args[1]
                    while isinstance(tensors, (list, tuple)):
                        tensors = tensors[0]
                    counts[name] = counts.get(name, 0) + tensors.numel()
                return function(*args, **(kwargs or {}))

        self.mode = Mode()


@pytest.mark.usefixtures("four_ranks")
def test_fully_sharded_training_gathers_twice_and_scatters_once():
    """FSDP2 itself, counted at its collectives: whole layers, gathered anew for the backward."""
    layers = [Layer(32, GroupedAttention(32, 4, 2, 8), FeedForward(32, 48)) for _ in range(4)]
    model = Decoder(32, 64, layers)
    total = sum(weight.numel() for weight in model.parameters())
    mesh = init_device_mesh("cpu", (RANKS,))
    for layer in model.layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    seen = Collectives()
    with seen.mode:
        model(torch.arange(16)).sum().backward()
    gathered = seen.elements["_allgather_base_"]
    scattered = seen.elements["_reduce_scatter_base_"]
    found = traffic_per_rank(
        DENSE,
        Layout(data=RANKS, sharding="weights"),
        tokens=16,
        gradient_bytes=4,
        weight_bytes=4,
    )
    assert scattered == total
    # A ring passes on all but its own share of what it gathers and scatters.
    assert found["data"].bytes == (RANKS - 1) * 4 * (gathered + scattered) // RANKS

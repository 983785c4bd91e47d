"""The parts of a rank's memory, against hand counts and published formulas."""

import pytest

from farthing.cost.architecture import Architecture, Dense, LayerGroup, Sparse
from farthing.cost.attention import Grouped, Latent
from farthing.cost.communication import Layout
from farthing.cost.parameters import architecture_parameters
from farthing.cost.published import published_model
from farthing.predict.kept import kept_per_token
from farthing.predict.memory import rank_memory
from farthing.predict.split import split_of

WIDTH = 64
UNGATED = LayerGroup(
    count=8,
    attention=Grouped(heads=8, kv_heads=8, head_dim=8),
    feed_forward=Dense(inner=4 * WIDTH, gated=False),
)
GPT = Architecture(width=WIDTH, vocabulary=128, context=32, groups=(UNGATED,))
SPARSE = GPT.model_copy(
    update={
        "groups": (
            UNGATED.model_copy(update={"feed_forward": Sparse(experts=16, top_k=2, inner=32)}),
        )
    }
)
SUMS = 4 * 8  # attention's float32 sums, one of each head


def _memory(architecture=GPT, layout=None, **settings):
    plain = {
        "micro_sequences": 1,
        "length": 32,
        "recompute": "full",
        "fp8": False,
        "offload": False,
        "optimizer": "adamw",
    }
    return rank_memory(architecture, layout or Layout(), **(plain | settings))


@pytest.mark.parametrize(("optimizer", "states"), [("adamw", 12), ("muon", 8)])
def test_a_weight_without_sharding_takes_18_bytes_with_adamw_and_14_with_muon(optimizer, states):
    layers_only = GPT.model_copy(update={"vocabulary": 0})
    memory = _memory(layers_only, optimizer=optimizer)
    total = architecture_parameters(layers_only).total
    assert memory.weights == 2 * total
    assert memory.gradients == 4 * total
    assert memory.states == pytest.approx(states * total, rel=1e-3)


@pytest.mark.parametrize("replicas", [2, 8])
def test_sharded_states_take_6_bytes_and_12_shared_by_the_replicas(replicas):
    total = architecture_parameters(GPT).total
    memory = _memory(layout=Layout(data=replicas, sharding="states"))
    assert memory.weights + memory.gradients == 6 * total
    assert memory.states == pytest.approx(12 * total / replicas, abs=1)


def test_sharded_weights_leave_an_equal_share_of_all_18_bytes():
    total = architecture_parameters(GPT).total
    memory = _memory(layout=Layout(data=8, sharding="weights"))
    kept = memory.weights + memory.gradients + memory.states
    assert kept == pytest.approx(18 * total / 8, abs=3)


def test_experts_are_held_by_their_ranks_only_and_their_states_by_fewer():
    layout = Layout(data=8, expert=4, sharding="states")
    experts = sum(group.count * group.feed_forward.expert_weights(WIDTH) for group in SPARSE.groups)
    common = architecture_parameters(SPARSE).total - experts
    memory = _memory(SPARSE, layout)
    assert memory.weights == 2 * (common + experts / 4)
    assert memory.states == pytest.approx(12 * (common / 8 + experts / 4 / 2), abs=1)


def test_a_layer_keeps_34_bytes_a_column_less_its_dropout_masks():
    kept = kept_per_token(GPT, UNGATED, recompute="none", fp8=False)
    assert kept == (34 - 2) * WIDTH + SUMS


def test_selective_recomputation_drops_norms_and_the_activation_only():
    none = kept_per_token(GPT, UNGATED, recompute="none", fp8=False)
    selective = kept_per_token(GPT, UNGATED, recompute="selective", fp8=False)
    assert none - selective == 2 * 2 * WIDTH + 2 * 4 * WIDTH
    assert kept_per_token(GPT, UNGATED, recompute="full", fp8=False) == 2 * WIDTH


def test_latent_attention_recomputes_its_widened_queries_keys_and_values():
    latent = Latent(heads=4, query_rank=24, kv_rank=16, plain_dim=8, rotary_dim=4, value_dim=8)
    group = UNGATED.model_copy(update={"attention": latent})
    none = kept_per_token(GPT, group, recompute="none", fp8=False)
    selective = kept_per_token(GPT, group, recompute="selective", fp8=False)
    widened = 2 * 4 * (12 + 12 + 8)
    normed = 2 * (24 + 16 + 4)
    assert none - selective == widened + normed + 2 * 2 * WIDTH + 2 * 4 * WIDTH


def test_fp8_products_halve_what_only_they_read():
    plain = kept_per_token(GPT, UNGATED, recompute="none", fp8=False)
    narrow = kept_per_token(GPT, UNGATED, recompute="none", fp8=True)
    # Both normed streams and the activation's output.
    assert plain - narrow == 2 * WIDTH + 4 * WIDTH


def test_stages_hold_as_many_micro_batches_as_there_are_stages_from_them_on():
    def activations(stages, **more):
        layout = Layout(pipeline=stages)
        return _memory(
            GPT.model_copy(update={"vocabulary": 0}), layout, recompute="none", **more
        ).activations

    kept = 8 * kept_per_token(GPT, UNGATED, recompute="none", fp8=False) * 32
    working = activations(1) - kept
    # A quarter of the layers, four micro-batches; and one where a step has no more.
    assert activations(4) == kept + working
    assert activations(4, micro_batches=1) == kept // 4 + working
    # Interleaved by two: (P - 1) / v more.
    assert activations(4, virtual_stages=2) == kept + working + 1.5 * kept / 4


def test_offload_leaves_weights_on_the_device_and_16_bytes_on_the_host():
    total = architecture_parameters(GPT).total
    memory = _memory(offload=True)
    assert (memory.gradients, memory.states) == (0, 0)
    assert memory.host == 16 * total
    assert memory.weights == 2 * total


def test_context_and_tensor_ranks_share_activations():
    one = _memory(recompute="none")
    for degree in ("tensor", "context"):
        memory = _memory(layout=Layout(**{degree: 2}), recompute="none")
        assert memory.activations == one.activations / 2


def test_the_total_is_the_sum_of_its_parts_and_the_host_is_not_in_it():
    memory = _memory(offload=True)
    parts = (memory.weights, memory.gradients, memory.states, memory.activations, memory.buffers)
    assert memory.total == sum(parts)


def test_layers_fall_on_stages_as_llama_3_had_them():
    counts = split_of(published_model("Llama 3.1 405B").sizes).counts(16)
    assert counts == [7, *[8] * 14, 7]


def test_the_layer_of_a_further_prediction_is_dealt_out_too():
    split = split_of(published_model("DeepSeek-V3").sizes)
    assert split.counts(16) == [3, *[4] * 14, 3]
    width = split.architecture.width
    # The product of two streams, three norms of it, and the norm before the output matrix.
    assert split.outside == 2 * width**2 + 3 * width + width
    dealt = sum(held.total for held in split.stages(16))
    assert dealt + split.embedding + split.output + split.outside == split.total


def test_more_stages_than_layers_is_no_layout():
    with pytest.raises(ValueError, match="9 stages of 8 layers"):
        _memory(layout=Layout(pipeline=9))

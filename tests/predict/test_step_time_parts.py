"""The time of a step: its parts by hand, and published layouts beside each other."""

import pytest

from farthing.cost.architecture import Architecture, Dense, LayerGroup
from farthing.cost.attention import Grouped
from farthing.cost.communication import Layout, traffic_per_rank
from farthing.cost.published import published_model
from farthing.cost.training import training_flops_of
from farthing.errors import UnknownHardwareError
from farthing.hardware.catalogue import read_catalogue
from farthing.predict.links import LINK_SHARE, links_of
from farthing.predict.memory import Settings
from farthing.predict.step_time import StepClock, half_peak

SHARE = 0.6
LARGE = Architecture(
    width=2**20,
    vocabulary=0,
    context=2048,
    groups=(
        LayerGroup(
            count=8,
            attention=Grouped(heads=2**13, kv_heads=2**13, head_dim=128),
            feed_forward=Dense(inner=2**22),
        ),
    ),
)


@pytest.fixture(scope="module")
def h100():
    return read_catalogue().accelerator("h100-sxm")


def _settings(**changed):
    plain = {
        "micro_sequences": 512,
        "length": 2048,
        "recompute": "none",
        "fp8": False,
        "offload": False,
        "optimizer": "adamw",
        "micro_batches": 1,
    }
    return Settings(**(plain | changed))


def _seconds(device, layout, settings, architecture=LARGE, host_weights=0.0):
    links = links_of(device, devices=max(layout.ranks, 16))
    clock = StepClock(architecture, device, links, length=settings.length, kernel_share=SHARE)
    return clock.seconds(layout, settings, traffic=clock.traffic(layout), host_weights=host_weights)


def test_computing_takes_the_exact_flops_at_the_share_of_the_peak(h100):
    # Sides so long that products fill the units.
    seconds = _seconds(h100, Layout(), _settings())
    flops = training_flops_of(LARGE, tokens=512 * 2048)
    assert seconds.compute == pytest.approx(flops / (SHARE * 989.4e12), rel=1e-3)
    assert seconds.total == seconds.compute


def test_all_flops_are_counted_in_a_sparse_model_with_a_further_prediction(h100):
    model = published_model("DeepSeek-V3").sizes
    settings = _settings(micro_sequences=2**20, length=4096)
    seconds = _seconds(h100, Layout(), settings, model)
    flops = training_flops_of(model, tokens=2**20 * 4096)
    ideal = flops / (SHARE * 989.4e12)
    # Inner widths of 2,048 fill 2048 / (2048 + 128) of the units, all else nothing less.
    assert ideal < seconds.compute < ideal * (2048 + 128) / 2048


def test_full_recomputation_costs_a_third_more_of_the_layers(h100):
    none = _seconds(h100, Layout(), _settings()).compute
    full = _seconds(h100, Layout(), _settings(recompute="full")).compute
    selective = _seconds(h100, Layout(), _settings(recompute="selective")).compute
    assert full == pytest.approx(none * 4 / 3)
    assert none < selective < 1.05 * none


def test_small_micro_batches_and_narrow_slices_fill_less(h100):
    model = published_model("Llama 2 7B").sizes

    def per_token(layout, micro):
        settings = _settings(micro_sequences=micro, length=128)
        return _seconds(h100, layout, settings, model).compute / micro

    assert per_token(Layout(), 1) > 1.5 * per_token(Layout(), 64)
    assert per_token(Layout(tensor=8), 64) > per_token(Layout(), 64) / 8


@pytest.mark.parametrize("virtual", [1, 2])
def test_the_bubble_is_the_stages_before_over_the_micro_batches(h100, virtual):
    seconds = _seconds(h100, Layout(pipeline=4), _settings(micro_batches=6, virtual_stages=virtual))
    assert seconds.bubble == pytest.approx(seconds.compute * 3 / (6 * virtual))


def test_uneven_stages_wait_for_the_longest(h100):
    even = _seconds(h100, Layout(pipeline=4), _settings(micro_batches=64)).compute
    uneven = _seconds(h100, Layout(pipeline=5), _settings(micro_batches=64)).compute
    assert uneven == pytest.approx(even)


def test_tensor_ranks_send_what_the_count_says_at_the_speed_of_a_machine(h100):
    settings = _settings(micro_batches=3)
    layout = Layout(tensor=8)
    sent = traffic_per_rank(LARGE, layout, tokens=3 * 512 * 2048)["tensor"].bytes
    seconds = _seconds(h100, layout, settings)
    assert seconds.tensor == pytest.approx(sent / (LINK_SHARE * 450e9))


def test_gradients_hide_behind_one_micro_batch_and_gathers_behind_all(h100):
    model = published_model("Llama 2 7B").sizes

    def shown(sharding, batches):
        settings = _settings(micro_sequences=1, length=512, micro_batches=batches)
        return _seconds(h100, Layout(data=16, sharding=sharding), settings, model).data

    # More micro-batches compute longer, and gather as often again.
    assert shown("weights", 8) == pytest.approx(8 * shown("weights", 1))
    assert shown("states", 8) == pytest.approx(shown("states", 1))
    assert shown("states", 1) > 0
    long = _settings(micro_sequences=64, length=4096)
    assert _seconds(h100, Layout(data=16, sharding="states"), long, model).data == 0


def test_gradients_of_experts_go_through_one_card_where_others_go_through_all(h100):
    model = published_model("OLMoE-1B-7B").sizes
    settings = _settings(micro_sequences=1, length=128)
    spread = _seconds(h100, Layout(data=16, expert=8, sharding="states"), settings, model)
    layout = Layout(data=16, expert=8)
    sent = traffic_per_rank(model, layout.model_copy(update={"sharding": "states"}), tokens=128)
    experts = 16 * model.groups[0].feed_forward.expert_weights(model.width)
    of_experts = experts / 8 * (4 + 2) / 2
    others = sent["data"].bytes - of_experts
    taken = of_experts / (LINK_SHARE * 50e9) + others / (LINK_SHARE * 8 * 50e9)
    assert spread.data == pytest.approx(taken - 0.8 * spread.compute)


def test_rows_between_machines_go_once_to_each_machine(h100):
    model = published_model("OLMoE-1B-7B").sizes
    settings = _settings(micro_sequences=4, length=4096)
    inside = _seconds(h100, Layout(data=8, expert=8), settings, model)
    across = _seconds(h100, Layout(data=16, expert=16), settings, model)
    sent = traffic_per_rank(model, Layout(data=16, expert=16), tokens=4 * 4096)["expert"].bytes
    everything = sent * 16 / 15
    # Two machines, eight choices: nearly always both, of which one is another.
    leaving = everything * 2 * (1 - 0.5**8) / 8 / 2
    assert across.expert == pytest.approx(leaving / (LINK_SHARE * 50e9))
    assert 0 < inside.expert < across.expert


def test_fp8_shortens_products_only_where_the_device_has_it(h100):
    a100 = read_catalogue().accelerator("a100-sxm-80gb")
    model = published_model("Llama 3 8B").sizes
    settings = {"micro_sequences": 2, "length": 8192}

    def gain(device):
        plain = _seconds(device, Layout(), _settings(**settings), model)
        narrow = _seconds(device, Layout(), _settings(**settings, fp8=True), model)
        return plain.compute / narrow.compute

    assert gain(a100) == 1
    # torchtitan benchmarks/llama3_h100_202412, table 1: 8,532 over 6,667 tokens a second.
    assert gain(h100) == pytest.approx(8532 / 6667, rel=0.05)


def test_offload_pays_for_the_update_on_the_host(h100):
    settings = _settings(offload=True)
    seconds = _seconds(h100, Layout(), settings, host_weights=1e9)
    update = 1e9 * 28 / (200e9 / 8)
    assert seconds.offload == pytest.approx(update + 1e9 * 2 / 25e9)


def test_llama_3_layouts_reach_what_its_paper_says_of_them(h100):
    """Table 4 of arXiv 2407.21783: 43 % on 8,192 devices, 41 % on 16,384."""
    model = published_model("Llama 3.1 405B").sizes

    def share_of_peak(data, batches):
        layout = Layout(data=data, tensor=8, pipeline=16, sharding="states")
        settings = _settings(
            micro_sequences=1, length=8192, micro_batches=batches, virtual_stages=8
        )
        total = _seconds(h100, layout, settings, model).total
        tokens = data * batches * 8192
        flops = training_flops_of(model, tokens=tokens, length=8192)
        return flops / total / layout.ranks / 989.4e12

    assert share_of_peak(64, 32) == pytest.approx(0.43, abs=0.02)
    assert share_of_peak(128, 16) == pytest.approx(0.41, abs=0.02)


def test_a_device_without_bfloat16_is_timed_by_float16_and_others_are_unknown():
    catalogue = read_catalogue()
    assert half_peak(catalogue.accelerator("v100-sxm2-32gb")) == 125e12
    nameless = catalogue.accelerator("h100-sxm").model_copy(update={"peaks": {}})
    with pytest.raises(UnknownHardwareError, match="bf16"):
        half_peak(nameless)

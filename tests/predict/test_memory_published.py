"""Layouts that are known to have run, or to have run out of memory, and what was measured.

Devices are given by the bytes that their driver leaves to a process: a card of "80 GB" has 79.2 GiB
(torch's own message in nanochat issue 443).
"""

import pytest

from farthing.cost.architecture import Architecture, Dense, LayerGroup
from farthing.cost.attention import Grouped
from farthing.cost.communication import Layout
from farthing.cost.published import published_model
from farthing.predict.memory import rank_memory

GIB = 2**30
CARD_80 = 79.2 * GIB
CARD_32 = 31.7 * GIB


def _gpt(layers, width, heads, vocabulary=51200, context=2048):
    attention = Grouped(heads=heads, kv_heads=heads, head_dim=width // heads, biases="all")
    block = Dense(inner=4 * width, gated=False, biases=True)
    return Architecture(
        width=width,
        vocabulary=vocabulary,
        context=context,
        learned_positions=context,
        norm_vectors=2,
        tied=True,
        groups=(LayerGroup(count=layers, attention=attention, feed_forward=block),),
    )


def _nanochat(depth, vocabulary):
    width = 64 * depth
    attention = Grouped(heads=width // 128, kv_heads=width // 128, head_dim=128)
    return Architecture(
        width=width,
        vocabulary=vocabulary,
        context=2048,
        norm_vectors=0,
        outer_norms=2,
        groups=(
            LayerGroup(
                count=depth,
                attention=attention,
                feed_forward=Dense(inner=4 * width, gated=False),
            ),
        ),
    )


def _need(architecture, layout, micro, length, recompute, **more):
    if isinstance(architecture, str):
        architecture = published_model(architecture).sizes
    settings = {"fp8": False, "offload": False, "optimizer": "adamw"} | more
    return rank_memory(
        architecture,
        layout,
        micro_sequences=micro,
        length=length,
        recompute=recompute,
        **settings,
    ).total


LLAMA_405B = Layout(data=128, tensor=8, pipeline=16, sharding="states")
DEEPSEEK = Layout(data=128, expert=64, pipeline=16, sharding="states")
FSDP_8 = Layout(data=8, sharding="weights")
FSDP_64 = Layout(data=64, sharding="weights")

RAN = {
    # arXiv 2407.21783 table 4: sequences of 8,192 without recomputing large products.
    "Llama 3.1 405B": (
        ("Llama 3.1 405B", LLAMA_405B, 1, 8192, "selective"),
        {"virtual_stages": 8, "micro_batches": 16},
    ),
    # arXiv 2412.19437 section 3.2: PP 16, EP 64, ZeRO 1, FP8, norms and up-projections again.
    "DeepSeek-V3": (("DeepSeek-V3", DEEPSEEK, 1, 4096, "selective"), {"fp8": True}),
    # arXiv 2205.05198 table 3 (without its attention scores), no data ranks.
    "GPT 22B": ((_gpt(48, 6144, 64), Layout(tensor=8), 4, 2048, "none"), {}),
    "GPT 175B": (
        ("GPT-3 175B", Layout(tensor=8, pipeline=8), 1, 2048, "none"),
        {"virtual_stages": 3},
    ),
    "GPT 530B": (
        (_gpt(105, 20480, 128), Layout(tensor=8, pipeline=35), 1, 2048, "none"),
        {"virtual_stages": 3},
    ),
    "GPT 1T": ((_gpt(128, 25600, 160), Layout(tensor=8, pipeline=64), 1, 2048, "none"), {}),
    # arXiv 2211.05100 section 3.4.
    "BLOOM 176B": (
        ("BLOOM 176B", Layout(data=8, tensor=4, pipeline=12, sharding="states"), 2, 2048, "full"),
        {},
    ),
    # torchtitan docs/performance.md at 0413364, 64 cards.
    "Llama 2 13B": (("Llama 2 13B", FSDP_64, 2, 4096, "none"), {}),
    "Llama 2 70B": (("Llama 2 70B", FSDP_64, 2, 4096, "full"), {}),
    "Llama 3 70B": (("Llama 3 70B", FSDP_64, 1, 8192, "full"), {}),
    # nanochat's speedrun, d24 with 16 sequences a card.
    "nanochat d24": (
        ("nanochat d24, run 1", Layout(data=8, sharding="states"), 16, 2048, "none"),
        {"optimizer": "muon"},
    ),
}


@pytest.mark.parametrize("run", RAN)
def test_what_has_run_on_80_gb_cards_fits(run):
    arguments, more = RAN[run]
    assert _need(*arguments, **more) < CARD_80


DID_NOT = {
    "7B with all states on one card": (("Llama 2 7B", Layout(), 1, 4096, "full"), {}),
    "70B on 8 cards without sharding": (("Llama 2 70B", Layout(data=8), 1, 4096, "full"), {}),
    "70B on 8 cards, sharded": (("Llama 2 70B", FSDP_8, 1, 4096, "full"), {}),
    # torchtitan docs/performance.md at 0413364: runs out of memory with two sequences.
    "70B, selective, 2 sequences": (("Llama 2 70B", FSDP_64, 2, 4096, "selective"), {}),
    # DeepSeek-V3 says that FP8 and recomputation are what made it fit without tensor ranks.
    "DeepSeek-V3 in bfloat16": (("DeepSeek-V3", DEEPSEEK, 1, 4096, "none"), {}),
    # nanochat issue 443: 72.5 GiB in use, 8 GiB more asked for.
    "nanochat d20, 32 sequences": (
        (_nanochat(20, 65536), Layout(data=8, sharding="states"), 32, 2048, "none"),
        {"optimizer": "muon"},
    ),
}


@pytest.mark.parametrize("run", DID_NOT)
def test_what_has_not_run_on_80_gb_cards_does_not_fit(run):
    arguments, more = DID_NOT[run]
    assert _need(*arguments, **more) > CARD_80


def test_7b_fits_one_80_gb_card_once_gradients_and_states_are_on_the_host():
    assert _need("Llama 2 7B", Layout(), 1, 4096, "selective", offload=True) < CARD_80


@pytest.mark.parametrize(
    ("layers", "width", "offload", "fits"),
    # arXiv 2101.06840, abstract: 1.4B without offload is the largest on one such card; 10B trains
    # with it. The next larger sizes of its table 2 are what must not fit.
    [(40, 1536, False, True), (54, 1920, False, False), (50, 4096, True, True)],
)
def test_a_32_gb_card_holds_what_zero_offload_says(layers, width, offload, fits):
    model = _gpt(layers, width, width // 64, vocabulary=50304, context=1024)
    assert (_need(model, Layout(), 4, 1024, "full", offload=offload) < CARD_32) == fits


@pytest.mark.parametrize(
    ("data", "context", "length", "measured"),
    [(8, 1, 32768, 83.9), (4, 2, 65536, 84.2), (2, 4, 131072, 84.0), (1, 8, 262144, 84.5)],
)
def test_8b_on_long_sequences_takes_what_torchtitan_measured(data, context, length, measured):
    # torchtitan benchmarks/llama3_h100_202412, table 2: peak of what its allocator held.
    layout = Layout(data=data, context=context, sharding="weights")
    need = _need("Llama 3 8B", layout, 1, length, "full", fp8=True)
    assert need / GIB == pytest.approx(measured, rel=0.05)


def test_sixteen_times_the_ranks_save_what_torchtitan_measured():
    # The same, tables 1 and 3: 77.0 GiB on 8 cards, 62.0 GiB on 128.
    few = _need("Llama 3 8B", FSDP_8, 2, 8192, "selective")
    many = _need("Llama 3 8B", Layout(data=128, sharding="weights"), 2, 8192, "selective")
    assert (few - many) / GIB == pytest.approx(77.0 - 62.0, rel=0.15)


def test_d20_with_32_sequences_is_as_near_the_edge_as_its_users_found():
    # nanochat issue 443: 80.5 GiB were not enough for one; its author could not reproduce it.
    layout = Layout(data=8, sharding="states")
    need = _need(_nanochat(20, 65536), layout, 32, 2048, "selective", optimizer="muon")
    assert need / GIB == pytest.approx(80.5, rel=0.05)

"""Published trainings: every figure with a source, and shares of the peak as others count them."""

import pytest

from farthing.artifacts.config import parse_config
from farthing.cost.published import published
from farthing.errors import ConfigError, UnknownHardwareError
from farthing.hardware.accelerators import Accelerator
from farthing.hardware.catalogue import find_accelerator
from farthing.predict.runs import (
    PublishedRun,
    RunFigure,
    further_runs,
    goodput,
    implied_mfu,
    published_runs,
    training_peak,
)

RUNS = {run.name: run for run in published_runs()}

# Shares of the peak over all hours, from FLOPs that were counted elsewhere with a program of its
# own; the windows of Olmo 3 count a little differently there.
ELSEWHERE = {
    "GPT-3 175B": 0.199,
    "BLOOM 176B": 0.322,
    "GLM-130B": 0.252,
    "LLaMA-65B": 0.485,
    "Llama 2 13B": 0.397,
    "StarCoder": 0.292,
    "BloombergGPT": 0.241,
    "Pythia-12B": 0.265,
    "TinyLlama": 0.522,
    "Skywork-13B": 0.518,
    "MPT-30B": 0.380,
    "Llama 3 8B": 0.167,
    "Llama 3.1 405B": 0.358,
    "Granite 3.0 2B": 0.302,
    "Nemotron-4 15B": 0.209,
    "phi-4": 0.261,
    "SmolLM3-3B": 0.288,
    "OLMoE-1B-7B": 0.184,
    "JetMoE-8B": 0.192,
    "DeepSeek-V3": 0.406,
    "DeepSeek-V2": 0.252,
    "DeepSeek 67B": 0.391,
}


def test_the_runs_are_those_whose_sizes_are_checked():
    assert list(RUNS) == [model.name for model in published()]
    assert not {run.name for run in further_runs()} & set(RUNS)


@pytest.mark.parametrize("run", [*published_runs(), *further_runs()], ids=lambda run: run.name)
def test_every_figure_says_where_it_stands(run):
    for figure in (run.hours, run.device_count, run.speed, run.mfu):
        if figure is not None:
            assert figure.source.startswith("https://")
            assert figure.how or figure.grade != "derived", "derived from what?"
    assert run.tokens > 0
    assert find_accelerator(run.device).id == run.device


@pytest.mark.parametrize("name", ELSEWHERE)
def test_shares_of_the_peak_are_as_counted_elsewhere(name):
    # Three digits were kept there, and a peak of 989.4 instead of 989 for H800.
    assert implied_mfu(RUNS[name]) == pytest.approx(ELSEWHERE[name], abs=0.0015)


def test_what_nobody_published_is_missing():
    run = RUNS["DeepSeek-V2"]
    assert (run.devices, run.tokens_per_second_per_device, run.stated_mfu) == (None, None, None)
    assert goodput(run) is None


def test_goodput_is_the_published_speed_over_all_hours():
    # By hand: 1.4e12 tokens in 1,022,362 hours are 380.4 a second, where 380 are published.
    assert goodput(RUNS["LLaMA-65B"]) == pytest.approx(380.4 / 380, rel=1e-3)
    assert goodput(RUNS["Olmo 3 7B"]) == pytest.approx(0.910, abs=5e-4)


def test_shares_are_of_fp16_only_where_there_is_no_bf16():
    assert training_peak(find_accelerator("v100-sxm2-32gb")).value == 125e12
    with_both = find_accelerator("a100-sxm-80gb")
    assert training_peak(with_both) == with_both.peak("bf16")


def test_a_device_without_either_peak_says_how_to_give_one():
    nothing = find_accelerator("a100-sxm-80gb").model_copy(update={"peaks": {}})
    assert isinstance(nothing, Accelerator)
    with pytest.raises(UnknownHardwareError, match=r"peaks\.bf16") as caught:
        training_peak(nothing)
    assert "farthing hardware add" in caught.value.remedy


def test_hours_that_are_not_positive_are_refused():
    figure = {"value": 0, "grade": "read", "source": "https://example.org"}
    with pytest.raises(ConfigError, match="value"):
        parse_config(RunFigure, figure, where="a test")
    run = {"model": "phi-4", "year": 2024, "device": "h100-sxm", "device_hour": figure}
    with pytest.raises(ConfigError, match="device_hour"):
        parse_config(PublishedRun, run, where="a test")

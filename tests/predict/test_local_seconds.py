"""Seconds of a step on a processor: the sum by hand, the pace of a machine, a whole quick start."""

import pytest
from tiny_models import TINY

from farthing.cost.architecture import architecture_of
from farthing.cost.flops import TRAINING_PASSES, flops_per_token
from farthing.cost.training import training_flops_of
from farthing.errors import PlanError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.predict.booked import BookedSpeed
from farthing.predict.local import (
    COSTS,
    UNKNOWN,
    Probe,
    QuickstartWork,
    TimedStep,
    booked_probe,
    cost_features,
    forecast_quickstart,
    local_step_seconds,
    probe_of,
    reference_seconds,
)

# The recipe compare-0.3m, of which docs/results/elastic has the CPU-seconds.
SMALL = ModelConfig(
    num_layers=6,
    num_dense_layers=1,
    hidden_dim=64,
    num_heads=2,
    num_kv_heads=1,
    head_dim=32,
    dense_ffn_dim=144,
    num_experts=16,
    expert_dim=48,
    num_shared_experts=1,
    top_k=4,
    context=256,
)
ROWS = 4096


def architecture(model=SMALL, vocabulary=ROWS):
    return architecture_of(model, vocabulary, Shape.full(model))


def probe(pace, **ranges):
    return Probe(pace=pace, **{"low": pace, "high": pace, **ranges}, threads=1, source="a test")


def test_a_step_is_the_sum_of_its_parts():
    flops = 4.14e6
    by_hand = (
        COSTS["vocabulary"]
        + COSTS["dense layer"]
        + 5 * (COSTS["sparse layer"] + 4 * COSTS["visited"] + 16 * COSTS["held"])
        + flops * COSTS["flops"]
    )
    full = training_flops_of(architecture(), tokens=1.0)
    assert flops == pytest.approx(full, rel=0.05)
    found = reference_seconds(architecture(), 1, full)
    assert found == pytest.approx(by_hand, rel=0.01)


def test_the_reference_is_what_the_studies_took_on_one_thread():
    # Median of five seeds, plain arm of compare-0.3m: 57.4 microseconds of CPU a token.
    full = training_flops_of(architecture(), tokens=1.0)
    assert reference_seconds(architecture(), 1, full) == pytest.approx(57.4e-6, rel=0.1)
    # The elastic arm of compare-0.3m computes 3.15 MFLOP a token: 42.6 microseconds.
    assert reference_seconds(architecture(), 1, 3.15e6) == pytest.approx(42.6e-6, rel=0.1)


def test_a_step_of_smaller_shapes_pays_for_its_share_of_the_layers():
    full = cost_features(architecture(), training_flops_of(architecture(), tokens=1.0))
    output = TRAINING_PASSES * 2 * 64 * ROWS
    half = cost_features(architecture(), (full["flops"] + output) / 2)
    assert half["dense layer"] == pytest.approx(full["dense layer"] / 2)
    assert half["held"] == pytest.approx(full["held"] / 2)
    assert half["vocabulary"] == full["vocabulary"] == 1


def test_a_wider_model_than_any_measured_pays_for_its_width():
    wide = SMALL.model_copy(update={"hidden_dim": 224})
    sizes = architecture(wide)
    assert cost_features(sizes, training_flops_of(sizes, tokens=1.0))["sparse layer"] == 10


def test_a_machine_half_as_fast_takes_twice_the_seconds():
    once = local_step_seconds(SMALL, 4096, 1.7e10, probe(1.0), vocab_size=ROWS)
    twice = local_step_seconds(SMALL, 4096, 1.7e10, probe(2.0, low=1.5), vocab_size=ROWS)
    assert twice.value == pytest.approx(2 * once.value)
    assert twice.low == pytest.approx(1.5 * once.value)
    assert "a test" in twice.source


def test_a_machine_that_nobody_measured_has_a_wide_range():
    found = local_step_seconds(SMALL, 4096, 1.7e10, UNKNOWN, vocab_size=ROWS)
    assert found.high / found.low > 5
    assert "nothing measured" in found.source


def timed(pace, tokens=4096):
    sizes = architecture()
    flops = tokens * training_flops_of(sizes, tokens=1.0)
    seconds = pace * reference_seconds(sizes, tokens, flops)
    return TimedStep(architecture=sizes, tokens=tokens, flops=flops, seconds=seconds)


def test_timed_steps_give_the_pace_and_one_that_was_disturbed_does_not_change_it():
    found = probe_of([timed(p) for p in (0.8, 0.8, 0.8, 0.8, 5.0)], threads=2)
    assert found.pace == pytest.approx(0.8)
    assert found.high > 1.1 * found.pace
    assert found.threads == 2


def test_one_timed_step_is_a_rough_measurement_and_none_is_none():
    once, often = probe_of([timed(1.0)], threads=1), probe_of([timed(1.0)] * 5, threads=1)
    assert once.pace == often.pace == pytest.approx(1.0)
    assert once.high / once.low > often.high / often.low > 1.2
    with pytest.raises(PlanError, match="no timed step"):
        probe_of([], threads=1)


def booked(pace, cpu):
    sizes = architecture()
    flops = 1e6 * training_flops_of(sizes, tokens=1.0)
    seconds = pace * reference_seconds(sizes, 1e6, flops)
    return BookedSpeed(sizes, None, cpu, 2, 2, flops, seconds)


def test_booked_runs_of_this_processor_are_a_probe_and_those_of_others_are_not():
    found = booked_probe([booked(1.5, "this"), booked(9.0, "that")], cpu="this")
    assert found is not None
    assert found.pace == pytest.approx(1.5)
    assert "1 booked runs on this" in found.source
    assert booked_probe([booked(9.0, "that")], cpu="this") is None


def work(**changes):
    shapes = (Shape.full(SMALL), Shape.parse("4L-8E-2K", SMALL))
    given = {
        "model": SMALL,
        "vocab_size": ROWS,
        "steps": 900,
        "batch_tokens": 4096,
        "flops_per_step": 4096 * 3.15e6,
        "text_bytes": 20_000_000,
        "members": shapes,
        "scored_tokens": 200_000,
        "extracted": 3,
        **changes,
    }
    return QuickstartWork(**given)


def test_a_quick_start_is_its_parts_and_what_no_run_does():
    found = forecast_quickstart(work(), probe(1.0))
    parts = sum(found[name].value for name in ("curation", "training", "evaluation", "extraction"))
    assert parts < found["everything"].value < parts + 30
    step = local_step_seconds(SMALL, 4096, 4096 * 3.15e6, probe(1.0), vocab_size=ROWS)
    assert 900 * step.value < found["training"].value < 900 * step.value + 15


def test_scoring_grows_with_members_and_text_and_a_corpus_that_is_there_costs_nothing():
    once = forecast_quickstart(work(), probe(1.0))
    twice = forecast_quickstart(work(scored_tokens=400_000), probe(1.0))
    assert twice["evaluation"].value == pytest.approx(2 * once["evaluation"].value)
    fewer = forecast_quickstart(work(members=(Shape.full(SMALL),)), probe(1.0))
    assert fewer["evaluation"].value < once["evaluation"].value
    assert forecast_quickstart(work(text_bytes=0), probe(1.0))["curation"].value == 0


def test_a_slow_machine_is_less_slow_where_there_are_no_products():
    once, slow = forecast_quickstart(work(), probe(1.0)), forecast_quickstart(work(), probe(4.0))
    assert slow["evaluation"].value == pytest.approx(4 * once["evaluation"].value)
    assert slow["extraction"].value == pytest.approx(2 * once["extraction"].value)


def test_scoring_a_token_is_cheaper_than_training_on_it():
    one = forecast_quickstart(work(members=(Shape.full(SMALL),), scored_tokens=4096), probe(1.0))
    flops = TRAINING_PASSES * flops_per_token(SMALL, ROWS, Shape.full(SMALL))
    step = local_step_seconds(SMALL, 4096, 4096 * flops, probe(1.0), vocab_size=ROWS)
    assert 0.25 * step.value < one["evaluation"].value < 0.6 * step.value


def test_a_dense_model_has_no_sparse_layers():
    dense = TINY.model_copy(update={"num_experts": 0, "top_k": 0})
    features = cost_features(architecture(dense, 64), 1e5)
    assert features["sparse layer"] == features["visited"] == features["held"] == 0
    assert features["dense layer"] > 0

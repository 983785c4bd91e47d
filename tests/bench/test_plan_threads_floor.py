"""How much is measured, on how many threads, and what a floor is."""

import pytest
import torch

from farthing.artifacts.measurement import CopySpeed, Figure, ProductPeak
from farthing.bench.clock import basis_of
from farthing.bench.floor import Demand, floor_of
from farthing.bench.plan import make_plan
from farthing.bench.threads import read_threads
from farthing.cost.traffic import Traffic
from farthing.errors import UsageError
from farthing.hardware.machine import available_threads

CPU = torch.device("cpu")


@pytest.mark.parametrize("step_seconds", [0.001, 0.05, 0.3])
def test_a_plan_stays_within_what_it_was_given(step_seconds):
    plan = make_plan(40, step_seconds, elastic=True)
    assert plan.seconds <= 40
    assert plan.repeats >= 3


def test_the_same_shapes_are_measured_on_a_fast_machine_and_on_a_slow_one():
    assert make_plan(40, 0.001, elastic=True).shapes == make_plan(40, 0.9, elastic=True).shapes == 8


def test_a_slow_step_is_still_repeated_and_its_time_is_said():
    plan = make_plan(10, 60.0, elastic=True)
    assert (plan.repeats, plan.shapes) == (3, 2)
    assert plan.seconds >= 3 * 2 * 60.0


@pytest.mark.parametrize("text", ["0", "1,0", "-1", "many", "", "1,,2", "100000"])
def test_threads_that_cannot_be_are_refused_with_what_can(text):
    with pytest.raises(UsageError) as refused:
        read_threads(text, CPU)
    assert text in refused.value.what
    assert "--threads 1,2" in refused.value.remedy or "1 to " in refused.value.remedy


def test_threads_left_out_are_doubled_up_to_all_of_them():
    counts = read_threads(None, CPU)
    assert counts[0] == 1
    assert counts[-1] == available_threads()
    assert list(counts) == sorted(set(counts))


def test_a_number_given_twice_is_tried_once():
    assert read_threads("1,1", CPU) == (1,)


def test_one_thread_of_a_cpu_is_judged_by_processor_time():
    assert basis_of(CPU, 1) == "processor time"
    assert basis_of(CPU, 2) == "wall clock"
    assert basis_of(torch.device("meta"), 1) == "wall clock"


def _peak(rate):
    return ProductPeak(dtype="fp32", size=1, threads=1, rate=Figure.of([rate], "FLOP/s", "a test"))


def _copies(*speeds):
    return tuple(
        CopySpeed(touched_bytes=size, threads=1, rate=Figure.of([rate], "B/s", "a test"))
        for size, rate in speeds
    )


def test_a_floor_is_the_larger_of_products_and_bytes():
    copies = _copies((100, 10.0))
    assert floor_of(Demand(50.0, Traffic(10, 1)), _peak(5.0), copies) == (10.0, "FLOPs")
    assert floor_of(Demand(50.0, Traffic(300, 1)), _peak(5.0), copies) == (30.0, "bytes")


@pytest.mark.parametrize(
    ("calls", "bandwidth"),
    [pytest.param(1, 10.0, id="too large for the cache"), pytest.param(100, 40.0, id="fits it")],
)
def test_data_that_fit_a_cache_are_given_its_speed(calls, bandwidth):
    seconds, limit = floor_of(
        Demand(0.0, Traffic(3000, calls)), _peak(1.0), _copies((20, 40.0), (1000, 10.0))
    )
    assert (seconds, limit) == (3000 / bandwidth, "bytes")


def test_a_small_copy_that_was_slow_by_accident_lowers_no_bandwidth():
    copies = _copies((20, 1.0), (1000, 10.0))
    assert floor_of(Demand(0.0, Traffic(30, 1)), _peak(1.0), copies)[0] == 3.0

"""Hours: as by hand, with the published speeds, and no narrower than what they come from."""

import pytest

from farthing.hardware.catalogue import find_accelerator
from farthing.predict.duration import device_hours, device_hours_at, published_goodput
from farthing.predict.runs import published_runs
from farthing.quantity import Provenance, assumed, estimated

RUNS = {run.name: run for run in published_runs()}
MFU = estimated(0.4, "1", "a test", low=0.3, high=0.5)


def test_hours_are_flops_over_a_share_of_the_peak():
    # 312 TFLOP/s x 0.4 x 3600 s are 4.4928e17 FLOPs an hour.
    hours = device_hours(4.4928e20, find_accelerator("a100-sxm-80gb"), MFU)
    assert (hours.value, hours.unit) == (pytest.approx(1000), "h")
    assert hours.low == pytest.approx(1000 * 0.4 / 0.5)
    assert hours.high == pytest.approx(1000 * 0.4 / 0.3)
    assert hours.provenance is Provenance.ESTIMATED
    assert "a test" in hours.source


def test_an_uncertain_peak_widens_the_range():
    device = find_accelerator("ascend-910b1")
    least, most = device.peak("fp16").range()
    assert least < most == 400e12
    hours = device_hours(1e20, device, MFU)
    sure = device_hours(1e20, device, assumed(0.4, "1", "a test"))
    # Nothing above the peak that is given, so that end is the share's alone.
    assert hours.value / hours.low == pytest.approx(0.5 / 0.4)
    assert sure.high / sure.value == pytest.approx(400 / 256)
    assert max(0.4 / 0.3, 400 / 256) < hours.high / hours.value < 0.4 / 0.3 * 400 / 256


@pytest.mark.parametrize("name", ["LLaMA-65B", "TinyLlama", "Skywork-13B"])
def test_hours_from_the_published_speed_are_within_two_percent(name):
    run = RUNS[name]
    hours = device_hours_at(run.tokens, run.tokens_per_second_per_device)
    assert hours.value == pytest.approx(run.device_hours, rel=0.02)
    assert hours.low == hours.value == hours.high


@pytest.mark.parametrize(("name", "short"), [("Olmo 3 7B", 0.09), ("Olmo 3 32B", 0.18)])
def test_a_goodput_explains_hours_that_have_restarts_in_them(name, short):
    run = RUNS[name]
    speed = run.tokens_per_second_per_device
    assert device_hours_at(run.tokens, speed).value == pytest.approx(
        run.device_hours * (1 - short), rel=0.005
    )
    with_pauses = device_hours_at(run.tokens, speed, published_goodput())
    assert with_pauses.low * 0.999 <= run.device_hours <= with_pauses.high * 1.001


def test_published_goodput_is_between_the_least_and_all():
    share = published_goodput()
    assert 0.8 < share.low < share.value <= share.high == 1.0


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_a_speed_that_never_ends_is_refused(speed):
    with pytest.raises(ValueError, match="never end"):
        device_hours_at(1e9, speed)


def test_shares_that_never_end_are_refused():
    nothing = assumed(0.0, "1", "a test")
    with pytest.raises(ValueError, match="never ends"):
        device_hours(1e20, find_accelerator("a100-sxm-80gb"), nothing)
    with pytest.raises(ValueError, match="never end"):
        device_hours_at(1e9, 1.0, nothing)

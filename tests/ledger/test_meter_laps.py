from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from farthing.hardware.machine import Host, Machine
from farthing.hardware.sensors.counter import read_exactly
from farthing.hardware.sensors.find import Load
from farthing.ledger.environment import environment, machine_record
from farthing.ledger.meter import Meter, process_age_seconds


class _Counter:
    """A sensor whose energy the test sets."""

    method = "rapl"
    covers = "package-0"

    def __init__(self):
        self.joules = 0.0

    def energy(self):
        return read_exactly(self.joules)


class _Clock:
    def __init__(self):
        self.now = 50.0

    def __call__(self):
        return self.now


def test_laps_leave_no_gap_and_do_not_overlap(meter):
    begun = time.monotonic()
    laps = []
    for _ in range(4):
        sum(range(200_000))
        # Read before the lap: whatever delays this thread here lengthens the lap as well.
        held = time.monotonic() - begun
        laps.append(meter.lap())
    total = laps[0] + laps[1] + laps[2] + laps[3]
    assert held <= total.wall_seconds < held + 5
    assert total.device_seconds == pytest.approx(2 * total.wall_seconds)
    assert total.joules == pytest.approx(5.0 * total.device_seconds)
    assert total.energy_method == "tdp_model"
    # One load and one method: there is nothing to tell apart.
    assert total.energy_parts == ()


def test_peeking_changes_nothing(meter):
    first, second = meter.peek(), meter.peek()
    assert 0 <= first.wall_seconds <= second.wall_seconds <= meter.lap().wall_seconds
    assert meter.peek().wall_seconds < second.wall_seconds + 5


def test_processor_time_includes_finished_children(meter):
    subprocess.run([sys.executable, "-c", "sum(range(8_000_000))"], check=True)
    assert meter.lap().cpu_seconds > 0.05


def test_the_meter_begins_with_the_process_not_with_the_call(machine):
    meter = Meter(machine)
    age = time.time() - psutil.Process(os.getpid()).create_time()
    assert meter.peek().wall_seconds == pytest.approx(age, abs=0.5)
    assert meter.peek().cpu_seconds > 0
    assert meter.peek().joules == pytest.approx(2 * 5.0 * age, rel=0.05)


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_somebody_sets_bills_nothing(machine, monkeypatch, hours):
    age = process_age_seconds()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600 * hours)
    meter = Meter(machine)
    assert age <= process_age_seconds() < age + 60
    assert age <= meter.lap().wall_seconds < age + 60
    assert meter.lap().wall_seconds < 60


def test_the_age_of_a_process_is_read_past_any_name(tmp_path):
    stat = tmp_path / "stat"
    ticks = os.sysconf("SC_CLK_TCK")
    created = time.clock_gettime(time.CLOCK_BOOTTIME) - 100
    rest = " ".join(["S", *["0"] * 18, str(int(created * ticks)), "0"])
    stat.write_text(f"7 (a) b (c) {rest}\n")
    assert process_age_seconds(stat) == pytest.approx(100, abs=1)


def test_unknown_watts_make_unknown_energy():
    machine = Machine("m", "mystery", "cpu-thread", 4, None)
    work = Meter(machine).lap()
    assert (work.joules, work.energy_method) == (None, "none")


def test_a_sensor_goes_before_the_model_and_start_up_is_the_models(machine):
    sensor, clock = _Counter(), _Clock()
    watts = machine.watts_per_device.scaled(2)
    meter = Meter(machine, [Load("package-0", sensor, watts, 2.0)], clock=clock)
    age = meter.peek().wall_seconds
    sensor.joules, clock.now = 3.0, clock.now + 1
    first = meter.lap()
    sensor.joules, clock.now = 3.5, clock.now + 1
    second = meter.lap()
    assert {part.method: part.joules for part in first.energy_parts} == {
        "rapl": 3.0,
        "tdp_model": pytest.approx(10.0 * age),
    }
    assert (first.energy_method, second.energy_method) == ("mixed", "rapl")
    assert second.joules == 0.5
    assert second.energy_parts[0].measured


def test_time_that_is_lent_to_others_is_not_billed_here(machine):
    clock = _Clock()
    meter = Meter(machine, from_process_start=False, clock=clock)
    clock.now += 2
    with meter.lent():
        clock.now += 100
    clock.now += 3
    work = meter.lap()
    assert work.wall_seconds == pytest.approx(5)
    assert work.joules == pytest.approx(5 * 2 * 5.0)


def test_sensors_are_read_while_a_run_takes_long(machine, monkeypatch):
    monkeypatch.setattr("farthing.ledger.sampler.SAMPLE_SECONDS", 0.01)
    reads = []

    class Counted(_Counter):
        def energy(self):
            reads.append(time.monotonic())
            return read_exactly(0.0)

    meter = Meter(machine, [Load("package-0", Counted(), None)], from_process_start=False)
    meter.hold()
    before = len(reads)
    until = time.monotonic() + 30
    while len(reads) < before + 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert len(reads) >= before + 3
    # Its thread goes on between runs, as counters do.
    meter.release()
    meter._sampler.stop()


def test_without_sensors_the_thread_ends_with_the_run(meter):
    meter.hold()
    (thread,) = [meter._sampler._thread]
    assert thread.is_alive()
    meter.release()
    assert not thread.is_alive()


def test_the_book_names_accelerators_and_the_processors_beside_them(machine):
    watts = machine.watts_per_device
    boards = Machine(
        "m", "Big Chip", "big-chip", 2, watts, "big-chip", ("u1", "u2"), Host("cpu", 16, watts)
    )
    record = machine_record(boards)
    assert (record.accelerator, record.device_ids, record.devices) == (
        "big-chip",
        ("u1", "u2"),
        2,
    )
    assert record.watts_source == "test; processors: test"
    software = environment(None, None, boards)
    assert (software.cpu, software.threads) == ("cpu", 16)

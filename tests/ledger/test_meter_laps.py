from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from farthing.hardware.machine import Machine
from farthing.ledger.meter import Meter, RaplCounters


def _zone(root, name, label, energy, limit=1_000_000):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{label}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder / "energy_uj"


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


def test_peeking_changes_nothing(meter):
    first, second = meter.peek(), meter.peek()
    assert 0 <= first.wall_seconds <= second.wall_seconds <= meter.lap().wall_seconds
    assert meter.peek().wall_seconds < second.wall_seconds + 5


def test_processor_time_includes_finished_children(meter):
    subprocess.run([sys.executable, "-c", "sum(range(8_000_000))"], check=True)
    assert meter.lap().cpu_seconds > 0.05


def test_the_meter_begins_with_the_process_not_with_the_call(machine, tmp_path):
    meter = Meter(machine, powercap=tmp_path)
    age = time.time() - psutil.Process(os.getpid()).create_time()
    assert meter.peek().wall_seconds == pytest.approx(age, abs=0.5)
    assert meter.peek().cpu_seconds > 0


def test_unknown_watts_make_unknown_energy(tmp_path):
    machine = Machine("m", "mystery", "cpu-thread", 4, None)
    work = Meter(machine, powercap=tmp_path).lap()
    assert (work.joules, work.energy_method) == (None, "none")


def test_counters_add_packages_and_memory_but_no_part_twice(tmp_path):
    package = _zone(tmp_path, "intel-rapl:0", "package-0", 100)
    core = _zone(tmp_path, "intel-rapl:0:0", "core", 100)
    dram = _zone(tmp_path, "intel-rapl:0:1", "dram", 100)
    psys = _zone(tmp_path, "intel-rapl:1", "psys", 100)
    counters = RaplCounters(tmp_path)
    for file in (package, core, dram, psys):
        file.write_text("500100\n")
    assert counters.joules() == pytest.approx(0.5 + 0.5)


def test_a_counter_that_wraps_around_goes_on_counting(tmp_path):
    file = _zone(tmp_path, "intel-rapl:0", "package-0", 900_000, limit=1_000_000)
    counters = RaplCounters(tmp_path)
    expected = 0.0
    for reading, step in ((990_000, 0.09), (40_000, 0.05), (940_000, 0.9), (0, 0.06)):
        file.write_text(f"{reading}\n")
        expected += step
        assert counters.joules() == pytest.approx(expected)


def test_readable_counters_go_before_the_model(machine, tmp_path):
    file = _zone(tmp_path, "intel-rapl:0", "package-0", 0, limit=10**9)
    meter = Meter(machine, powercap=tmp_path, from_process_start=False)
    file.write_text("3000000\n")
    first = meter.lap()
    file.write_text("3500000\n")
    second = meter.lap()
    assert (first.joules, second.joules) == (pytest.approx(3.0), pytest.approx(0.5))
    assert first.energy_method == "rapl"


def test_counters_only_for_root_are_not_used(machine, tmp_path):
    _zone(tmp_path, "intel-rapl:0", "package-0", 0).unlink()
    assert Meter(machine, powercap=tmp_path).method == "tdp_model"

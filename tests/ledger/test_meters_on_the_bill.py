"""What sensors and clocks can do to a run, from the meter through the journal to the bill."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from farthing.artifacts import chain as chain_module
from farthing.artifacts.settings import WorkspaceSettings
from farthing.hardware.sensors import find
from farthing.ledger import appender
from farthing.ledger.bill import make_bill
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter
from farthing.quantity import Provenance

SETTINGS = WorkspaceSettings()
JOULES_PER_KWH = 3.6e6
RANGE = 262_143_328_850


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Package:
    """A processor's energy counter as the kernel shows it, in a folder of its own."""

    def __init__(self, root):
        self.powercap, self.cpus = root / "powercap", root / "cpus"
        folder = self.powercap / "intel-rapl:0"
        folder.mkdir(parents=True)
        (folder / "name").write_text("package-0\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
        self.file = folder / "energy_uj"
        for thread in (0, 1):
            topology = self.cpus / f"cpu{thread}" / "topology"
            topology.mkdir(parents=True)
            (topology / "physical_package_id").write_text("0\n")

    def says(self, joules):
        self.file.write_text(f"{round(joules * 1e6)}\n")


@pytest.fixture
def package(tmp_path):
    return Package(tmp_path)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def begin(book, machine, package, clock, monkeypatch):
    """Starts a run of two threads that are the whole package: 5 W each, 2 to 8."""
    monkeypatch.setattr(find, "held_threads", lambda: frozenset({0, 1}))
    monkeypatch.setattr(find, "available_threads", lambda: 2)
    meters = []

    def start(joules):
        package.says(joules)
        loads = find.find_loads(machine, powercap=package.powercap, cpus=package.cpus)
        meters.append(Meter(machine, loads, from_process_start=False, clock=clock))
        run = book.start_run("training", "n", input_key="k", meter=meters[-1])
        # The counter is looked at when the test says so, and not by the second.
        meters[-1]._sampler.stop()
        return run

    return start


@pytest.fixture
def passes(monkeypatch):
    """Moves the clock that entries are dated with, and the time of day; back for less than 0."""
    shift = timedelta()
    real, real_time = chain_module.utc_now, time.time

    def dated() -> str:
        return (datetime.fromisoformat(real()) + shift).isoformat(timespec="milliseconds")

    def move(by: timedelta) -> None:
        nonlocal shift
        shift += by

    monkeypatch.setattr(appender, "utc_now", dated)
    monkeypatch.setattr(time, "time", lambda: real_time() + shift.total_seconds())
    return move


def _billed(workspace):
    """The one line of the bill; hours are those of the test's clock whatever sensors do."""
    (line,) = make_bill(workspace, SETTINGS).lines
    return line.figures


def test_a_counter_is_billed_as_it_was_read(begin, package, clock, workspace):
    with begin(100.0) as run:
        clock.now, _ = 60.0, package.says(700.0)
        run.end()
    figures = _billed(workspace)
    assert figures.kwh.provenance is Provenance.MEASURED
    assert figures.kwh.value * JOULES_PER_KWH == pytest.approx(600.0)
    assert figures.kwh.low == figures.kwh.value == figures.kwh.high
    assert figures.wall_hours.value == pytest.approx(60 / 3600)
    assert figures.device_hours.value == pytest.approx(2 * 60 / 3600)


def test_a_counter_that_wraps_around_is_billed_as_one_that_does_not(
    begin, package, clock, workspace
):
    with begin(RANGE / 1e6 - 250.0) as run:
        clock.now, _ = 30.0, package.says(RANGE / 1e6 - 50.0)
        run.beat("train", 0)
        clock.now, _ = 60.0, package.says(400.0)
        run.end()
    figures = _billed(workspace)
    assert figures.kwh.provenance is Provenance.MEASURED
    assert figures.kwh.value * JOULES_PER_KWH == pytest.approx(200 + 50 + 400)


def _vanishes(package):
    package.file.unlink()


def _begins_anew(package):
    # To be a turn of the counter, 200 kJ would have passed in no time.
    package.says(0.001)


def _says_nonsense(package):
    package.file.write_text("\n")


@pytest.mark.parametrize("fate", [_vanishes, _begins_anew, _says_nonsense])
def test_a_sensor_lost_mid_run_is_measured_up_to_its_last_reading_and_estimated_from_there(
    begin, package, clock, workspace, fate
):
    with begin(62_000.0) as run:
        clock.now, _ = 100.0, package.says(63_000.0)
        run.beat("train", 0)
        fate(package)
        clock.now = 150.0
        run.beat("train", 1)
        # It stays lost, whatever its file says later.
        clock.now, _ = 200.0, package.says(99_000.0)
        run.end()
    figures = _billed(workspace)
    assert figures.kwh.provenance is Provenance.ESTIMATED
    # 1000 J read, then two threads at 5 W for 100 s; at most 8 W each.
    assert figures.kwh.value * JOULES_PER_KWH == pytest.approx(1000 + 2 * 5 * 100)
    assert figures.kwh.high * JOULES_PER_KWH == pytest.approx(1000 + 2 * 8 * 100)
    # The least is what was read, and the little that the test computed.
    assert 1000 <= figures.kwh.low * JOULES_PER_KWH < 1100
    assert figures.wall_hours.value == pytest.approx(200 / 3600)
    phases = {line.phase: line.figures for line in make_bill(workspace, SETTINGS).phases.lines}
    assert sum(each.kwh.value for each in phases.values()) == pytest.approx(figures.kwh.value)


def test_a_killed_run_keeps_what_its_sensor_said_before(begin, package, clock, workspace):
    run = begin(0.0)
    clock.now, _ = 100.0, package.says(1000.0)
    run.beat("train", 0)
    _vanishes(package)
    clock.now = 150.0
    run.beat("train", 1)
    clock.now = 1e6
    # What the kernel does when the process dies.
    run._journal.close()
    run._meter.release()
    Book.open(workspace)
    figures = _billed(workspace)
    assert figures.kwh.value * JOULES_PER_KWH == pytest.approx(1000 + 2 * 5 * 50)
    assert figures.wall_hours.value == pytest.approx(150 / 3600)


def test_a_clock_set_back_an_hour_takes_nothing_off_and_is_named(book, machine, workspace, passes):
    meter = Meter(machine, from_process_start=False)
    began = time.monotonic()
    with book.start_run("training", "n", input_key="k", meter=meter) as run:
        time.sleep(0.2)
        passes(-timedelta(hours=1))
        run.end()
    held = time.monotonic() - began
    bill = make_bill(workspace, SETTINGS)
    seconds = bill.lines[0].figures.wall_hours.value * 3600
    assert 0.2 <= seconds <= held
    assert bill.lines[0].figures.kwh.value * JOULES_PER_KWH == pytest.approx(2 * 5 * seconds)
    (note,) = bill.notes
    start, end = (record.entry for record in book.records[-2:])
    assert f"entry {end.number} is dated {end.time}, and entry {start.number}" in note
    assert "the clock was set back" in note


def test_a_clock_set_back_bounds_no_run_that_lost_its_journal(book, meter, workspace, passes):
    run = book.start_run("training", "n", input_key="k", meter=meter)
    run._journal.close()
    meter.release()
    (workspace.journals / "0.jsonl").unlink()
    passes(-timedelta(hours=1))
    Book.open(workspace)
    bill = make_bill(workspace, SETTINGS)
    assert (bill.lines[0].figures.wall_hours, bill.lines[0].figures.kwh) == (None, None)
    assert any("nobody knows: the clock was set back" in note for note in bill.unknown)


def test_a_machine_that_slept_is_billed_for_what_it_was_awake_and_the_bill_says_so(
    begin, package, clock, workspace, passes
):
    """Clocks that never go back stand still meanwhile on Linux; the time of day does not."""
    with begin(0.0) as run:
        clock.now, _ = 3600.0, package.says(36_000.0)
        run.beat("train", 0)
        passes(timedelta(hours=9))
        clock.now, _ = 7200.0, package.says(72_000.0)
        run.end()
    bill = make_bill(workspace, SETTINGS)
    figures = bill.lines[0].figures
    assert figures.wall_hours.value == pytest.approx(2.0)
    assert figures.kwh.value == pytest.approx(0.02)
    (note,) = bill.notes
    assert "lie 9.00 h apart, and its meter counted 2.00 h" in note


def test_a_clock_that_nobody_touched_is_no_note(begin, package, clock, workspace):
    with begin(0.0) as run:
        clock.now, _ = 1.0, package.says(1.0)
        run.end()
    assert make_bill(workspace, SETTINGS).notes == ()

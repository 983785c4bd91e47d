from __future__ import annotations

import json
import os
from collections import Counter

import pytest

from farthing.artifacts.settings import ReadingsFile
from farthing.artifacts.work import EnergyPart
from farthing.errors import SensorLostError
from farthing.hardware.machine import Host, Machine
from farthing.hardware.sensors.boards import Board
from farthing.hardware.sensors.counter import SensorEnergy, read_exactly
from farthing.hardware.sensors.find import Load, find_loads
from farthing.ledger.energy import EnergyMeter, with_energy
from farthing.ledger.meter import NO_WORK
from farthing.quantity import Provenance, Quantity


class Sensor:
    """Plays a list: joules, ranges, or None for a sensor that answers no more."""

    def __init__(self, covers, *log, method="board_counter"):
        self.covers = covers
        self.method = method
        self._log = iter(log)

    def energy(self):
        found = next(self._log)
        if found is None:
            raise SensorLostError("the sensor cannot be read", remedy="look")
        return found if isinstance(found, SensorEnergy) else read_exactly(found)


def _watts(value, high=None):
    return Quantity(
        value=value,
        unit="W",
        provenance=Provenance.ASSUMED,
        source="test",
        low=value / 2,
        high=high or value,
    )


def _part(covers, method, joules, low=None, high=None):
    return EnergyPart(
        covers=covers,
        method=method,
        joules=joules,
        low_joules=joules if low is None else low,
        high_joules=joules if high is None else high,
    )


def _told(parts):
    return {(part.covers, part.method): part for part in parts}


def test_a_lost_sensors_joules_stay_measured_and_the_model_goes_on():
    load = Load("a board", Sensor("a board", 0.0, 700.0, None), _watts(100.0))
    meter = EnergyMeter([load], started_seconds=0.0)
    begun = meter.read(0.0, 0.0)
    meter.read(10.0, 1.0)
    found = _told(meter.read(30.0, 3.0).since(begun))
    assert found == {
        ("a board", "board_counter"): _part("a board", "board_counter", 700.0),
        # From the last reading on: 20 s.
        ("a board", "tdp_model"): _part("a board", "tdp_model", 2000.0, low=0.0),
    }
    assert not meter.sensed
    (note,) = meter.take_notes()
    assert note.startswith("a board: the sensor cannot be read; measured for 10 s")
    assert meter.take_notes() == ()


class _Faulty(Sensor):
    """Says two figures, and then fails as the test says."""

    def __init__(self, error):
        super().__init__("a board", 0.0, 700.0)
        self._error = error

    def energy(self):
        try:
            return super().energy()
        except StopIteration:
            raise self._error from None


@pytest.mark.parametrize("error", [OverflowError("too large"), ZeroDivisionError("by zero")])
def test_whatever_a_sensor_raises_it_is_lost_and_said_so(error):
    load = Load("a board", _Faulty(error), _watts(100.0))
    meter = EnergyMeter([load], started_seconds=0.0)
    begun = meter.read(0.0, 0.0)
    meter.read(10.0, 1.0)
    found = _told(meter.read(30.0, 3.0).since(begun))
    assert found["a board", "board_counter"].joules == 700.0
    assert found["a board", "tdp_model"].joules == 2000.0
    (note,) = meter.take_notes()
    assert note.startswith(
        f"a board: the sensor failed ({type(error).__name__}: {error}); measured"
    )


def test_a_lost_sensor_without_watts_makes_the_rest_unknown_and_what_was_before_not():
    load = Load("a board", Sensor("a board", 0.0, 700.0, None), None)
    meter = EnergyMeter([load], started_seconds=0.0)
    begun = meter.read(0.0, 0.0)
    middle = meter.read(10.0, 1.0)
    end = meter.read(30.0, 3.0)
    assert with_energy(NO_WORK, middle.since(begun), told_apart=True).joules == 700.0
    whole = with_energy(NO_WORK, end.since(begun), told_apart=True)
    assert (whole.joules, whole.energy_method) == (None, "none")
    assert with_energy(NO_WORK, end.since(middle), told_apart=True).joules is None


def test_start_up_before_a_sensor_is_a_part_of_the_model_and_only_of_the_first_lap():
    load = Load("package-0", Sensor("package-0", 0.0, 50.0, method="rapl"), _watts(10.0), 2.0)
    meter = EnergyMeter([load], started_seconds=3.0)
    zero = EnergyMeter([], started_seconds=0.0).read(0.0, 0.0)
    first = meter.read(3.0, 4.0)
    assert first.since(zero) == (_part("package-0", "tdp_model", 30.0, low=8.0),)
    second = meter.read(8.0, 6.0)
    assert second.since(first) == (_part("package-0", "rapl", 50.0),)


def test_boards_and_processors_add_up_and_every_part_says_how_it_was_found():
    meter = EnergyMeter(
        [
            Load("board 1", Sensor("board 1", 0.0, 500.0), _watts(700.0)),
            Load("board 2", Sensor("board 2", 0.0, 400.0), _watts(700.0)),
            Load("processors", None, _watts(20.0, high=30.0), 1.0),
        ],
        started_seconds=0.0,
    )
    begun = meter.read(0.0, 0.0)
    work = with_energy(NO_WORK, meter.read(4.0, 6.0).since(begun), told_apart=True)
    assert work.joules == 500 + 400 + 4 * 20
    assert work.energy_method == "mixed"
    assert _told(work.energy_parts)["processors", "tdp_model"] == _part(
        "processors", "tdp_model", 80.0, low=6.0, high=120.0
    )


def test_an_estimate_of_a_sensor_keeps_its_range():
    log = (SensorEnergy(0.0, 0.0, 0.0), SensorEnergy(60.0, 0.0, 80.0), SensorEnergy(90.0, 0, 200.0))
    meter = EnergyMeter([Load("p", Sensor("p", *log), None)], started_seconds=0.0)
    begun, middle, end = (meter.read(second, 0.0) for second in (0.0, 1.0, 2.0))
    (part,) = middle.since(begun)
    assert (part.joules, part.low_joules, part.high_joules) == (60.0, 0.0, 80.0)
    assert not part.measured
    assert end.since(middle)[0].joules == 30.0


def test_time_that_others_were_billed_for_is_left_out():
    meter = EnergyMeter([Load("p", None, _watts(10.0))], started_seconds=0.0)
    start, lent, back, end = (meter.read(second, 0.0) for second in (1.0, 3.0, 23.0, 27.0))
    (part,) = end.since(start.shifted(lent, back))
    assert part.joules == pytest.approx(10.0 * (2 + 4))


def _powercap(root, *microjoules):
    for number, energy in enumerate(microjoules):
        folder = root / f"intel-rapl:{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "name").write_text(f"package-{number}\n")
        (folder / "energy_uj").write_text(f"{energy}\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
    return root


def _topology(root, packages):
    """Hardware threads by number, with the package of each."""
    for thread, package in packages.items():
        folder = root / f"cpu{thread}" / "topology"
        folder.mkdir(parents=True)
        (folder / "physical_package_id").write_text(f"{package}\n")
    return root


@pytest.fixture
def held():
    return sorted(os.sched_getaffinity(0))


def _machine(held):
    return Machine("m", "test cpu", "cpu-thread", len(held), _watts(4.0))


def test_a_whole_package_is_measured_and_a_part_of_one_is_an_estimate(tmp_path, held, monkeypatch):
    monkeypatch.setattr("farthing.hardware.sensors.find.available_threads", lambda: len(held))
    powercap = _powercap(tmp_path / "powercap", 0)
    alone = _topology(tmp_path / "alone", dict.fromkeys(held, 0))
    others = dict.fromkeys(range(1000, 1000 + 3 * len(held)), 0)
    shared = _topology(tmp_path / "shared", dict.fromkeys(held, 0) | others)
    (whole,), (part,) = (
        find_loads(_machine(held), powercap=powercap, cpus=cpus) for cpus in (alone, shared)
    )
    _powercap(powercap, 8_000_000)
    assert whole.sensor.energy() == read_exactly(8.0)
    assert part.sensor.energy() == SensorEnergy(2.0, 0.0, 8.0)
    assert whole.watts.value == part.watts.value == 4.0 * len(held)


def test_workers_of_a_study_share_a_package_and_never_bill_more_than_it(tmp_path, monkeypatch):
    powercap = _powercap(tmp_path / "powercap", 0)
    cpus = _topology(tmp_path / "cpus", dict.fromkeys(range(8), 0))
    found = []
    for threads in ({0, 1, 2}, {3, 4, 5}, {6, 7}):
        monkeypatch.setattr(
            "farthing.hardware.sensors.find.held_threads", lambda threads=threads: threads
        )
        monkeypatch.setattr(
            "farthing.hardware.sensors.find.available_threads", lambda threads=threads: len(threads)
        )
        found += find_loads(_machine(threads), powercap=powercap, cpus=cpus)
    _powercap(powercap, 16_000_000)
    assert [load.sensor.energy().joules for load in found] == [6.0, 6.0, 4.0]


def test_packages_of_which_nothing_is_held_are_not_read(tmp_path, held):
    powercap = _powercap(tmp_path / "powercap", 0, 0)
    cpus = _topology(tmp_path / "cpus", {**dict.fromkeys(held, 1), 999: 0})
    (load,) = find_loads(_machine(held), powercap=powercap, cpus=cpus)
    assert load.covers == "package-1"


def test_without_counters_there_is_one_load_and_the_model(tmp_path, held):
    (load,) = find_loads(_machine(held), powercap=tmp_path, cpus=tmp_path)
    assert (load.covers, load.sensor) == ("processors", None)
    assert EnergyMeter([load], started_seconds=0.0).modelled


def test_readings_of_the_whole_machine_leave_no_other_load_beside_them(tmp_path, held):
    (tmp_path / "plug.jsonl").write_text(
        json.dumps({"time_utc": "2026-01-31T12:00:00Z", "watts": 80}) + "\n"
    )
    readings = ReadingsFile(method="psu", file="plug.jsonl", source="test")
    powercap = _powercap(tmp_path / "powercap", 0)
    cpus = _topology(tmp_path / "cpus", dict.fromkeys(held, 0))
    loads = find_loads(
        _machine(held), readings=readings, root=tmp_path, powercap=powercap, cpus=cpus
    )
    assert Counter(load.covers for load in loads) == {"the whole machine": 1}
    assert loads[0].sensor.method == "psu"


@pytest.mark.parametrize(
    ("held", "joules"),
    [((4, 4), (200, 200)), ((1,), (50,)), ((3, 3, 2), (150, 150, 100)), ((8,), (400,))],
    ids=["two jobs", "one board", "three jobs", "all boards"],
)
def test_readings_of_the_whole_machine_are_shared_by_the_boards_that_a_process_sees(
    tmp_path, monkeypatch, held, joules
):
    installed = tuple(Board(f"GPU-{number}", "b", False, lambda: None) for number in range(8))
    asked = []
    find = "farthing.hardware.sensors.find"
    monkeypatch.setattr(f"{find}.installed_boards", lambda: asked.append(1) or installed)
    monkeypatch.setattr(f"{find}.ReadingsSensor", lambda method, _: Sensor("w", 400, method=method))
    readings = ReadingsFile(method="psu", file="plug.jsonl", source="test")
    host, seen, loads = Host("c", 32, None), iter(installed), []
    for boards in held:
        ids = tuple(next(seen).uuid for _ in range(boards))
        machine = Machine("g", "b", "b", boards, _watts(700.0), "b", ids, host)
        loads += find_loads(machine, readings=readings, root=tmp_path, cpus=tmp_path)
    # Boards that variables hide from this process are there all the same.
    assert len(asked) == len(held)
    energies = [load.sensor.energy() for load in loads]
    assert [each.joules for each in energies] == list(joules)
    # Nobody measures whose share it was; alone on the machine, all of it is measured.
    bounds = [(each.low_joules, each.high_joules) for each in energies]
    assert bounds == [(400 if boards == 8 else 0, 400) for boards in held]

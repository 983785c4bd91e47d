from __future__ import annotations

import pytest

from farthing.errors import SensorLostError
from farthing.hardware.sensors.counter import Counter, CounterSensor, SensorEnergy, SharedSensor
from farthing.hardware.sensors.power import PowerIntegral
from farthing.hardware.sensors.rapl import package_sensors


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def _zone(root, name, label, energy, limit=262_143_328_850):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{label}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    return folder / "energy_uj"


def _played(clock, log, **kind):
    """A counter that plays a log of (seconds after the last reading, raw number), and its steps."""
    position = {"at": 0}
    counter = Counter(lambda: log[position["at"]][1], clock=clock, **kind)
    energies = []
    for seconds, _ in log[1:]:
        position["at"] += 1
        clock.now += seconds
        energies.append(counter.energy())
    return energies


def test_a_counter_that_wraps_around_goes_on_counting(clock):
    log = [(0, 900), (1, 990), (1, 40), (1, 940), (1, 0)]
    energies = _played(clock, log, joules_per_count=10.0, wrap=1000)
    assert [each.joules for each in energies] == [900, 1400, 10_400, 11_000]
    assert all(each.low_joules == each.joules == each.high_joules for each in energies)


def test_turns_that_no_reading_saw_are_a_range_and_not_a_loss(clock):
    # 262 kJ at 250 W is a turn in 17 minutes; nobody looked for an hour after one at 250 W.
    turn = 262_143
    log = [(0, 0), (1000, 250_000), (3600, (250_000 + 900_000) % turn)]
    (_, after) = _played(clock, log, joules_per_count=1.0, wrap=turn)
    assert after.joules == 250_000 + 900_000
    assert after.low_joules < after.joules < after.high_joules


def test_a_drop_that_is_no_turn_is_a_counter_that_began_anew(clock):
    # To be a turn, 200 kJ would have passed in a second.
    with pytest.raises(SensorLostError, match="began anew"):
        _played(clock, [(0, 62_000), (1, 5)], joules_per_count=1.0, wrap=262_000)


def test_a_counter_without_turns_never_goes_back(clock):
    with pytest.raises(SensorLostError, match="began anew"):
        _played(clock, [(0, 5000), (1, 5100), (1, 20)], joules_per_count=1e-3)


@pytest.mark.parametrize(
    "answer", [OSError(5, "Input/output error"), ValueError("x"), TypeError("None")], ids=str
)
def test_whatever_a_reading_fails_with_is_a_lost_sensor(clock, answer):
    answers = iter([100, 300])

    def read():
        try:
            return next(answers)
        except StopIteration:
            raise answer from None

    counter = Counter(read, joules_per_count=1.0, clock=clock)
    assert counter.energy().joules == 200
    with pytest.raises(SensorLostError, match="cannot be read"):
        counter.energy()


def test_packages_add_their_memory_and_no_part_twice(tmp_path, clock):
    files = [
        _zone(tmp_path, "intel-rapl:0", "package-0", 100),
        _zone(tmp_path, "intel-rapl:0:0", "core", 100),
        _zone(tmp_path, "intel-rapl:0:1", "dram", 100),
        _zone(tmp_path, "intel-rapl:1", "psys", 100),
        _zone(tmp_path, "intel-rapl-mmio:0", "package-0", 100),
        _zone(tmp_path, "intel-rapl:2", "package-1-die-0", 100),
        _zone(tmp_path, "intel-rapl:3", "package-1-die-1", 100),
    ]
    sensors = package_sensors(tmp_path, clock=clock)
    for file in files:
        file.write_text("500100\n")
    assert {name: sensor.energy().joules for name, sensor in sensors.items()} == {
        "package-0": pytest.approx(0.5 + 0.5),
        "package-1": pytest.approx(0.5 + 0.5),
    }
    assert sensors["package-0"].covers == "package-0 with memory"


def test_a_package_that_only_root_may_read_has_no_sensor(tmp_path, clock):
    _zone(tmp_path, "intel-rapl:0", "package-0", 0).unlink()
    assert package_sensors(tmp_path, clock=clock) == {}


def test_a_file_that_vanishes_is_a_lost_sensor(tmp_path, clock):
    file = _zone(tmp_path, "intel-rapl:0", "package-0", 0)
    sensor = package_sensors(tmp_path, clock=clock)["package-0"]
    file.unlink()
    with pytest.raises(SensorLostError, match="energy_uj"):
        sensor.energy()


def test_two_shares_of_a_package_are_the_package_and_no_more(clock):
    raw = {"value": 0}
    shares = [
        SharedSensor(
            CounterSensor(
                "rapl",
                "package-0",
                [Counter(lambda: raw["value"], joules_per_count=1.0, clock=clock)],
            ),
            threads / 8,
        )
        for threads in (6, 2)
    ]
    raw["value"], clock.now = 80, clock.now + 1
    first, second = (share.energy() for share in shares)
    assert (first, second) == (SensorEnergy(60.0, 0.0, 80.0), SensorEnergy(20.0, 0.0, 80.0))


def test_power_is_integrated_by_trapezoids(clock):
    watts = iter([100.0, 300.0, 100.0])
    sensor = PowerIntegral("board_power", "x", lambda: next(watts), clock=clock)
    clock.now += 2
    assert sensor.energy() == SensorEnergy(400.0, 400.0, 400.0)
    clock.now += 1
    assert sensor.energy() == SensorEnergy(600.0, 600.0, 600.0)


def test_a_gap_between_samples_is_filled_at_the_mean_of_its_ends_and_marked(clock):
    watts = iter([100.0, 400.0, 200.0])
    sensor = PowerIntegral("board_power", "x", lambda: next(watts), clock=clock)
    clock.now += 1
    sensor.energy()
    clock.now += 60
    found = sensor.energy()
    assert found.joules == 250 + 300 * 60
    assert (found.low_joules, found.high_joules) == (250, 250 + 400 * 60)


@pytest.mark.parametrize("watts", [-1.0, float("nan"), float("inf")])
def test_a_power_that_cannot_be_is_a_lost_sensor(clock, watts):
    said = iter([100.0, watts])
    sensor = PowerIntegral("board_power", "x", lambda: next(said), clock=clock)
    with pytest.raises(SensorLostError, match="says"):
        sensor.energy()

from __future__ import annotations

import os

import pytest

from farthing.artifacts.settings import HardwareFigure
from farthing.errors import UnknownHardwareError
from farthing.hardware.catalogue import cpus, grid, grid_range
from farthing.hardware.machine import available_threads, detect_machine
from farthing.hardware.sources import sources
from farthing.quantity import Provenance

CPUINFO = """\
processor\t: 0
vendor_id\t: {vendor}
cpu family\t: {family}
model\t\t: {model}
model name\t: {name}

processor\t: 1
vendor_id\t: SomebodyElse
"""


def _detect(tmp_path, vendor, family, model, name, figure=None):
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(vendor=vendor, family=family, model=model, name=name))
    return detect_machine(figure, cpuinfo=path, boards=())


def test_watts_are_assumed_and_within_their_range():
    for entry in cpus():
        quantity = entry.quantity(sources())
        assert quantity.provenance is Provenance.ASSUMED
        assert "TDP" in quantity.source
        assert 1.0 < quantity.low <= quantity.value <= quantity.high < 12.0


def test_an_exact_part_goes_before_its_generation(tmp_path):
    name = "INTEL(R) XEON(R) PLATINUM 8570"
    exact = _detect(tmp_path, "GenuineIntel", 6, 207, name)
    assert exact.watts_per_device.value == pytest.approx(350 / 112, abs=1e-3)
    hidden = _detect(tmp_path, "GenuineIntel", 6, 207, "Intel(R) Xeon(R) Processor")
    assert hidden.watts_per_device.low < exact.watts_per_device.value
    assert hidden.watts_per_device.high > exact.watts_per_device.value


def test_a_neighbour_in_name_is_not_the_part(tmp_path):
    exact = _detect(tmp_path, "GenuineIntel", 6, 106, "Intel(R) Xeon(R) Platinum 8358 CPU @ 2.6GHz")
    other = _detect(tmp_path, "GenuineIntel", 6, 106, "Intel(R) Xeon(R) Platinum 8358P CPU")
    assert exact.name != other.name


_ADDED = """\
sources:
  - {id: sheet, title: "Data sheet of the maker", url: "https://example.org", read: 2026-01-31,
     licence: "none stated", kind: maker}
cpus:
  - id: abacus
    name: Abacus
    vendor: GenuineFarthing
    family: 1
    models: [2]
    launched: "2026-Q1"
    source: sheet
    watts_per_thread: {value: 3.5}
"""


def test_a_processor_that_the_workspace_adds_counts_and_its_source_is_cited(tmp_path):
    (tmp_path / "hardware").mkdir()
    (tmp_path / "hardware" / "mine.yaml").write_text(_ADDED)
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.format(vendor="GenuineFarthing", family=1, model=2, name="Abacus 3000"))
    machine = detect_machine(cpuinfo=path, boards=(), root=tmp_path)
    assert (machine.name, machine.watts_per_device.value) == ("Abacus", 3.5)
    assert machine.watts_per_device.source == "Abacus, Data sheet of the maker"
    assert detect_machine(cpuinfo=path, boards=()).watts_per_device is None


def test_an_unknown_processor_has_unknown_watts(tmp_path):
    machine = _detect(tmp_path, "GenuineFarthing", 1, 2, "Abacus 3000")
    assert machine.watts_per_device is None
    assert machine.name == "Abacus 3000"


def test_the_users_own_figure_goes_before_the_catalogue(tmp_path):
    figure = HardwareFigure(name="mine", watts_per_device=7.5, source="plug meter")
    machine = _detect(tmp_path, "GenuineIntel", 6, 207, "x", figure)
    assert (machine.name, machine.watts_per_device.value) == ("mine", 7.5)
    assert machine.watts_per_device.provenance is Provenance.ASSUMED


def test_a_machine_without_cpuinfo_is_still_a_machine(tmp_path):
    machine = detect_machine(cpuinfo=tmp_path / "none", boards=())
    assert machine.devices >= 1
    assert machine.watts_per_device is None


def test_threads_follow_the_affinity_and_the_containers_quota(tmp_path):
    allowed = len(os.sched_getaffinity(0))
    assert available_threads(tmp_path / "none") == allowed
    quota = tmp_path / "cpu.max"
    quota.write_text("max 100000\n")
    assert available_threads(quota) == allowed
    quota.write_text("50000 100000\n")
    assert available_threads(quota) == 1


def test_grids_are_found_by_code_and_by_name():
    assert grid("FRA") == grid("France")
    assert grid("FRA").value == pytest.approx(56.0)
    low, high = grid_range()
    assert low.value < grid("DEU").value < high.value


def test_an_unknown_name_gets_the_nearest_ones_and_how_to_add_it():
    with pytest.raises(UnknownHardwareError, match="'Fance'") as caught:
        grid("Fance")
    assert "France" in caught.value.remedy
    assert "farthing.yaml" in caught.value.remedy

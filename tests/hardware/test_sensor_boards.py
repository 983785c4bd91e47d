from __future__ import annotations

import time

import pytest
import torch

from farthing.artifacts.settings import HardwareFigure
from farthing.errors import ConfigError, SensorLostError
from farthing.hardware.machine import detect_machine
from farthing.hardware.sensors.boards import (
    hwmon_boards,
    installed_boards,
    nvml_boards,
    show_only,
    visible_boards,
)
from farthing.hardware.sensors.find import find_loads, modelled_loads

H100 = "NVIDIA H100 80GB HBM3"


class Library:
    """The functions of the driver's library, with boards that the test describes.

    A board is a dictionary: uuid, name, millijoules (None: no counter), milliwatts, sliced, mute
    (what the driver does not say).
    """

    def __init__(self, *boards, init=0):
        self.boards = boards
        self.init = init
        self.failing = set()

    def nvmlInit_v2(self):  # noqa: N802
        return self.init

    def nvmlDeviceGetCount_v2(self, count):  # noqa: N802
        count._obj.value = len(self.boards)
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):  # noqa: N802
        # Handles are addresses, never zero.
        handle._obj.value = None if self.boards[index.value] is None else index.value + 1
        return 0

    def nvmlDeviceGetUUID(self, handle, text, _length):  # noqa: N802
        if "uuid" in self._board(handle).get("mute", ()):
            return 15
        text.value = self._board(handle)["uuid"].encode()
        return 0

    def nvmlDeviceGetName(self, handle, text, _length):  # noqa: N802
        if "name" in self._board(handle).get("mute", ()):
            return 15
        text.value = self._board(handle).get("name", H100).encode()
        return 0

    def nvmlDeviceGetMigMode(self, handle, current, _pending):  # noqa: N802
        current._obj.value = int(self._board(handle).get("sliced", False))
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, value):  # noqa: N802
        return self._number(handle, "millijoules", value)

    def nvmlDeviceGetPowerUsage(self, handle, value):  # noqa: N802
        return self._number(handle, "milliwatts", value)

    def _board(self, handle):
        assert handle.value, "an empty handle ends the process"
        return self.boards[handle.value - 1]

    def _number(self, handle, what, value):
        board = self._board(handle)
        if board["uuid"] in self.failing or board.get(what) is None:
            return 3
        value._obj.value = board[what]
        return 0


def _board(letter, **more):
    return {"uuid": f"GPU-{letter * 4}", "millijoules": 5_000_000, **more}


@pytest.fixture
def no_drm(tmp_path):
    return tmp_path / "no-drm"


def _visible(library, environment, drm):
    return [board.uuid for board in visible_boards(environment, library=library, drm=drm)]


def test_a_boards_counter_is_read_in_joules_since_the_meter_began():
    library = Library(_board("a"))
    (board,) = nvml_boards(library)
    sensor = board.sensor()
    library.boards[0]["millijoules"] += 2_500
    assert (sensor.method, sensor.covers) == ("board_counter", "accelerator GPU-aaaa")
    assert sensor.energy().joules == 2.5


def test_a_driver_that_begins_anew_is_a_lost_sensor():
    library = Library(_board("a"))
    sensor = nvml_boards(library)[0].sensor()
    library.boards[0]["millijoules"] = 3
    with pytest.raises(SensorLostError, match="began anew"):
        sensor.energy()


def test_a_driver_that_answers_no_more_is_a_lost_sensor():
    library = Library(_board("a"))
    sensor = nvml_boards(library)[0].sensor()
    library.failing.add("GPU-aaaa")
    with pytest.raises(SensorLostError, match="error 3"):
        sensor.energy()


def test_a_board_without_a_counter_is_metered_by_its_power():
    (board,) = nvml_boards(Library(_board("a", millijoules=None, milliwatts=120_000)))
    assert board.sensor().method == "board_power"


def test_a_sliced_board_and_one_without_anything_have_no_sensor():
    sliced, bare = nvml_boards(Library(_board("a", sliced=True), _board("b", millijoules=None)))
    assert (sliced.sensor(), bare.sensor()) == (None, None)


def test_an_empty_handle_is_no_board():
    assert [board.uuid for board in nvml_boards(Library(None, _board("b")))] == ["GPU-bbbb"]


@pytest.mark.parametrize("library", [None, Library(_board("a"), init=9)], ids=["none", "no driver"])
def test_without_a_driver_there_is_no_board(library):
    assert nvml_boards(library) == ()


@pytest.mark.parametrize(
    ("variable", "seen"),
    [
        (None, ["GPU-aaaa", "GPU-bbbb", "GPU-cccc"]),
        ("", []),
        ("-1", []),
        ("2", ["GPU-cccc"]),
        ("2,0", ["GPU-cccc", "GPU-aaaa"]),
        ("1,-1,0", ["GPU-bbbb"]),
        ("GPU-bb", ["GPU-bbbb"]),
    ],
    ids=str,
)
def test_what_the_environment_hides_is_not_held(no_drm, variable, seen):
    environment = {} if variable is None else {"CUDA_VISIBLE_DEVICES": variable}
    assert _visible(Library(*map(_board, "abc")), environment, no_drm) == seen


@pytest.mark.parametrize("variable", ["3", "GPU-x", "GPU-"])
def test_a_board_that_is_not_there_or_not_the_only_one_is_an_error(no_drm, variable):
    with pytest.raises(ConfigError, match="CUDA_VISIBLE_DEVICES"):
        _visible(Library(*map(_board, "abc")), {"CUDA_VISIBLE_DEVICES": variable}, no_drm)


def test_places_among_unlike_boards_are_not_guessed(no_drm):
    library = Library(_board("a", name="Small"), _board("b", name="Large"))
    environment = {"CUDA_VISIBLE_DEVICES": "0"}
    with pytest.raises(ConfigError, match="PCI_BUS_ID"):
        _visible(library, environment, no_drm)
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    assert _visible(library, environment, no_drm) == ["GPU-aaaa"]


@pytest.mark.parametrize("mute", [("uuid", "name"), ("name",), ("uuid",)], ids="-".join)
def test_a_board_of_which_the_driver_says_too_little_is_an_error_until_it_is_hidden(no_drm, mute):
    library = Library(_board("a"), _board("b", mute=mute), _board("c"))
    with pytest.raises(ConfigError, match="the driver lists an accelerator") as caught:
        _visible(library, {}, no_drm)
    remedy = caught.value.remedy.partition("CUDA_VISIBLE_DEVICES=")[2]
    assert _visible(library, {"CUDA_VISIBLE_DEVICES": remedy}, no_drm) == ["GPU-aaaa", "GPU-cccc"]
    assert _visible(library, {"CUDA_VISIBLE_DEVICES": ""}, no_drm) == []
    by_place = {"CUDA_VISIBLE_DEVICES": "2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert _visible(library, by_place, no_drm) == ["GPU-cccc"]
    by_place["CUDA_VISIBLE_DEVICES"] = "1"
    with pytest.raises(ConfigError, match="the driver lists an accelerator"):
        _visible(library, by_place, no_drm)
    assert len(installed_boards(library=library, drm=no_drm)) == 3


def test_a_worker_sees_the_boards_that_it_was_given(no_drm):
    environment = {"CUDA_VISIBLE_DEVICES": "0,1,2", "HIP_VISIBLE_DEVICES": "0"}
    show_only(["GPU-cccc"], environment)
    assert _visible(Library(*map(_board, "abc")), environment, no_drm) == ["GPU-cccc"]


def _card(drm, number, uuid, **files):
    device = drm / f"card{number}" / "device"
    monitor = device / "hwmon" / f"hwmon{number}"
    monitor.mkdir(parents=True)
    (device / "unique_id").write_text(f"{uuid}\n")
    for name, value in files.items():
        (monitor / name).write_text(f"{value}\n")
    return monitor


def test_boards_of_the_kernels_monitors_count_energy_or_power(tmp_path):
    counter = _card(tmp_path, 0, "1f2e", energy1_input=10)
    _card(tmp_path, 1, "3d4c", power1_average=90_000_000)
    _card(tmp_path, 2, "", power1_average=5_000_000)
    first, second = hwmon_boards(tmp_path)
    energy, power = first.sensor(), second.sensor()
    (counter / "energy1_input").write_text("3000010\n")
    assert (energy.method, energy.energy().joules) == ("board_counter", pytest.approx(3.0))
    assert power.method == "board_power"
    environment = {"ROCR_VISIBLE_DEVICES": "GPU-3d4c"}
    (seen,) = visible_boards(environment, library=Library(), drm=tmp_path)
    assert seen.uuid == "3d4c"


def test_visible_accelerators_are_the_devices_that_a_machine_holds():
    boards = nvml_boards(Library(_board("a"), _board("b")))
    machine = detect_machine(boards=boards)
    assert (machine.device, machine.accelerator, machine.devices) == (
        "h100-sxm",
        "h100-sxm",
        2,
    )
    assert machine.device_ids == ("GPU-aaaa", "GPU-bbbb")
    # The maker's data sheet.
    assert machine.watts_per_device.value == 700
    assert machine.host.threads >= 1


def test_an_accelerator_that_nobody_knows_has_unknown_watts_until_the_user_gives_them():
    boards = nvml_boards(Library(_board("a", name="Abacus 9000")))
    machine = detect_machine(boards=boards)
    assert (machine.name, machine.accelerator) == ("Abacus 9000", None)
    assert machine.watts_per_device is None
    own = HardwareFigure(
        name="abacus", watts_per_device=55.0, host_watts_per_thread=3.5, source="plug"
    )
    machine = detect_machine(own, boards=boards)
    assert machine.watts_per_device.value == 55.0
    assert machine.host.watts_per_thread.value == 3.5


def test_watts_of_a_processors_thread_are_never_those_of_a_board_that_is_known():
    boards = nvml_boards(Library(_board("a"), _board("b")))
    own = HardwareFigure(
        name="Odd CPU", watts_per_device=2.8, host_watts_per_thread=3.1, source="sheet"
    )
    machine = detect_machine(own, boards=boards)
    assert machine.name == detect_machine(boards=boards).name
    assert machine.watts_per_device.value == 700
    assert machine.host.watts_per_thread.value == 3.1


def test_every_board_and_the_processors_are_loads_of_their_own(tmp_path):
    boards = nvml_boards(Library(_board("a"), _board("b", sliced=True)))
    machine = detect_machine(boards=boards)
    loads = find_loads(machine, boards=boards, powercap=tmp_path, cpus=tmp_path)
    assert [(load.covers, load.sensor is not None) for load in loads] == [
        ("accelerator GPU-aaaa", True),
        ("accelerator GPU-bbbb", False),
        ("processors", False),
    ]
    assert [load.covers for load in modelled_loads(machine)] == [load.covers for load in loads]


@pytest.mark.gpu
def test_a_real_board_is_found_and_its_energy_grows_with_work():
    boards = visible_boards()
    assert len(boards) == torch.accelerator.device_count()
    sensor = boards[0].sensor()
    assert sensor is not None
    device = torch.device(torch.accelerator.current_accelerator().type, 0)
    matrix = torch.randn(4096, 4096, device=device)
    for _ in range(300):
        matrix = matrix @ matrix / 64
    torch.accelerator.synchronize(device)
    # The counter is refreshed about ten times a second.
    time.sleep(0.5)
    assert 1.0 < sensor.energy().joules < 20_000

"""Accelerator boards: which ones this process can see, and their counters of energy.

Two ways, without any package: the management library of NVIDIA's driver (NVML) through ctypes, and
the files of Linux' hardware monitors (hwmon), which AMD's and Intel's drivers write. Boards are
told apart by the driver's own ids, never by their order, which environment variables change.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.errors import ConfigError, SensorLostError
from farthing.hardware.sensors.counter import Counter, CounterSensor, EnergySensor, lost
from farthing.hardware.sensors.power import PowerIntegral

DRM = Path("/sys/class/drm")

_LIBRARY = "libnvidia-ml.so.1"
_MILLI = 1e-3
_MICRO = 1e-6
_TEXT_BYTES = 96
_NVIDIA_VISIBLE = "CUDA_VISIBLE_DEVICES"
_NVIDIA_ORDER = "CUDA_DEVICE_ORDER"
_NVIDIA_ID = "GPU-"
_AMD_VISIBLE = ("ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")


@dataclass(frozen=True)
class Board:
    """One accelerator as its driver names it.

    Attributes:
        uuid: the driver's id, the same in every process and under every order.
        name: what the driver calls the product.
        sliced: it is cut into parts for several users; its counter then holds all of them.
        make_sensor: begins to count; raises SensorLostError where the board has no sensor.
    """

    uuid: str
    name: str
    sliced: bool
    make_sensor: Callable[[], EnergySensor]

    @property
    def covers(self) -> str:
        """The name of its energy in the book."""
        return f"accelerator {self.uuid}"

    def sensor(self) -> EnergySensor | None:
        """A sensor that begins to count now; None where there is none for this process alone."""
        if self.sliced:
            return None
        try:
            return self.make_sensor()
        except SensorLostError:
            return None


def visible_boards(
    environment: Mapping[str, str] = os.environ,
    *,
    library: Any = None,  # noqa: ANN401
    drm: Path = DRM,
) -> tuple[Board, ...]:
    """The accelerators that this process may compute on.

    Args:
        environment: its variables; some of them hide boards.
        library: NVIDIA's management library; None to load it, if it is there.
        drm: where the kernel shows graphics devices.

    Raises:
        ConfigError: variables name boards by their place among unlike ones, or beyond the last;
            the driver does not say what one of the boards is.
    """
    found = nvml_boards(_load() if library is None else library)
    seen = _seen(found, environment.get(_NVIDIA_VISIBLE), environment)
    # Whoever hides a broken board can work on the others.
    if not all(_answers(board) for board in seen):
        others = ",".join(board.uuid for board in found if _answers(board))
        raise ConfigError(
            "the driver lists an accelerator, and does not say both its id and its name",
            remedy=f"restart the driver, or hide that board: {_NVIDIA_VISIBLE}={others}",
        )
    return (*seen, *_amd_seen(hwmon_boards(drm), environment))


def installed_boards(*, library: Any = None, drm: Path = DRM) -> tuple[Board, ...]:  # noqa: ANN401
    """All accelerators of the machine, whatever hides them from this process, broken ones too.

    Args:
        library: NVIDIA's management library; None to load it, if it is there.
        drm: where the kernel shows graphics devices.
    """
    return (*nvml_boards(_load() if library is None else library), *hwmon_boards(drm))


def show_only(uuids: Sequence[str], environment: MutableMapping[str, str] = os.environ) -> None:
    """Hide all other accelerators from this process; before anything computes on one.

    Args:
        uuids: as the drivers of the boards give them.
        environment: the process's variables.
    """
    of_nvidia = [uuid for uuid in uuids if uuid.startswith(_NVIDIA_ID)]
    others = [uuid for uuid in uuids if not uuid.startswith(_NVIDIA_ID)]
    environment[_NVIDIA_VISIBLE] = ",".join(of_nvidia)
    environment[_AMD_VISIBLE[0]] = ",".join(f"GPU-{uuid}" for uuid in others)
    # Its places would be counted among those that are left.
    environment.pop(_AMD_VISIBLE[1], None)


def nvml_boards(library: Any) -> tuple[Board, ...]:  # noqa: ANN401
    """All boards of NVIDIA's driver in the order of their slots; none where it does not answer.

    The id or the name of a board of which the driver does not say it is empty.
    """
    if library is None or library.nvmlInit_v2() != 0:
        return ()
    count = ctypes.c_uint()
    if library.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return ()
    handles = (_handle(library, index) for index in range(count.value))
    return tuple(_nvml_board(library, handle) for handle in handles if handle is not None)


def hwmon_boards(drm: Path = DRM) -> tuple[Board, ...]:
    """Boards whose driver writes power or energy into files of the kernel.

    Processors' built-in graphics have no `unique_id` and are no accelerators.
    """
    found: list[Board] = []
    for device in sorted(drm.glob("card[0-9]*/device"), key=lambda path: path.as_posix()):
        uuid = _text(device / "unique_id")
        if not uuid or any(board.uuid == uuid for board in found):
            continue
        name = _text(device / "product_name") or "accelerator without a product name"
        found.append(Board(uuid, name, False, _hwmon_sensor(device, f"accelerator {uuid}")))
    return tuple(found)


def _load() -> Any:  # noqa: ANN401
    try:
        return ctypes.CDLL(_LIBRARY)
    except OSError:
        return None


def _handle(library: Any, index: int) -> ctypes.c_void_p | None:  # noqa: ANN401
    handle = ctypes.c_void_p()
    failed = library.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle))
    # An empty handle would end the process inside the driver.
    return None if failed or not handle.value else handle


def _nvml_board(library: Any, handle: ctypes.c_void_p) -> Board:  # noqa: ANN401
    uuid = _asked(library.nvmlDeviceGetUUID, handle)
    current, pending = ctypes.c_uint(), ctypes.c_uint()
    # Boards that cannot be sliced answer with an error.
    answer = library.nvmlDeviceGetMigMode(handle, ctypes.byref(current), ctypes.byref(pending))

    def sensor() -> EnergySensor:
        covers = f"accelerator {uuid}"
        try:
            read = _number(library.nvmlDeviceGetTotalEnergyConsumption, handle, ctypes.c_ulonglong)
            counter = Counter(read, joules_per_count=_MILLI)
        except SensorLostError:
            # Boards before 2017 have no counter.
            power = _number(library.nvmlDeviceGetPowerUsage, handle, ctypes.c_uint)
            return PowerIntegral("board_power", covers, _scaled(power, _MILLI))
        return CounterSensor("board_counter", covers, [counter])

    return Board(
        uuid=uuid,
        name=_asked(library.nvmlDeviceGetName, handle),
        sliced=answer == 0 and current.value == 1,
        make_sensor=sensor,
    )


def _asked(function: Any, handle: ctypes.c_void_p) -> str:  # noqa: ANN401
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    if function(handle, text, ctypes.c_uint(_TEXT_BYTES)) != 0:
        return ""
    return text.value.decode("utf-8", "replace")


def _answers(board: Board) -> bool:
    return bool(board.uuid and board.name)


def _number(function: Any, handle: ctypes.c_void_p, kind: Any) -> Callable[[], int]:  # noqa: ANN401
    def read() -> int:
        value = kind()
        if (code := function(handle, ctypes.byref(value))) != 0:
            raise OSError(f"the driver answers with error {code}")
        return int(value.value)

    return read


def _hwmon_sensor(device: Path, covers: str) -> Callable[[], EnergySensor]:
    def sensor() -> EnergySensor:
        for monitor in sorted(device.glob("hwmon/hwmon*")):
            energy = monitor / "energy1_input"
            if energy.exists():
                counter = Counter(_number_in(energy), joules_per_count=_MICRO)
                return CounterSensor("board_counter", covers, [counter])
            for name in ("power1_average", "power1_input"):
                if (power := monitor / name).exists():
                    return PowerIntegral("board_power", covers, _scaled(_number_in(power), _MICRO))
        raise lost("is not there")

    return sensor


def _scaled(read: Callable[[], int], unit: float) -> Callable[[], float]:
    return lambda: read() * unit


def _number_in(file: Path) -> Callable[[], int]:
    return lambda: int(file.read_text())


def _seen(
    boards: tuple[Board, ...], variable: str | None, environment: Mapping[str, str]
) -> tuple[Board, ...]:
    """Those that the variable leaves, by places or by (beginnings of) ids."""
    if variable is None or not boards:
        return boards
    names = [name.strip() for name in variable.split(",") if name.strip()]
    if any(name.isdigit() for name in names):
        unlike = len({board.name for board in boards}) > 1
        if unlike and environment.get(_NVIDIA_ORDER) != "PCI_BUS_ID":
            raise ConfigError(
                f"{_NVIDIA_VISIBLE}={variable} names accelerators by their place, and they differ: "
                "which ones are meant depends on the driver",
                remedy=f"set {_NVIDIA_ORDER}=PCI_BUS_ID, or name them by their ids, GPU-...",
            )
    return _picked(boards, names, f"{_NVIDIA_VISIBLE}={variable}")


def _amd_seen(boards: tuple[Board, ...], environment: Mapping[str, str]) -> tuple[Board, ...]:
    for variable in _AMD_VISIBLE:
        if boards and (value := environment.get(variable)) is not None:
            names = [name.strip() for name in value.split(",") if name.strip()]
            # Ids are written GPU-... there, and without it in the kernel's files.
            plain = [name.removeprefix("GPU-") for name in names]
            boards = _picked(boards, plain, f"{variable}={value}")
    return boards


def _picked(boards: tuple[Board, ...], names: Sequence[str], said: str) -> tuple[Board, ...]:
    found: dict[str, Board] = {}
    for name in names:
        if name == "-1":
            break
        if name.startswith("MIG-"):
            # A slice says nothing of its board's place; several boards would have to be guessed.
            matching = [board for board in boards if board.sliced]
        elif name.isdigit():
            matching = list(boards[int(name) : int(name) + 1])
        else:
            matching = [board for board in boards if board.uuid.startswith(name)]
        if len(matching) != 1:
            raise ConfigError(
                f"{said}: {name} is {'several' if matching else 'none'} of the driver's "
                f"{len(boards)} accelerators",
                remedy="name each by its id, as the driver lists it",
            )
        found[matching[0].uuid] = matching[0]
    return tuple(found.values())


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

"""What on this machine draws power, with a sensor for each where there is one.

Every joule belongs to one load: readings of the whole machine leave no other load beside them, a
board's energy is not the processor's, a package's memory is not counted twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.settings import ReadingsFile
from farthing.hardware.machine import Host, Machine, available_threads, held_threads
from farthing.hardware.sensors.boards import Board, installed_boards
from farthing.hardware.sensors.counter import EnergySensor, SharedSensor
from farthing.hardware.sensors.rapl import POWERCAP, package_sensors
from farthing.hardware.sensors.readings import WHOLE_MACHINE, ReadingsSensor
from farthing.quantity import Quantity, total

CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Load:
    """Something that draws power.

    Attributes:
        covers: what it is, by a name that stays the same.
        sensor: reads its energy; None where there is none.
        watts: what it draws while it is held, by the catalogue: for times without a sensor. None
            where nobody knows.
        busy_watts: the least for one busy hardware thread; zero where that says nothing about it.
    """

    covers: str
    sensor: EnergySensor | None
    watts: Quantity | None
    busy_watts: float = 0.0


def modelled_loads(machine: Machine) -> tuple[Load, ...]:
    """The machine's loads without any sensor."""
    if machine.host is None:
        return (_threads("processors", machine.devices, machine.watts_per_device),)
    boards = tuple(
        Load(f"accelerator {uuid}", None, machine.watts_per_device) for uuid in machine.device_ids
    )
    return (*boards, _threads("processors", machine.host.threads, machine.host.watts_per_thread))


def find_loads(
    machine: Machine,
    *,
    boards: Sequence[Board] = (),
    readings: ReadingsFile | None = None,
    root: Path | None = None,
    installed: Sequence[Board] | None = None,
    powercap: Path = POWERCAP,
    cpus: Path = CPUS,
) -> tuple[Load, ...]:
    """The machine's loads with their sensors, which count from now on.

    Args:
        machine: what is held.
        boards: its accelerators.
        readings: of the whole machine, from `farthing.yaml`; they go before every other sensor.
        root: the folder of `farthing.yaml`.
        installed: all accelerators of the machine, those that this process cannot see included;
            None to ask their drivers.
        powercap: where the kernel shows the processors' counters.
        cpus: the kernel's folder about processors.

    Raises:
        ConfigError: the readings cannot be used.
    """
    packages = _packages(cpus)
    if readings is not None:
        share = _share_of_machine(machine, packages, installed)
        return (_whole(machine, readings, root or Path.cwd(), share),)
    by_id = {board.covers: board for board in boards}
    found = [
        Load(load.covers, by_id[load.covers].sensor(), load.watts) if load.covers in by_id else load
        for load in modelled_loads(machine)
    ]
    host = machine.host or Host(machine.name, machine.devices, machine.watts_per_device)
    return (*found[:-1], *_processors(host, packages, powercap, found[-1]))


def _processors(
    host: Host, packages: Mapping[int, str], powercap: Path, model: Load
) -> tuple[Load, ...]:
    """A load for each package of which this process holds a part; the model where none is read."""
    sensors = package_sensors(powercap)
    held = Counter(packages[thread] for thread in held_threads() if thread in packages)
    if not sensors or not set(held) <= set(sensors) or not held:
        return (model,)
    there = Counter(packages.values())
    # A container's quota leaves less than the threads that it may run on.
    quota = min(1.0, available_threads() / sum(held.values()))
    loads: list[Load] = []
    for name, threads in sorted(held.items()):
        share = threads * quota / there[name]
        sensor: EnergySensor = sensors[name]
        if share < 1:
            sensor = SharedSensor(sensor, share)
        watts = host.watts_per_thread
        loads.append(
            Load(
                sensor.covers,
                sensor,
                watts.scaled(threads * quota) if watts else None,
                watts.low if watts else 0.0,
            )
        )
    return tuple(loads)


def _whole(machine: Machine, readings: ReadingsFile, root: Path, share: float) -> Load:
    sensor: EnergySensor = ReadingsSensor(readings.method, root / readings.file)
    if share < 1:
        sensor = SharedSensor(sensor, share)
    # The machine draws at least what the model says of its devices.
    watts = total((load.watts for load in modelled_loads(machine)), "W")
    return Load(WHOLE_MACHINE, sensor, watts)


def _share_of_machine(
    machine: Machine, packages: Mapping[int, str], installed: Sequence[Board] | None
) -> float:
    """The part of the machine's devices that this process holds; 1 where nobody knows of others.

    Processes beside it hold the others: what all of them are billed is what was read once.
    """
    if machine.host is None:
        there = len(packages)
    else:
        # Without the variables that hide boards from this process.
        there = len(installed_boards() if installed is None else installed)
    return machine.devices / there if machine.devices < there else 1.0


def _threads(covers: str, threads: int, watts: Quantity | None) -> Load:
    if watts is None:
        return Load(covers, None, None)
    return Load(covers, None, watts.scaled(threads), watts.low)


def _packages(cpus: Path) -> dict[int, str]:
    """The kernel's name of each online hardware thread's package; empty where it gives none."""
    found: dict[int, str] = {}
    for folder in cpus.glob("cpu[0-9]*"):
        try:
            number = int((folder / "topology" / "physical_package_id").read_text())
        except (OSError, ValueError):
            continue
        found[int(folder.name.removeprefix("cpu"))] = f"package-{number}"
    return found

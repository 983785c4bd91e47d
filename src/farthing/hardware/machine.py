"""The machine that this process runs on, as far as it can be known."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.settings import HardwareFigure
from farthing.hardware.catalogue import cpus
from farthing.quantity import Quantity, assumed

CPU_THREAD = "cpu-thread"

_CPUINFO = Path("/proc/cpuinfo")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Machine:
    """What the meter charges for.

    Attributes:
        id: a stable short mark of host and processor; no serial number is in it.
        name: the processor.
        device: the kind of device counted.
        devices: how many of them this process may use.
        watts_per_device: W per device under load, or None where nobody has given a figure.
    """

    id: str
    name: str
    device: str
    devices: int
    watts_per_device: Quantity | None


def detect_machine(figure: HardwareFigure | None = None, *, cpuinfo: Path = _CPUINFO) -> Machine:
    """Find the processor, its threads, and its watts in the catalogue.

    Args:
        figure: the user's own figure from `farthing.yaml`, which goes before the catalogue.
        cpuinfo: the kernel's description of the processor.
    """
    marks = _read_cpuinfo(cpuinfo)
    model_name = marks.get("model name") or platform.processor() or platform.machine()
    identity = sha256_hex(f"{platform.node()}|{marks.get('vendor_id')}|{model_name}".encode())
    name, watts = _look_up(marks, model_name)
    if figure is not None:
        name = figure.name
        watts = assumed(figure.watts_per_device, "W", f"farthing.yaml: {figure.source}")
    return Machine(
        id=identity[:16],
        name=name,
        device=CPU_THREAD,
        devices=available_threads(),
        watts_per_device=watts,
    )


def available_threads(quota: Path = _CPU_QUOTA) -> int:
    """Hardware threads that this process may use: by affinity, or its container's quota if less."""
    try:
        threads = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        threads = os.cpu_count() or 1
    try:
        allowed, period = quota.read_text().split()
        return (
            threads if allowed == "max" else min(threads, max(1, ceil(int(allowed) / int(period))))
        )
    except (OSError, ValueError):
        return threads


def _read_cpuinfo(path: Path) -> dict[str, str]:
    """The first processor's marks, empty where the kernel has no such file."""
    try:
        first = path.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _look_up(marks: dict[str, str], model_name: str) -> tuple[str, Quantity | None]:
    try:
        family, model = int(marks["cpu family"]), int(marks["model"])
    except (KeyError, ValueError):
        return model_name, None
    for entry in cpus():
        if entry.matches(marks.get("vendor_id", ""), family, model, model_name):
            return entry.name, entry.quantity()
    return model_name, None

"""What the start of a run says about the software and the machine around it."""

from __future__ import annotations

import platform

from farthing.artifacts.claims.packages import packages_digest
from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.environment import Environment
from farthing.hardware.machine import Machine


def environment(
    torch_version: str | None,
    threads: int | None,
    machine: Machine,
    *,
    instructions: str | None = None,
    deterministic: bool | None = None,
) -> Environment:
    """The software and settings that a run's numbers depend on.

    Args:
        torch_version: `torch.__version__`, where torch is used.
        threads: threads that the computation uses; None for all that are held.
        machine: what the run holds.
        instructions: `torch.backends.cpu.get_cpu_capability()`, where torch is used.
        deterministic: whether torch is told to give the same bits twice; None where it is not
            asked.
    """
    return Environment(
        python=platform.python_version(),
        torch=torch_version,
        threads=threads or machine.processor.threads,
        platform=platform.platform(),
        cpu=machine.processor.name,
        instructions=instructions,
        packages=packages_digest(),
        deterministic=deterministic,
    )


def machine_record(machine: Machine) -> MachineRecord:
    """The machine as the book names it."""
    watts, host = machine.watts_per_device, machine.host
    source = watts.source if watts else None
    if source is not None and host is not None and host.watts_per_thread is not None:
        source = f"{source}; processors: {host.watts_per_thread.source}"
    return MachineRecord(
        id=machine.id,
        name=machine.name,
        device=machine.device,
        devices=machine.devices,
        watts=watts.value if watts else None,
        watts_low=watts.low if watts else None,
        watts_high=watts.high if watts else None,
        watts_source=source,
        accelerator=machine.accelerator,
        device_ids=machine.device_ids,
    )

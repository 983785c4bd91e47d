"""Whether the bits of a training should come out here too."""

from __future__ import annotations

import torch

from farthing.flow.config import RunConfig
from farthing.flow.run import training_key
from farthing.hardware.machine import CPU_THREAD, detect_machine
from farthing.ledger.environment import environment
from farthing.stages.train.config import TrainConfig
from farthing.stages.verify.claim.trainings import Training
from farthing.text.corpus import Corpus

# Of an environment, what bits depend on beside the number of threads, which a replay takes over.
_DECIDE = ("torch", "cpu", "instructions", "packages")


def on_its_device(run: RunConfig, training: Training) -> TrainConfig:
    """A run's settings; what ran on a processor stays there, whatever accelerator is here."""
    if training.attempts[-1].start.machine.device == CPU_THREAD:
        return run.train.model_copy(update={"device": "cpu"})
    return run.train


def other_here(training: Training, run: RunConfig, corpus: Corpus) -> list[str]:
    """What differs here from where a training ran, in words; empty where its bits must come out.

    Args:
        training: as the book tells of it.
        run: its recipe.
        corpus: that it read.
    """
    start = training.attempts[-1].start
    machine = detect_machine()
    ours = environment(
        torch.__version__,
        None,
        machine,
        instructions=torch.backends.cpu.get_cpu_capability(),
    )
    theirs = start.environment
    found = [
        f"{name} {getattr(ours, name)}, not {getattr(theirs, name)}"
        for name in _DECIDE
        if getattr(ours, name) != getattr(theirs, name)
    ]
    # The end of `Linux-6.1-x86_64-with-glibc2.36`: whoever has the same has the same compiler.
    if _system(ours.platform) != _system(theirs.platform):
        found.append(f"system {_system(ours.platform)}, not {_system(theirs.platform)}")
    if machine.device != start.machine.device:
        found.append(f"device {machine.device}, not {start.machine.device}")
    if training_key(run, corpus, None) != start.input_key:
        found.append("other code of farthing")
    return found


def _system(platform: str) -> str:
    return "-".join(platform.split("-")[-3:])

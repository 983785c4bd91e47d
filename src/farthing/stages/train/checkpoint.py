"""Training checkpoints: whole or absent, hashed, and enough to go on bit for bit.

    checkpoints/step-00000200/
    ├── manifest.json          digests of the two files below
    ├── state.safetensors      weights, optimizer state, router state, random generator
    └── progress.json          step, tokens, recent losses

Plain tensors and JSON instead of torch.distributed.checkpoint, whose metadata is a pickle:
docs/decisions/0002-training-state-in-safetensors.md.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file

from farthing.artifacts.manifest import Manifest, read_manifest, verify_files, write_manifest
from farthing.artifacts.storage import remove_directory, staged_directory
from farthing.errors import ArtifactError, CheckpointError
from farthing.model.tensors import write_tensors
from farthing.model.transformer import Transformer
from farthing.stages.train.optimizer import ModelOptimizer

KIND = "checkpoint"
_STATE_NAME = "state.safetensors"
_PROGRESS_NAME = "progress.json"
MODEL, OPTIMIZER, _RANDOM = "model.", "optimizer.", "random.torch_cpu"


class TrainingProgress(BaseModel):
    """How far a run is: everything besides tensors that the next step depends on.

    Attributes:
        threads: that the run computes on; the last bits may depend on it. None where it was not
            noted yet.
        precision: of its matrix products; None where it was not noted yet.
        kernels: which ones computed, in words; None where it was not noted yet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    step: int
    tokens: int
    recent_losses: tuple[float, ...]
    threads: int | None = None
    precision: Literal["fp32", "bf16", "fp8"] | None = None
    kernels: str | None = None


def save_checkpoint(
    directory: Path,
    model: Transformer,
    optimizer: ModelOptimizer,
    progress: TrainingProgress,
    *,
    input_key: str,
    keep: int,
) -> Manifest:
    """Write `directory/step-N` and drop all but the `keep` newest.

    Raises:
        WorkspaceError: the disk is full or not writable; older checkpoints stay.
    """
    tensors = state_of(model, optimizer)
    manifest = write_checkpoint(directory, tensors, progress, input_key=input_key)
    for old in _checkpoints(directory)[:-keep]:
        remove_directory(old)
    return manifest


def state_of(model: Transformer, optimizer: ModelOptimizer) -> dict[str, torch.Tensor]:
    """Every tensor that the next step depends on, by the name that it has in a checkpoint.

    They are the model's own, not copies.
    """
    tensors = {f"{MODEL}{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"{OPTIMIZER}{name}": t for name, t in optimizer.state_tensors().items()}
    tensors[_RANDOM] = torch.get_rng_state()
    return tensors


def write_checkpoint(
    directory: Path,
    tensors: Mapping[str, torch.Tensor],
    progress: TrainingProgress,
    *,
    input_key: str,
) -> Manifest:
    """Write `directory/step-N` of what `state_of` gave.

    Raises:
        WorkspaceError: the disk is full or not writable.
    """
    with staged_directory(directory / f"step-{progress.step:08d}") as staged:
        write_tensors(staged / _STATE_NAME, tensors)
        (staged / _PROGRESS_NAME).write_text(progress.model_dump_json() + "\n", encoding="utf-8")
        return write_manifest(
            staged, kind=KIND, input_key=input_key, detail={"step": progress.step}
        )


def newest_checkpoint(directory: Path) -> Path | None:
    """The newest whole checkpoint under `directory`. Reads only: it needs no lock."""
    found = _checkpoints(directory)
    return found[-1] if found else None


def sweep_half_written(directory: Path) -> None:
    """Delete what interrupted saves left; only for the holder of the run's lock."""
    for partial in sorted(directory.glob(".step-*")):
        shutil.rmtree(partial)


@dataclass(frozen=True)
class Checkpoint:
    """What `save_checkpoint` saved, checked and read, on the CPU."""

    name: str
    progress: TrainingProgress
    tensors: dict[str, torch.Tensor]

    @property
    def optimizer_state(self) -> dict[str, torch.Tensor]:
        """All optimizer state by weight and kind, as `ModelOptimizer.state_tensors` gave it."""
        return _under(OPTIMIZER, self.tensors)

    def restore(self, model: Transformer, optimizer: ModelOptimizer) -> None:
        """Put weights, optimizer state and random generator back where they were."""
        model.load_state_dict(_under(MODEL, self.tensors), strict=True)
        optimizer.load_state_tensors(self.optimizer_state)
        torch.set_rng_state(self.tensors[_RANDOM])


def load_checkpoint(path: Path, *, input_key: str) -> Checkpoint:
    """Read a checkpoint of the run `input_key`.

    Raises:
        CheckpointError: a file is missing, changed or damaged, or belongs to another run.
    """
    try:
        manifest = read_manifest(path, kind=KIND)
        verify_files(path, manifest, required=(_STATE_NAME, _PROGRESS_NAME))
        progress = TrainingProgress.model_validate_json((path / _PROGRESS_NAME).read_bytes())
        tensors = load_file(path / _STATE_NAME)
    except (ArtifactError, ValidationError, SafetensorError, json.JSONDecodeError) as error:
        what = error.what if isinstance(error, ArtifactError) else str(error).splitlines()[0]
        raise CheckpointError(f"checkpoint {path} is damaged: {what}", remedy=_way_out(path)) from (
            error
        )
    if manifest.input_key != input_key:
        raise CheckpointError(
            f"checkpoint {path} belongs to a run with other settings, text or code",
            remedy="start the run in a folder of its own",
        )
    return Checkpoint(path.name, progress, tensors)


def _under(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _checkpoints(directory: Path) -> list[Path]:
    return sorted(directory.glob("step-????????"))


def _way_out(path: Path) -> str:
    older = [other.name for other in _checkpoints(path.parent) if other.name < path.name]
    goes_on = f"from {older[-1]}" if older else "from the start: there is no older one"
    return f"restore it from a copy, or delete {path}: the same command then goes on {goes_on}"

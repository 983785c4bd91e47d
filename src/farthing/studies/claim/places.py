"""Where the models and checkpoints of a claim's trainings stand in the workspace."""

from __future__ import annotations

from pathlib import Path

from farthing.artifacts.entries import Segment
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest, verify_files
from farthing.artifacts.workspace import Workspace
from farthing.errors import ArtifactError
from farthing.stages.train.checkpoint import KIND as CHECKPOINT
from farthing.stages.train.run import CHECKPOINT_ROOM, SUPERNET_ROOM
from farthing.stages.train.run import KIND as SUPERNET
from farthing.studies.claim.trainings import Training


def place_of(training: Training, workspace: Workspace) -> Path | None:
    """The folder of the run that holds the training's model; None if it is gone."""
    start = training.last.start
    first = workspace.place("runs", start.name, start.input_key)
    # Beside the first stand those that were made again on purpose.
    for place in [first, *sorted(first.parent.glob(f"{first.name}-again*"))]:
        if (place / SUPERNET_ROOM / MANIFEST_NAME).exists():
            manifest = read_manifest(place / SUPERNET_ROOM, kind=SUPERNET)
            if manifest.content_digest == training.model:
                return place
    return None


def checkpoint_after(place: Path, step: int) -> Path:
    """The folder of the checkpoint with `step` steps done."""
    return place / CHECKPOINT_ROOM / f"step-{step:08d}"


def checkpoint_of(place: Path, segment: Segment) -> Path | None:
    """The checkpoint at the end of a segment; None if it is gone or another one stands there."""
    path = checkpoint_after(place, segment.last_step + 1)
    try:
        manifest = read_manifest(path, kind=CHECKPOINT)
    except ArtifactError:
        return None
    return path if manifest.content_digest == segment.checkpoint_digest else None


def bytes_of(folder: Path) -> int:
    """Of all files below a folder."""
    return sum(path.stat().st_size for path in sorted(folder.rglob("*")) if path.is_file())


def files_below(folder: Path, name: str, *, kind: str) -> dict[str, Path]:
    """The files of an artifact, each compared with its digest, by their names in a bundle.

    Args:
        folder: of the artifact.
        name: of the folder in the bundle.
        kind: of the artifact.

    Raises:
        ArtifactError: a file is gone or damaged.
    """
    manifest = read_manifest(folder, kind=kind)
    verify_files(folder, manifest)
    return {f"{name}/{file}": folder / file for file in (MANIFEST_NAME, *manifest.files)}

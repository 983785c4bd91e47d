"""What a run starts from: finding and opening it."""

from __future__ import annotations

from pathlib import Path

import torch

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.manifest import MANIFEST_NAME
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError
from farthing.flow.opening import find_run
from farthing.model.member import open_member
from farthing.model.supernet import (
    CONFIG_NAME,
    TOKENIZER_NAME,
    WEIGHTS_NAME,
    Supernet,
    open_supernet,
)
from farthing.stages.train.run import CHECKPOINT_ROOM, SUPERNET_ROOM
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.train.start.begin import Source, without_silent_experts

_CPU = torch.device("cpu")


def open_source(place: str, workspace: Workspace) -> Source:
    """The trained model that `place` names: a run, by name or path, or an extracted member.

    Raises:
        ConfigError: there is no such thing, or several runs fit.
        ArtifactError: it is damaged.
    """
    path = _find(place, workspace)
    if (path / SUPERNET_ROOM).is_dir():
        supernet = open_supernet(path / SUPERNET_ROOM, kind=SUPERNET, device=_CPU)
        digest = supernet.digest
        return Source(supernet, digest, parent=digest, checkpoints=path / CHECKPOINT_ROOM)
    opened = open_member(path, device=_CPU)
    member_model = Supernet(
        opened.directory,
        opened.manifest,
        without_silent_experts(opened.model),
        opened.origin,
    )
    # Not the card: it changes with every price, the model does not.
    files = {name: opened.manifest.files[name] for name in (CONFIG_NAME, WEIGHTS_NAME)}
    files[TOKENIZER_NAME] = opened.manifest.files[TOKENIZER_NAME]
    return Source(member_model, digest_json(files), opened.origin["parent"], checkpoints=None)


def _find(place: str, workspace: Workspace) -> Path:
    """The folder of the run or member that `place` names: a path first, then a name."""
    for path in (Path(place), workspace.root / "models" / place):
        if path.name == SUPERNET_ROOM and (path / MANIFEST_NAME).is_file():
            return path.parent
        if (path / SUPERNET_ROOM / MANIFEST_NAME).is_file() or (path / MANIFEST_NAME).is_file():
            return path
    if Path(place).parts[1:] and Path(place).is_dir():
        raise ConfigError(
            f"{place} holds neither a finished run nor an extracted member",
            remedy="name a folder under runs/ or models/; a run that is not finished goes on with "
            "the `farthing train` that began it",
        )
    return find_run(workspace, place, option="--from")

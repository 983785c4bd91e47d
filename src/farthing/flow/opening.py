"""Finding and opening what a workspace holds."""

from __future__ import annotations

import json
from pathlib import Path

from farthing.artifacts.config import parse_config
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest
from farthing.artifacts.workspace import Workspace
from farthing.errors import ArtifactError, ConfigError
from farthing.flow.config import RunConfig
from farthing.model.device import choose_device
from farthing.model.member import open_member
from farthing.model.supernet import Supernet, open_supernet
from farthing.stages.train.run import KIND as SUPERNET
from farthing.stages.train.run import SUPERNET_ROOM
from farthing.text.corpus import KIND as CORPUS
from farthing.text.corpus import Corpus

RECIPE_NAME = "recipe.json"


def open_run(place: Path) -> tuple[RunConfig, Supernet]:
    """The recipe and the finished supernet of a run's folder.

    Raises:
        ArtifactError: the run is not finished, or its supernet is damaged.
    """
    supernet = open_supernet(place / SUPERNET_ROOM, kind=SUPERNET, device=choose_device("auto"))
    path = place / RECIPE_NAME
    try:
        recipe = json.loads(path.read_bytes())
    except (OSError, json.JSONDecodeError) as error:
        raise ArtifactError(
            f"{path} cannot be read: {error}",
            remedy="restore it from a copy, or train again with --rerun",
        ) from error
    return parse_config(RunConfig, recipe, where=str(path)), supernet


def open_model(place: Path) -> Supernet:
    """A run's supernet or an extracted member, whichever `place` holds."""
    if (place / SUPERNET_ROOM).is_dir():
        return open_run(place)[1]
    return open_member(place, device=choose_device("auto"))


def find_run(workspace: Workspace, name: str | None, *, option: str = "--run") -> Path:
    """The finished run called `name` (a folder under runs/, its start is enough), or the only one.

    Args:
        workspace: where to look.
        name: of the run; None where there is only one.
        option: with which the user names it.

    Raises:
        ConfigError: no run or several runs fit; the remedy lists them.
    """
    finished = sorted(
        path.parent.parent for path in workspace.runs.glob(f"[!.]*/{SUPERNET_ROOM}/{MANIFEST_NAME}")
    )
    fitting = [place for place in finished if place.name.startswith(name or "")]
    exact = [place for place in fitting if place.name == name]
    if len(exact or fitting) == 1:
        return (exact or fitting)[0]
    there = ", ".join(place.name for place in finished)
    raise ConfigError(
        f"{len(fitting)} finished runs in {workspace.root} fit {name!r}"
        if name
        else f"{workspace.root} holds {len(finished)} finished runs",
        remedy=f"name one with {option}: {there}" if there else "train one: farthing train",
    )


def find_corpus(supernet: Supernet, workspace: Workspace) -> Path | None:
    """The folder of the corpus that a supernet was trained on; None if it is not there any more.

    Raises:
        ArtifactError: the manifest of a corpus of the workspace is damaged.
    """
    for path in sorted((workspace.root / "corpora").glob(f"[!.]*/{MANIFEST_NAME}")):
        if read_manifest(path.parent, kind=CORPUS).content_digest == supernet.origin["corpus"]:
            return path.parent
    return None


def corpus_of(supernet: Supernet, workspace: Workspace, *, verify: bool = True) -> Corpus:
    """The corpus of the workspace that a supernet was trained on; `verify` reads all of it once.

    Raises:
        ArtifactError: it is not there any more, or a corpus of the workspace is damaged.
    """
    place = find_corpus(supernet, workspace)
    if place is None:
        raise ArtifactError(
            f"the corpus {supernet.origin['corpus'][:16]}... of {supernet.directory} is not in "
            f"{workspace.root}",
            remedy="make it again: farthing curate, with the recipe of that run",
        )
    return Corpus.open(place, verify=verify)

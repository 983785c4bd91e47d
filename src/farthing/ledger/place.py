"""Which artifact of a workspace the user means: a folder, a name, or a digest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from farthing.artifacts.manifest import MANIFEST_NAME, Manifest
from farthing.artifacts.workspace import Workspace
from farthing.errors import ArtifactError, UsageError
from farthing.ledger.tree import CostTree

_HEX = frozenset("0123456789abcdef")
_SHORTEST_DIGEST = 8
_SHOWN = 16
_INNER = ("", "supernet")
_ROOMS = ("corpora", "runs", "scores", "benchmarks", "searches", "models")


def find_artifact(place: str, workspace: Workspace, tree: CostTree) -> str:
    """The digest of the artifact that `place` names.

    Args:
        place: a folder, the name of one in a room of the workspace, its start, or a shape in it;
            or a digest, or at least its first 8 digits.
        workspace: in which names are looked up.
        tree: the artifacts that the book names.

    Raises:
        UsageError: nothing fits, or several artifacts do.
        ArtifactError: the folder's manifest cannot be read.
    """
    folder = Path(place)
    if folder.is_dir():
        digest = _digest_of(folder)
        if digest is None:
            raise UsageError(
                f"{place} holds no finished artifact",
                remedy="name a folder under corpora/, runs/, scores/ or models/, or a digest",
            )
        return digest
    named = {found for path in _named(place, workspace) if (found := _digest_of(path))}
    if len(place) >= _SHORTEST_DIGEST and set(place) <= _HEX:
        named |= {digest for digest in tree.makers if digest.startswith(place)}
    elif place in tree.makers:
        named.add(place)
    if len(named) == 1:
        return named.pop()
    raise UsageError(
        f"{len(named)} artifacts of {workspace.root} fit {place!r}",
        remedy=f"name one of: {_known(named or tree.makers, workspace)}",
    )


def _named(place: str, workspace: Workspace) -> Iterable[Path]:
    """Folders of that name, else those whose name begins so, else those of models of that shape."""
    if not place or Path(place).name != place:
        return []
    every = _folders(workspace)
    exact = [path for path in every if path.name == place]
    begun = [path for path in every if path.name.startswith(place)]
    return exact or begun or [path for path in every if f"-{place}-" in path.name]


def _folders(workspace: Workspace) -> list[Path]:
    return [
        path
        for room in _ROOMS
        if (workspace.root / room).is_dir()
        for path in sorted((workspace.root / room).iterdir())
        if path.is_dir() and not path.name.startswith(".")
    ]


def _digest_of(folder: Path) -> str | None:
    for inner in _INNER:
        path = folder / inner / MANIFEST_NAME
        if path.is_file():
            try:
                return Manifest.model_validate_json(path.read_bytes()).content_digest
            except ValueError as error:
                raise ArtifactError(
                    f"{path} cannot be read", remedy="restore the file from a copy"
                ) from error
    return None


def _known(digests: Iterable[str], workspace: Workspace) -> str:
    """Each by its folder where it is still there, else by the start of its digest."""
    wanted = sorted(digests)
    folders: dict[str, str] = {}
    for path in _folders(workspace):
        digest = _digest_of(path)
        if digest is not None:
            folders[digest] = f"{path.parent.name}/{path.name}"
    names = sorted(folders.get(digest, digest[:_SHOWN]) for digest in wanted)
    return ", ".join(names) or "nothing: the book names no artifact yet"

"""Reading an artifact that is one JSON file: the matrices that evaluations write."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from farthing.artifacts.manifest import Manifest, read_manifest, verify_files
from farthing.errors import ArtifactError

MatrixT = TypeVar("MatrixT", bound=BaseModel)


def open_matrix(
    directory: Path, *, kind: str, name: str, form: type[MatrixT]
) -> tuple[MatrixT, Manifest]:
    """The matrix in the file `name` of `directory`, after comparing it with its digest.

    Raises:
        ArtifactError: it is missing, changed or damaged.
    """
    manifest = read_manifest(directory, kind=kind)
    verify_files(directory, manifest, required=(name,))
    path = directory / name
    try:
        return form.model_validate_json(path.read_bytes()), manifest
    except ValidationError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.errors()[0]['msg']}",
            remedy="remove the folder and evaluate again",
        ) from error

"""The manifest in every artifact's folder: what it is, what it was made from, what it holds.

Two identities, never mixed: `input_key` (settings, inputs, code) decides whether an artifact can
be reused; `content_digest` (the files' digests) proves what came out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from farthing.artifacts.canonical import digest_file, digest_json
from farthing.artifacts.storage import write_atomic
from farthing.errors import ArtifactError

MANIFEST_NAME = "manifest.json"


class Manifest(BaseModel):
    """What `manifest.json` of an artifact's folder says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    input_key: str
    files: dict[str, str]
    content_digest: str
    detail: dict[str, Any]

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, str]) -> dict[str, str]:
        for name in files:
            path = PurePosixPath(name)
            inside = path.parts and not path.is_absolute() and ".." not in path.parts
            if not inside or "\\" in name or str(path) != name:
                raise ValueError(f"the file name {name!r} does not stay inside the folder")
        return files


def write_manifest(
    directory: Path, *, kind: str, input_key: str, detail: dict[str, Any]
) -> Manifest:
    """Digest every file under `directory` and write its manifest there."""
    files = {
        path.relative_to(directory).as_posix(): digest_file(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != MANIFEST_NAME
    }
    manifest = Manifest(
        kind=kind,
        input_key=input_key,
        files=files,
        content_digest=digest_json({"kind": kind, "files": files, "detail": detail}),
        detail=detail,
    )
    text = json.dumps(manifest.model_dump(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_atomic(directory / MANIFEST_NAME, text.encode())
    return manifest


def read_manifest(directory: Path, *, kind: str) -> Manifest:
    """The manifest of `directory`, without reading the files it lists.

    Raises:
        ArtifactError: it is missing, malformed, of another kind, names files outside the folder,
            or its own digest is wrong.
    """
    path = directory / MANIFEST_NAME
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ArtifactError(
            f"{directory} holds no finished {kind}: {MANIFEST_NAME} is missing",
            remedy="name another folder, or run the command that makes it again",
        ) from error
    except ValidationError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.errors()[0]['msg']}",
            remedy="restore the file from a copy, or remove the folder to make it again",
        ) from error
    expected = digest_json(
        {"kind": manifest.kind, "files": manifest.files, "detail": manifest.detail}
    )
    if manifest.kind != kind or manifest.content_digest != expected:
        raise ArtifactError(
            f"{path} was changed, or is no {kind} (it says {manifest.kind})",
            remedy="restore the file from a copy, or remove the folder to make it again",
        )
    return manifest


def verify_files(directory: Path, manifest: Manifest, required: Iterable[str] = ()) -> None:
    """Compare every listed file with its digest.

    Args:
        directory: the artifact's folder.
        manifest: what it should hold. Further files are nobody's business: no opener reads them.
        required: the files that the caller is going to read; a manifest that leaves one out would
            let it change unseen.

    Raises:
        ArtifactError: naming the first file that is not listed, is missing or differs.
    """
    for name in required:
        if name not in manifest.files:
            raise ArtifactError(
                f"{directory / MANIFEST_NAME} does not list {name}, without which there is no "
                f"{manifest.kind}",
                remedy="restore the folder from a copy, or remove it to make it again",
            )
    for name, expected in manifest.files.items():
        path = directory / name
        if not path.is_file():
            raise ArtifactError(
                f"{path} is missing from a {manifest.kind}",
                remedy="restore it from a copy, or remove the folder to make it again",
            )
        actual = digest_file(path)
        if actual != expected:
            raise ArtifactError(
                f"{path} is corrupted: sha256 {actual[:16]}..., manifest says {expected[:16]}...",
                remedy="restore it from a copy, or remove the folder to make it again",
            )

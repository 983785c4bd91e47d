"""A member as a GGUF file: the artifact around `gguf_file`."""

from __future__ import annotations

from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from farthing.artifacts.manifest import Manifest, read_manifest, verify_files, write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.errors import MissingExtraError, UsageError
from farthing.model.member import KIND as MEMBER
from farthing.stages.extract.gguf_file import Encoding, write_gguf

KIND = "gguf"


def read_encoding(text: str) -> Encoding:
    """The encoding called `text`, once it is known that it can be written here.

    Raises:
        UsageError: there is no such encoding.
        MissingExtraError: the `gguf` package is not installed.
    """
    known: dict[str, Encoding] = {name.upper(): name for name in get_args(Encoding)}
    if text.upper() not in known:
        raise UsageError(
            f"no GGUF encoding is called {text!r}", remedy=f"choose one of {', '.join(known)}"
        )
    # Asked before anything is cut: nothing is half done when the package is missing.
    if find_spec("gguf") is None:
        raise MissingExtraError("writing GGUF files", extra="gguf")
    return known[text.upper()]


def export_gguf(
    member: Path, encoding: Encoding, name: str, *, directory: Path, input_key: str
) -> Manifest:
    """Write `NAME.gguf` of an extracted member into `directory`.

    Args:
        member: folder of the extracted member.
        encoding: of the matrices; norms, biases and routers stay in fp32.
        name: of the model and the file.
        directory: of the new artifact.
        input_key: of the new artifact.

    Raises:
        ArtifactError: the member is damaged.
        MissingExtraError: the `gguf` package is not installed.
        WorkspaceError: the disk is full or not writable.
    """
    origin = read_manifest(member, kind=MEMBER)
    verify_files(member, origin)
    with staged_directory(directory) as staged:
        summary = write_gguf(member, staged / f"{name}.gguf", encoding, name)
        detail = {"member": origin.content_digest, **origin.detail, "gguf": asdict(summary)}
        return write_manifest(staged, kind=KIND, input_key=input_key, detail=detail)

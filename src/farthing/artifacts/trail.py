"""The files of a corpus' trail: what curation did to its text, beside the tokens.

funnel.json          every step in order: what entered, what left, what was dropped and why
samples.jsonl        documents kept and dropped, a few for each reason
clusters.jsonl       near-duplicates found together, some to look at
contamination.json   what of which evaluation set stands in which document

`curate` writes them into the corpus, whose manifest digests them; a report reads them without
knowing the stage.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from farthing.artifacts.curation import Cluster, Contamination, Funnel, Part, Sample
from farthing.artifacts.storage import write_atomic
from farthing.errors import ArtifactError

FUNNEL_NAME = "funnel.json"
SAMPLES_NAME = "samples.jsonl"
CLUSTERS_NAME = "clusters.jsonl"
CONTAMINATION_NAME = "contamination.json"
TRAIL_NAMES = (FUNNEL_NAME, SAMPLES_NAME, CLUSTERS_NAME, CONTAMINATION_NAME)

PartT = TypeVar("PartT", bound=Part)


class Trail(Part):
    """Everything that a corpus says about how it was made.

    `contamination` is None where no evaluation set was looked for.
    """

    funnel: Funnel
    samples: tuple[Sample, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    contamination: Contamination | None = None


def write_trail(directory: Path, trail: Trail) -> None:
    """Write the four files into a corpus' folder, before its manifest.

    Raises:
        WorkspaceError: the disk is full or not writable.
    """
    write_atomic(directory / FUNNEL_NAME, _line(trail.funnel))
    write_atomic(directory / SAMPLES_NAME, b"".join(map(_line, trail.samples)))
    write_atomic(directory / CLUSTERS_NAME, b"".join(map(_line, trail.clusters)))
    if trail.contamination is not None:
        write_atomic(directory / CONTAMINATION_NAME, _line(trail.contamination))


def read_trail(directory: Path) -> Trail | None:
    """The trail in a corpus' folder; None where it was made without one.

    Raises:
        ArtifactError: a file of it is missing or cannot be read.
    """
    if not (directory / FUNNEL_NAME).exists():
        return None
    asked = directory / CONTAMINATION_NAME
    return Trail(
        funnel=_only(directory / FUNNEL_NAME, Funnel),
        samples=tuple(_lines(directory / SAMPLES_NAME, Sample)),
        clusters=tuple(_lines(directory / CLUSTERS_NAME, Cluster)),
        contamination=_only(asked, Contamination) if asked.exists() else None,
    )


def _line(part: Part) -> bytes:
    # Everything beyond ASCII is escaped, so that no line separator of a text ends a line.
    return json.dumps(part.model_dump(mode="json")).encode("ascii") + b"\n"


def _only(path: Path, form: type[PartT]) -> PartT:
    found = list(_lines(path, form))
    if len(found) != 1:
        raise _unreadable(path, f"{len(found)} lines where there is one")
    return found[0]


def _lines(path: Path, form: type[PartT]) -> Iterator[PartT]:
    try:
        for line in path.read_bytes().splitlines():
            yield form.model_validate_json(line)
    except (OSError, ValidationError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise _unreadable(path, said) from error


def _unreadable(path: Path, why: str) -> ArtifactError:
    return ArtifactError(
        f"{path} cannot be read: {why}",
        remedy="restore the folder from a copy, or remove it to make the corpus again",
    )

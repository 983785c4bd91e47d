"""The files of a claim's bundle, beside its statement."""

from __future__ import annotations

from pathlib import Path

from farthing.artifacts.claims.names import BOOK_NAME, CORPUS_MANIFEST, steps_name
from farthing.artifacts.manifest import MANIFEST_NAME
from farthing.studies.claim.gather import Gathered
from farthing.studies.claim.steps import steps_by_run
from farthing.studies.claim.trainings import BookView


def bundled_files(view: BookView, gathered: Gathered) -> dict[str, Path | bytes]:
    """Book, journals, steps and the corpus's manifest: name in the bundle -> what stands there.

    Raises:
        ArtifactError: the log of a training is gone or damaged.
    """
    files: dict[str, Path | bytes] = {BOOK_NAME: book_bytes(view)}
    for run in view.runs:
        files[run.start.journal] = view.workspace.root / run.start.journal
    for training in gathered.trainings:
        logged = steps_by_run(gathered.places[training.model])
        for attempt in training.runs:
            number = attempt.start.run
            # An attempt may have ended before its first step.
            files[steps_name(number)] = logged.get(number, b"")
    files[CORPUS_MANIFEST] = gathered.corpus.directory / MANIFEST_NAME
    return files


def book_bytes(view: BookView) -> bytes:
    """The first lines of the book, as many as the claim holds."""
    with view.workspace.book_file.open("rb") as file:
        return file.read(view.records[-1].entry.end)

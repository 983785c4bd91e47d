"""The files that a corpus is made from: the user's, or the embedded sample with its split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farthing.documents.readers.files import SourceFile, find_files, identities
from farthing.stages.curate.config import CurateConfig
from farthing.text.corpus import SPLITS, Split
from farthing.text.sample import sample_file


@dataclass(frozen=True)
class Sources:
    """Files to read.

    Attributes:
        files: in order.
        given: number of a file -> the side of all its documents. Such a split is a promise: its
            documents are neither dropped nor changed, and what would have become of them is
            counted. Empty where the split is drawn.
    """

    files: tuple[SourceFile, ...]
    given: Mapping[int, Split]


def find_sources(config: CurateConfig) -> Sources:
    """The files that the settings name.

    Raises:
        CorpusError: a path is missing, empty or of an unknown kind.
    """
    if config.sources is not None:
        return Sources(find_files(config.sources), {})
    files = find_files([sample_file(side) for side in SPLITS])
    return Sources(files, dict(enumerate(SPLITS)))


def source_identity(config: CurateConfig) -> list[list[str]]:
    """Name and SHA-256 of every file that would be read, in order: part of the corpus's input key.

    Raises:
        CorpusError: as `find_sources`.
    """
    return identities(find_sources(config).files)

"""The texts that a corpus is made from: the user's files, or the embedded sample with its split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from farthing.artifacts.canonical import digest_file
from farthing.errors import CorpusError
from farthing.stages.curate.config import CurateConfig
from farthing.text.corpus import SPLITS, Split
from farthing.text.document import Document, list_files, read_documents
from farthing.text.sample import sample_file

# What it returns is not looked at.
Report = Callable[[str, float], object]

# A domain names a folder of the corpus and a column of every table.
_DOMAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_REPORT_BYTES = 1 << 20


class Sources:
    """Documents that can be read again and again, each with its side where that is given."""

    def __init__(self, config: CurateConfig, report: Report | None) -> None:
        self._given: list[tuple[list[Path], Split | None]] = (
            [([sample_file(side)], side) for side in SPLITS]
            if config.sources is None
            else [([Path(source) for source in config.sources], None)]
        )
        self._report = report
        self._total_bytes = 0

    def read(
        self, phase: str, dropped: Counter[str] | None = None
    ) -> Iterator[tuple[Document, Split | None]]:
        """Every document and its given side; `phase` names this reading to the report.

        Raises:
            CorpusError: as `read_documents`, or for a domain that cannot name a folder.
        """
        done = reported = 0
        for paths, side in self._given:
            for document in read_documents(paths, dropped):
                if not _DOMAIN_NAME.fullmatch(document.domain):
                    raise CorpusError(
                        f"document {document.id!r} has the domain {document.domain!r}",
                        remedy="name domains with up to 64 letters, digits, '-', '_' and '.'",
                    )
                yield document, side
                done += document.size
                if self._report and self._total_bytes and done - reported >= _REPORT_BYTES:
                    reported = done
                    self._report(phase, done / self._total_bytes)
        # The first reading measures; its share is not known before it ends.
        self._total_bytes = done
        if self._report:
            self._report(phase, 1.0)


def source_identity(config: CurateConfig) -> list[list[str]]:
    """Name and SHA-256 of every file that would be read, in order: part of the corpus's input key.

    Order counts (it decides the order of documents), and so do names (they are `.txt` ids); the
    folders that the files stand in do not.

    Raises:
        CorpusError: a path is missing or of an unknown kind.
    """
    if config.sources is None:
        return [[side, digest_file(sample_file(side))] for side in SPLITS]
    files = list_files([Path(source) for source in config.sources])
    return [[name, digest_file(path)] for path, name in files]

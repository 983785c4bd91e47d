"""Tokenizer and held-out text of another corpus: to compare ways of curating on equal ground.

What another corpus holds out is kept out of training here, by work, by id and by its windows, and
its dev and test tokens are taken over as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.encode import EncodedPiece
from farthing.stages.curate.near_duplicates import NearDuplicates
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decisions import Decisions
from farthing.text.corpus import SPLITS, Corpus
from farthing.text.provenance import DocumentsWriter, document_batches
from farthing.text.tokenizer import Tokenizer

HELD_OUT = tuple(split for split in SPLITS if split != "train")


class Borrowed:
    """The corpus that is borrowed from."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus

    @classmethod
    def open(cls, config: CurateConfig) -> Borrowed | None:
        """The corpus that the settings name; None where they name none.

        Raises:
            ArtifactError: it is missing, changed or damaged.
        """
        if config.held_out_from is None:
            return None
        return cls(Corpus.open(Path(config.held_out_from), verify=True))

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""
        return self._corpus.tokenizer

    @property
    def digest(self) -> str:
        """Of its tokenizer and tokens."""
        return self._corpus.text_digest

    @property
    def domains(self) -> tuple[str, ...]:
        """Those that it holds text out of."""
        return self._corpus.held_out_domains

    def keep_out(self, columns: Columns, decisions: Decisions) -> npt.NDArray[np.int8]:
        """Drop documents that are held out, or part of such a work; the rest is training text.

        Returns:
            int8 (documents), the side of each; -1 for documents that are out.
        """
        ids, works = self._names
        work_codes, work_names = columns.strings("work")
        id_codes, id_names = columns.strings("id")
        held = np.isin(work_codes, [n for n, work in enumerate(work_names) if work in works])
        held |= np.isin(id_codes, [n for n, name in enumerate(id_names) if name in ids])
        decisions.drop("split", "held_out", held)
        return np.where(decisions.kept, SPLITS.index("train"), -1).astype(np.int8)

    def index(self, share: float) -> NearDuplicates:
        """Of the windows of all its held-out text."""
        return NearDuplicates.of_texts(self._texts(), share=share)

    def write_piece(self, directory: Path) -> EncodedPiece:
        """Its held-out shards and their rows, as a piece that is joined with those of training."""
        shutil.rmtree(directory, ignore_errors=True)
        for split in HELD_OUT:
            shutil.copytree(self._corpus.directory / split, directory / split)
        with DocumentsWriter(directory) as writer:
            for batch in self._rows():
                # The numbers of files and clusters are those of the other corpus.
                writer.add(batch.drop_columns(["file", "cluster", "cluster_size"]))
        return EncodedPiece(directory, {"held_out_from": self.digest})

    def _rows(self) -> Iterator[pa.RecordBatch]:
        for batch in document_batches(self._corpus.directory):
            yield batch.filter(pc.not_equal(batch["split"], "train"))

    @cached_property
    def _names(self) -> tuple[frozenset[str], frozenset[str]]:
        """Ids and works that are held out."""
        ids: set[str] = set()
        works: set[str] = set()
        for batch in self._rows():
            ids.update(batch["id"].to_pylist())
            works.update(batch["work"].to_pylist())
        return frozenset(ids), frozenset(works)

    def _texts(self) -> Iterator[str]:
        for split in HELD_OUT:
            for domain in self.domains:
                shard = self._corpus.shard(split, domain)
                for begin, end in zip(shard.starts[:-1], shard.starts[1:], strict=True):
                    # The first token opens the document.
                    yield self._corpus.tokenizer.decode(shard.tokens[begin + 1 : end].tolist())

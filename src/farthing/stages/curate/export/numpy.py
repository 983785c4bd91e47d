"""A corpus as flat arrays for `numpy.memmap`, as OLMo-core and Dolma have it.

    SPLIT-DOMAIN.npy      the tokens of all documents, each closed by `end_of_text`; little-endian
                          uint16 or uint32 without a header, whatever the name says
    SPLIT-DOMAIN.csv.gz   start, end (in tokens), id, source, record: one line a document

Only the `.npy` files are mapped; whoever reads them states the type, which `dtype.txt` names.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from pathlib import Path

from farthing.artifacts.storage import disk_errors, staged_directory
from farthing.errors import CorpusError
from farthing.stages.curate.export.shifted import closed_documents
from farthing.text.corpus import SPLITS, TOKENIZER_NAME, Corpus
from farthing.text.provenance import DocumentRecord, Split


def export_numpy(corpus: Corpus, directory: Path) -> list[Path]:
    """Write every shard of `corpus`, and its tokenizer, into `directory`.

    Args:
        corpus: what to write.
        directory: appears when everything is written; it may not be there yet.

    Returns:
        The `.npy` files.

    Raises:
        CorpusError: `directory` is already there.
        WorkspaceError: the disk is full or not writable.
    """
    if directory.exists():
        raise CorpusError(f"{directory} is already there", remedy="name a folder that is not")
    names = []
    with disk_errors(directory), staged_directory(directory) as staged:
        for split in SPLITS:
            for domain in corpus.domains:
                stem = f"{split}-{domain}"
                _write_tokens(corpus, split, domain, staged / f"{stem}.npy")
                _write_metadata(corpus, split, domain, staged / f"{stem}.csv.gz")
                names.append(f"{stem}.npy")
        dtype = corpus.shard(SPLITS[0], corpus.domains[0]).tokens.dtype
        (staged / "dtype.txt").write_text(f"{dtype.name}\n", encoding="utf-8")
        (staged / TOKENIZER_NAME).write_text(corpus.tokenizer.export_json(), encoding="utf-8")
    return [directory / name for name in names]


def _write_tokens(corpus: Corpus, split: Split, domain: str, path: Path) -> None:
    shard = corpus.shard(split, domain)
    with path.open("wb") as file:
        for tokens in closed_documents(shard, corpus.tokenizer.end_of_text, shard.tokens.dtype):
            file.write(tokens.tobytes())


def _write_metadata(corpus: Corpus, split: Split, domain: str, path: Path) -> None:
    starts = corpus.shard(split, domain).starts.tolist()
    # No name and no time in the header of gzip: the same corpus, the same bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
    ):
        records = corpus.documents(split, domain)
        csv.writer(text).writerows(_rows(starts, records))


def _rows(starts: list[int], records: Iterator[DocumentRecord]) -> Iterator[tuple[object, ...]]:
    for number, record in enumerate(records):
        yield starts[number], starts[number + 1], record.id, record.source, record.record

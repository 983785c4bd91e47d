r"""A corpus as Megatron's indexed datasets: SPLIT-DOMAIN.bin and SPLIT-DOMAIN.idx.

`.bin` holds the tokens of all documents, each closed by `end_of_text`. `.idx`, little-endian (see
`_IndexWriter` in megatron/core/datasets/indexed_dataset.py):

    9 bytes   MMIDIDX\0\0
    uint64    1, the version
    uint8     8 for uint16 tokens, 4 for int32
    uint64    sequences
    uint64    documents + 1
    int32     tokens of each sequence
    int64     where each begins in `.bin`, in bytes
    int64     the sequence at which each document begins, and the number of sequences

A sequence is a whole document here.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from farthing.artifacts.storage import disk_errors, staged_directory
from farthing.errors import CorpusError
from farthing.stages.curate.export.shifted import closed_documents
from farthing.text.corpus import SPLITS, TOKENIZER_NAME, Corpus
from farthing.text.shards import TokenShard

_MAGIC = b"MMIDIDX\x00\x00"
_VERSION = 1
# Megatron knows no unsigned type of four bytes.
_CODES = {np.dtype("<u2"): 8, np.dtype("<i4"): 4}


def export_megatron(corpus: Corpus, directory: Path) -> list[Path]:
    """Write every shard of `corpus`, and its tokenizer, into `directory`.

    Args:
        corpus: what to write.
        directory: appears when everything is written; it may not be there yet.

    Returns:
        The `.bin` files.

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
                stem = staged / f"{split}-{domain}"
                _write(corpus.shard(split, domain), corpus.tokenizer.end_of_text, stem)
                names.append(f"{stem.name}.bin")
        (staged / TOKENIZER_NAME).write_text(corpus.tokenizer.export_json(), encoding="utf-8")
    return [directory / name for name in names]


def _write(shard: TokenShard, end_of_text: int, stem: Path) -> None:
    dtype = np.dtype("<u2") if shard.tokens.dtype == np.dtype("<u2") else np.dtype("<i4")
    with stem.with_name(f"{stem.name}.bin").open("wb") as file:
        for tokens in closed_documents(shard, end_of_text, dtype):
            file.write(tokens.tobytes())
    documents = shard.num_documents
    with stem.with_name(f"{stem.name}.idx").open("wb") as file:
        file.write(_MAGIC)
        file.write(struct.pack("<QBQQ", _VERSION, _CODES[dtype], documents, documents + 1))
        file.write(np.diff(shard.starts).astype("<i4").tobytes())
        file.write((shard.starts[:-1] * dtype.itemsize).astype("<i8").tobytes())
        file.write(np.arange(documents + 1, dtype="<i8").tobytes())

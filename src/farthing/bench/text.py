"""Real tokens to measure with: a slice of the embedded sample, encoded as the recipe would.

The same slice for everybody, so that two machines compare; a user's own corpus is never needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.documents.batch import large_strings
from farthing.documents.readers.read import read_documents
from farthing.documents.record import Document
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.encode import EncodedPiece, encode_piece, join_pieces
from farthing.text.corpus import KIND, Corpus
from farthing.text.sample import sample_file
from farthing.text.tokenizer import byte_vocabulary, train_bpe

DESCRIPTION = "a slice of the embedded sample"

_DOMAIN_BYTES = 300_000
_WINDOWS = 64


def sample_corpus(config: CurateConfig, context: int, directory: Path) -> Corpus:
    """A corpus for measuring in `directory`, thrown away afterwards; all of it is training text.

    Args:
        config: of the recipe: which tokenizer. Its sources are not read.
        context: tokens of a window: long ones need more text.
        directory: appears only when the corpus is whole.
    """
    limit = max(_DOMAIN_BYTES, _WINDOWS * context)
    documents = list(_slice(limit))
    tokenizer = (
        byte_vocabulary()
        if config.tokenizer == "bytes"
        else train_bpe((document.text for document in documents), config.vocab_size)
    )
    domains = tuple(sorted({document.domain for document in documents}))
    with TemporaryDirectory() as made, staged_directory(directory) as staged:
        piece = EncodedPiece(Path(made))
        encode_piece([_batch(documents)], tokenizer, piece.directory)
        tokenizer.save(staged)
        counts = join_pieces([piece], tokenizer, staged, domains)
        detail = {
            "domains": list(domains),
            **counts,
            "tokenizer": {"fingerprint": tokenizer.fingerprint},
        }
        write_manifest(staged, kind=KIND, input_key="", detail=detail)
    return Corpus.open(directory, verify=False)


def vocabulary(config: CurateConfig, corpus: Corpus) -> int:
    """Rows of the recipe's embedding: the slice may be too short to learn all of a vocabulary."""
    return corpus.vocab_size if config.tokenizer == "bytes" else config.vocab_size


def _batch(documents: Sequence[Document]) -> pa.RecordBatch:
    names = ("id", "source", "licence", "language", "domain", "work")
    columns = {name: pa.array([getattr(each, name) for each in documents]) for name in names}
    columns["split"] = pa.array(["train"] * len(documents))
    columns["text"] = large_strings([each.text for each in documents])
    return pa.RecordBatch.from_pydict(columns)


def _slice(limit: int) -> Iterator[Document]:
    """The first documents of each domain, up to about `limit` bytes of it."""
    taken: Counter[str] = Counter()
    for document in read_documents([sample_file("train")]):
        if taken[document.domain] < limit:
            taken[document.domain] += document.size
            yield document

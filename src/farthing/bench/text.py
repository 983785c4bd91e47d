"""Real tokens to measure with: a slice of the embedded sample, encoded as the recipe would.

The same slice for everybody, so that two machines compare; a user's own corpus is never needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.encode import Placed, encode_documents
from farthing.text.corpus import KIND, Corpus
from farthing.text.document import read_documents
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
        else train_bpe((document.text for document, _ in documents), config.vocab_size)
    )
    domains = tuple(sorted({document.domain for document, _ in documents}))
    with staged_directory(directory) as staged:
        tokenizer.save(staged)
        counts = encode_documents(documents, tokenizer, staged, domains)
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


def _slice(limit: int) -> Iterator[Placed]:
    """The first documents of each domain, up to about `limit` bytes of it."""
    taken: Counter[str] = Counter()
    for document in read_documents([sample_file("train")]):
        if taken[document.domain] < limit:
            taken[document.domain] += document.size
            yield document, "train"

"""Curate: raw documents in, a tokenised corpus with provenance out.

The sources are read several times instead of being held in memory: to measure and split, to
collect the held-out text, to find what training may keep, to learn the tokenizer, to encode.
Only the held-out text and one short record per document stay in memory.
"""

from __future__ import annotations

from pathlib import Path

from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.encode import encode_documents
from farthing.stages.curate.select import Selection, select
from farthing.stages.curate.sources import Report, Sources
from farthing.text.corpus import KIND, Corpus
from farthing.text.tokenizer import Tokenizer, byte_vocabulary, train_bpe


def curate(
    config: CurateConfig, directory: Path, input_key: str, report: Report | None = None
) -> Corpus:
    """Make a corpus in `directory`.

    Args:
        config: what to read and how to cut it.
        directory: appears only when the corpus is whole.
        input_key: identity of the settings, sources and code, kept in the manifest.
        report: called with a phase and the share of it that is done, 0 to 1.

    Raises:
        CorpusError: text that is missing, empty, malformed or not UTF-8, or too little to split.
        WorkspaceError: the disk is full or not writable.
    """
    sources = Sources(config, report)
    selection = select(config, sources)
    tokenizer = _make_tokenizer(config, sources, selection)
    with staged_directory(directory) as staged:
        tokenizer.save(staged)
        documents = selection.kept(sources, "encoding")
        counts = encode_documents(documents, tokenizer, staged, selection.domains)
        detail = {
            "domains": list(selection.domains),
            **counts,
            "dropped": dict(sorted(selection.dropped.items())),
            "tokenizer": {
                "kind": config.tokenizer,
                "fingerprint": tokenizer.fingerprint,
                "vocab_size": tokenizer.vocab_size,
            },
        }
        write_manifest(staged, kind=KIND, input_key=input_key, detail=detail)
    return Corpus.open(directory, verify=False)


def _make_tokenizer(config: CurateConfig, sources: Sources, selection: Selection) -> Tokenizer:
    if config.tokenizer == "bytes":
        return byte_vocabulary()
    # Held-out text stays unseen: a vocabulary fitted to it would lower its bits per byte.
    kept = selection.kept(sources, "learning the tokenizer")
    return train_bpe((doc.text for doc, side in kept if side == "train"), config.vocab_size)

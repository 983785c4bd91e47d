"""Kept documents -> token shards, provenance and counts, a few megabytes at a time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from farthing.text.corpus import DOCUMENTS_NAME, SPLITS, DocumentRecord, Split
from farthing.text.document import Document
from farthing.text.shards import ShardWriter
from farthing.text.tokenizer import Tokenizer

# Enough for every core to have documents of its own, little enough to stay out of the way.
_BATCH_CHARACTERS = 1 << 21

Placed = tuple[Document, Split]


def encode_documents(
    documents: Iterable[Placed], tokenizer: Tokenizer, directory: Path, domains: tuple[str, ...]
) -> dict[str, Any]:
    """Write `documents` as shards and `documents.jsonl` under `directory`.

    Returns:
        "splits": side -> domain -> bytes, tokens and documents; "licences": licence -> bytes.
    """
    counts = {
        side: {domain: {"bytes": 0, "tokens": 0, "documents": 0} for domain in domains}
        for side in SPLITS
    }
    licences: Counter[str] = Counter()
    with ExitStack() as stack:
        writers = {
            (side, domain): stack.enter_context(
                ShardWriter(
                    directory / side / domain,
                    end_of_text=tokenizer.end_of_text,
                    vocab_size=tokenizer.vocab_size,
                )
            )
            for side in SPLITS
            for domain in domains
        }
        provenance = stack.enter_context(
            (directory / DOCUMENTS_NAME).open("w", encoding="utf-8", newline="\n")
        )
        for document, side, tokens in _encode(documents, tokenizer):
            size = document.size
            writers[side, document.domain].add(tokens, size)
            record = _record(document, side, size, len(tokens) + 1)
            provenance.write(json.dumps(record.model_dump(), ensure_ascii=False) + "\n")
            count = counts[side][document.domain]
            count["bytes"] += record.bytes
            count["tokens"] += record.tokens
            count["documents"] += 1
            licences[document.licence] += size
    return {"splits": counts, "licences": dict(sorted(licences.items()))}


def _encode(
    documents: Iterable[Placed], tokenizer: Tokenizer
) -> Iterator[tuple[Document, Split, list[int]]]:
    for batch in _batches(documents):
        encoded = tokenizer.encode_batch([document.text for document, _ in batch])
        for (document, side), tokens in zip(batch, encoded, strict=True):
            yield document, side, tokens


def _batches(documents: Iterable[Placed]) -> Iterator[list[Placed]]:
    batch: list[Placed] = []
    characters = 0
    for placed in documents:
        batch.append(placed)
        characters += len(placed[0].text)
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _record(document: Document, side: Split, size: int, tokens: int) -> DocumentRecord:
    """Provenance; `tokens` counts the `end_of_text` that opens the document."""
    return DocumentRecord(
        id=document.id,
        source=document.source,
        licence=document.licence,
        language=document.language,
        domain=document.domain,
        work=document.work,
        split=side,
        bytes=size,
        tokens=tokens,
    )

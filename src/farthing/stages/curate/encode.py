"""Kept documents -> token shards and provenance: piece by piece, then the pieces as one corpus.

    PIECE/SIDE/DOMAIN/       token shards of one piece of work
    PIECE/documents.parquet  its rows, in its own order

A piece is encoded by whoever has it; joining copies bytes in the order of the pieces. So the corpus
is the same however many processes there were.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from farthing.documents.batch import text_bytes
from farthing.text.bpe import TokenBatch
from farthing.text.chain import ChainWriter, Stretch
from farthing.text.order import lost_tokens
from farthing.text.provenance import (
    SPLITS,
    DocumentsWriter,
    document_batches,
    write_sources,
)
from farthing.text.shards import ShardWriter, TokenShard
from farthing.text.tokenizer import Tokenizer

# What is lost at the ends of shards is stated for windows of this many tokens.
PACKING_CONTEXT = 1024


@dataclass(frozen=True)
class EncodedPiece:
    """A piece that was encoded.

    Attributes:
        directory: with its shards and rows.
        inputs: name of what it was made from -> SHA-256, for the chain.
    """

    directory: Path
    inputs: Mapping[str, str] = field(default_factory=dict)


def encode_piece(batches: Iterable[pa.RecordBatch], tokenizer: Tokenizer, directory: Path) -> None:
    """Write the shards and the rows of one piece under `directory`.

    Args:
        batches: of `text` (large_string), `split`, and the columns of DOCUMENTS_SCHEMA but bytes
            and tokens, which are counted here; `digest` is computed where it is not there.
        tokenizer: of the corpus.
        directory: a folder of this piece alone.
    """
    with ExitStack() as stack:
        rows = stack.enter_context(DocumentsWriter(directory))
        writers: dict[str, ShardWriter] = {}
        for batch in batches:
            data, offsets = text_bytes(batch["text"])
            encoded = tokenizer.encode_flat(data, offsets)
            sizes = np.diff(offsets)
            for name, chosen in _groups(batch):
                if name not in writers:
                    writers[name] = stack.enter_context(_writer(directory / name, tokenizer))
                part = _taken(encoded, chosen)
                writers[name].add_flat(part.ids, part.starts, sizes[chosen])
            rows.add(_with_counts(batch, data, offsets, np.diff(encoded.starts) + 1))


def join_pieces(
    pieces: Sequence[EncodedPiece],
    tokenizer: Tokenizer,
    directory: Path,
    domains: Sequence[str],
    sources: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Make one corpus of the pieces: shards, documents.parquet, sources.parquet, pieces.jsonl.

    Args:
        pieces: in the order of the input.
        tokenizer: that they were encoded with.
        directory: of the corpus.
        domains: of the corpus; each gets a shard on every side, be it empty.
        sources: `file`, `name`, `bytes` and `sha256` of every file that was read.

    Returns:
        What the manifest says of it: "splits", side -> domain -> bytes, tokens and documents;
        "licences", licence -> bytes; "pieces", their number and the head of the chain; "packing",
        the tokens that an epoch of windows leaves out.
    """
    names = [f"{side}/{domain}" for side in SPLITS for domain in domains]
    totals: dict[str, Counter[str]] = {name: Counter() for name in names}
    tally = _Tally()
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(_writer(directory / name, tokenizer)) for name in names
        }
        rows = stack.enter_context(DocumentsWriter(directory))
        chain = stack.enter_context(ChainWriter(directory))
        for piece in pieces:
            outputs = {}
            for name in names:
                if (piece.directory / name).exists():
                    shard = TokenShard.open(piece.directory / name)
                    digest = writers[name].append(shard)
                    totals[name].update(_amounts(shard))
                    outputs[name] = Stretch(
                        documents=shard.num_documents, tokens=len(shard.tokens), sha256=digest
                    )
            chain.add(piece.inputs, outputs)
            for batch in document_batches(piece.directory):
                rows.add(batch)
                tally.add(batch)
    write_sources(directory, (tally.source_row(source) for source in sources))
    empty = {"bytes": 0, "tokens": 0, "documents": 0}
    return {
        "splits": {
            side: {domain: {**empty, **totals[f"{side}/{domain}"]} for domain in domains}
            for side in SPLITS
        },
        "licences": dict(sorted(tally.licences.items())),
        "pieces": {"count": len(pieces), "head": chain.head},
        "packing": packing({domain: totals[f"train/{domain}"]["tokens"] for domain in domains}),
    }


def packing(lengths: Mapping[str, int], context: int = PACKING_CONTEXT) -> dict[str, Any]:
    """What an epoch of windows leaves out at the ends of shards.

    Args:
        lengths: training tokens by domain.
        context: targets of a window.

    Returns:
        "context"; "lost_tokens", domain -> tokens that are no target; "share" of all tokens.
    """
    lost = {domain: lost_tokens(length, context) for domain, length in lengths.items()}
    whole = sum(lengths.values())
    return {
        "context": context,
        "lost_tokens": lost,
        "share": round(sum(lost.values()) / whole, 6) if whole else 0.0,
    }


class _Tally:
    """Bytes by licence, and what each source file gave."""

    def __init__(self) -> None:
        self.licences: Counter[str] = Counter()
        self._documents: Counter[int] = Counter()
        self._licences_of: defaultdict[int, set[str]] = defaultdict(set)

    def add(self, batch: pa.RecordBatch) -> None:
        """Count the rows of a batch of `documents.parquet`."""
        table = pa.Table.from_batches([batch])
        grouped = table.group_by(["licence", "file"]).aggregate(
            [("bytes", "sum"), ([], "count_all")]
        )
        for row in grouped.to_pylist():
            self.licences[row["licence"]] += row["bytes_sum"]
            if row["file"] is not None:
                self._documents[row["file"]] += row["count_all"]
                self._licences_of[row["file"]].add(row["licence"])

    def source_row(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """A row of `sources.parquet`."""
        number = source["file"]
        return {
            **source,
            "documents": self._documents[number],
            "licences": sorted(self._licences_of[number]),
        }


def _writer(directory: Path, tokenizer: Tokenizer) -> ShardWriter:
    return ShardWriter(
        directory, end_of_text=tokenizer.end_of_text, vocab_size=tokenizer.vocab_size
    )


def _amounts(shard: TokenShard) -> dict[str, int]:
    return {
        "bytes": int(shard.byte_counts.sum()),
        "tokens": len(shard.tokens),
        "documents": shard.num_documents,
    }


def _groups(batch: pa.RecordBatch) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """SIDE/DOMAIN -> the rows of a batch that belong there, by name."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    pairs = zip(batch["split"].to_pylist(), batch["domain"].to_pylist(), strict=True)
    for number, (side, domain) in enumerate(pairs):
        rows[f"{side}/{domain}"].append(number)
    for name in sorted(rows):
        yield name, np.array(rows[name], dtype=np.int64)


def _taken(encoded: TokenBatch, chosen: npt.NDArray[np.int64]) -> TokenBatch:
    """Some of the texts of a batch."""
    if len(chosen) == len(encoded.starts) - 1:
        return encoded
    starts = np.zeros(len(chosen) + 1, dtype=np.int64)
    np.cumsum(np.diff(encoded.starts)[chosen], out=starts[1:])
    # Most texts of a batch are training text of one domain: long runs, each copied at once.
    runs = np.split(chosen, np.flatnonzero(np.diff(chosen) != 1) + 1)
    ids = [encoded.ids[encoded.starts[run[0]] : encoded.starts[run[-1] + 1]] for run in runs]
    return TokenBatch(np.concatenate(ids), starts)


def _with_counts(
    batch: pa.RecordBatch,
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    tokens: npt.NDArray[np.int64],
) -> pa.RecordBatch:
    """A batch with what is known once it is encoded, in place of its text."""
    columns = {name: batch[name] for name in batch.schema.names if name != "text"}
    columns["bytes"] = pa.array(np.diff(offsets))
    columns["tokens"] = pa.array(tokens)
    if "digest" not in columns:
        bounds = offsets.tolist()
        columns["digest"] = pa.array(
            [
                hashlib.sha256(data[bounds[d] : bounds[d + 1]].data).hexdigest()
                for d in range(len(bounds) - 1)
            ],
            pa.string(),
        )
    return pa.RecordBatch.from_pydict(columns)

"""Measuring: each document is read, masked and put into numbers; nothing is decided here."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from farthing.documents.batch import SCHEMA, UNDETERMINED, text_bytes
from farthing.documents.language.identify import LANGUAGES, identify
from farthing.documents.measure import measure
from farthing.documents.readers.options import Reading
from farthing.documents.readers.piece import Piece
from farthing.documents.readers.read import read_piece
from farthing.documents.refusals import Refusals
from farthing.execution.work import Laps
from farthing.kernels.line_hashes import line_sets
from farthing.kernels.words import Words, split_words
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.hits import gram_hits
from farthing.stages.curate.contamination.index import ItemIndex
from farthing.stages.curate.duplicates.exact import text_digests
from farthing.stages.curate.duplicates.passages import passages
from farthing.stages.curate.duplicates.sketch import sketch
from farthing.stages.curate.equations import as_word_problems
from farthing.stages.curate.phases.columns import ColumnsWriter
from farthing.stages.curate.privacy.mask import mask, wanted_kinds
from farthing.stages.curate.profiles import RuleBook, build_rules, choose_profiles
from farthing.stages.curate.rules import judge

_LANGUAGE_NAMES = pa.array(LANGUAGES)


@dataclass(frozen=True)
class Measuring:
    """What the measuring of any piece needs to know.

    Attributes:
        config: the settings of the corpus.
        reading: how records are read.
        given: numbers of the files whose documents have their side of the split already; their
            texts are left as they are.
        index: the evaluation items that are looked for; None for none.
    """

    config: CurateConfig
    reading: Reading
    given: frozenset[int]
    index: ItemIndex | None


def measure_piece(piece: Piece, directory: Path, context: Measuring, laps: Laps) -> dict[str, Any]:
    """Measure the documents of a piece into `directory`.

    Returns:
        "refusals", and how many documents fail each rule of the book, in its order.

    Raises:
        CorpusError: as `read_piece`.
    """
    refusals = Refusals()
    book = build_rules(context.config.rules)
    writer = ColumnsWriter(directory, SCHEMA)
    failures = np.zeros(len(book.reasons), dtype=np.int64)
    for batch in read_piece(piece, context.reading, refusals):
        laps("read")
        failures += _measure_batch(batch, writer, book, context, laps)
    laps("read")
    writer.close()
    laps("write")
    return {"refusals": refusals.to_json(), "rule_failures": failures.tolist()}


def _measure_batch(
    batch: pa.RecordBatch, writer: ColumnsWriter, book: RuleBook, context: Measuring, laps: Laps
) -> npt.NDArray[np.int64]:
    config = context.config
    texts = batch.column("text")
    read_bytes = np.diff(text_bytes(texts)[1])
    languages, confidence = identify(*text_bytes(texts))
    origin = (batch.column("source"), batch.column("domain"))
    profiles = choose_profiles(book, _LANGUAGE_NAMES.take(pa.array(languages)), *origin)
    if config.languages.as_domain:
        batch = _with_domains(batch, languages)
    laps("language")
    # The last row is for documents without a profile: -1 is its place too.
    wanted = wanted_kinds(config.privacy, [*book.profiles, ""], profiles)
    if not config.reaches("filtered"):
        wanted[:] = False
    wanted[np.isin(batch.column("file").to_numpy(), list(context.given))] = False
    texts, masks = mask(texts, wanted)
    data, offsets = text_bytes(texts)
    batch = batch.set_column(batch.schema.get_field_index("text"), SCHEMA.field("text"), texts)
    laps("mask")
    words = split_words(data, offsets)
    if config.rules.word_problems:
        # Only the rules: numbers in such text are masked as in other English.
        told = as_word_problems(languages, data, offsets, words)
        profiles = choose_profiles(book, _LANGUAGE_NAMES.take(pa.array(told)), *origin)
    judgement = judge(book, profiles, measure(texts, words))
    laps("rules")
    columns = {
        "read_bytes": read_bytes,
        "bytes": np.diff(offsets),
        "language": languages,
        "confidence": confidence,
        "profile": profiles,
        "masks": masks,
        "rule": judgement.first,
        "id": _digests(batch.column("id").to_pylist()),
        "text": text_digests(data, offsets),
    }
    laps("exact")
    if config.duplicates.near:
        found = sketch(words, bands=config.duplicates.bands, rows=config.duplicates.rows)
        columns |= {"bands": found.keys, "low_bytes": found.low_bytes}
        laps("near")
    writer.add(batch, columns)
    laps("write")
    _add_ragged(data, offsets, words, writer, context, laps)
    return judgement.failures


def _with_domains(batch: pa.RecordBatch, languages: npt.NDArray[np.int8]) -> pa.RecordBatch:
    """The batch with the language of the text as the domain of documents that name none."""
    stated = batch.column("domain")
    unnamed = pc.or_(pc.equal(stated, batch.column("language")), pc.equal(stated, UNDETERMINED))
    domains = pc.if_else(unnamed, _LANGUAGE_NAMES.take(pa.array(languages)), stated)
    return batch.set_column(batch.schema.get_field_index("domain"), SCHEMA.field("domain"), domains)


def _add_ragged(
    data: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    words: Words,
    writer: ColumnsWriter,
    context: Measuring,
    laps: Laps,
) -> None:
    duplicates = context.config.duplicates
    if context.index is not None:
        hits = gram_hits(words, context.index)
        writer.add_ragged("grams", hits.grams, hits.ends)
        laps("contamination")
    if duplicates.lines:
        writer.add_ragged("lines", *line_sets(data, offsets, duplicates.line_bytes))
        laps("lines")
    if duplicates.pieces:
        found = passages(words)
        writer.add_ragged("passages", found.keys, found.ends)
        laps("lines")


def _digests(names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """128 bits of each name, uint64 (names, 2)."""
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=16).digest() for name in names)
    return np.frombuffer(digests, dtype="<u8").reshape(-1, 2)

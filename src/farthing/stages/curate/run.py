"""Curate: raw documents in, a tokenised corpus with its trail out.

    measure    (map)     read, mask, and put every document into numbers
    decide               licence, language, rules, duplicates, contamination, quality, split
    finish     (map)     repeated lines go, repeats of held-out text go, words are counted
    tokenizer
    encode     (map)     token shards and provenance
    join                 one corpus, in the order of the input

Measuring decides nothing, and deciding reads only the texts that it must. The maps run over
pieces that the input alone cuts, in any number of processes; finished pieces stay until the
corpus is whole, so whoever is interrupted goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.curation import Mixture
from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.artifacts.trail import Trail, write_trail
from farthing.documents.readers.cut import cut
from farthing.documents.readers.piece import Piece
from farthing.execution.run import Report
from farthing.execution.work import PieceResult
from farthing.execution.workers import Workers
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.index import ItemIndex, build_index
from farthing.stages.curate.contamination.items import EvalItem
from farthing.stages.curate.encode import EncodedPiece, join_pieces
from farthing.stages.curate.mixture import describe_mixture, make_mixture
from farthing.stages.curate.phases.borrowed import Borrowed
from farthing.stages.curate.phases.decide import Decided, decide
from farthing.stages.curate.phases.decisions import added
from farthing.stages.curate.phases.maps import Maps
from farthing.stages.curate.phases.rejected import write_refused, write_rejected
from farthing.stages.curate.phases.tokenizer import make_tokenizer
from farthing.stages.curate.phases.trail import Outcome, make_trail
from farthing.stages.curate.quality.by_model import Scorer
from farthing.stages.curate.sources import Sources, find_sources
from farthing.text.corpus import KIND, Corpus


@dataclass(frozen=True)
class Curated:
    """What a run of curation made.

    Attributes:
        corpus: opened.
        trail: what it says about how it was made.
        cpu_seconds: of this run by step; what an interrupted run before it had finished is not in
            them.
    """

    corpus: Corpus
    trail: Trail
    cpu_seconds: dict[str, float]


def curate(
    config: CurateConfig,
    directory: Path,
    input_key: str,
    report: Report | None = None,
    *,
    items: Sequence[EvalItem] = (),
    scorer: Scorer | None = None,
) -> Curated:
    """Make a corpus in `directory`.

    Args:
        config: what to read and what to do with it.
        directory: appears only when the corpus is whole; until then the work stands beside it.
        input_key: identity of the settings, sources and code, kept in the manifest.
        report: called with a phase and the share of it that is done, 0 to 1.
        items: evaluation items that training text is cleared of.
        scorer: bits per byte by a model, where the settings ask for it.

    Raises:
        CorpusError: text that is missing, empty, malformed or too little to split; finished pieces
            are kept.
        WorkspaceError: the disk is full or not writable, or workers were killed.
        InterruptedRunError: finished pieces are kept.
    """
    sources = find_sources(config)
    pieces = cut(sources.files, config.reading.piece_bytes)
    index = _index(items, config)
    folder = work_folder(directory)
    borrowed = Borrowed.open(config)
    with Workers(config.workers) as workers:
        maps = Maps(config, pieces, folder, workers, report)
        columns, refusals = maps.measure(sources, index)
        decided = decide(columns, config, sources.given, index, scorer, refusals, borrowed)
        finished = maps.finish(columns, decided)
        tokenizer = make_tokenizer(config, finished, borrowed)
        encoded = maps.encode(columns, decided, finished, tokenizer)
    outcome = Outcome(columns, decided, refusals, index)
    with staged_directory(directory) as staged:
        parts = _parts(pieces, encoded)
        if borrowed is not None:
            parts.append(borrowed.write_piece(folder / "borrowed"))
        detail = join_pieces(parts, tokenizer, staged, decided.names, _described(sources))
        tokenizer.save(staged)
        trail, told = _write_trail(config, outcome, detail, staged)
        detail |= told | {
            "tokenizer": {
                "kind": config.tokenizer,
                "fingerprint": tokenizer.fingerprint,
                "vocab_size": tokenizer.vocab_size,
            },
        }
        write_manifest(staged, kind=KIND, input_key=input_key, detail=detail)
    shutil.rmtree(folder)
    corpus = Corpus.open(directory, verify=False)
    return Curated(corpus, trail, added(maps.cpu_seconds, decided.decisions.cpu_seconds))


def measure_shard(
    config: CurateConfig,
    directory: Path,
    shard: tuple[int, int],
    report: Report | None = None,
    *,
    items: Sequence[EvalItem] = (),
) -> int:
    """Measure only the pieces of shard (i, N), for a later `curate` in the same place.

    Returns:
        How many pieces they are.

    Raises:
        ConfigError: there is no such shard.
        CorpusError, WorkspaceError, InterruptedRunError: as `curate`.
    """
    sources = find_sources(config)
    pieces = cut(sources.files, config.reading.piece_bytes)
    index = _index(items, config)
    with Workers(config.workers) as workers:
        maps = Maps(config, pieces, work_folder(directory), workers, report)
        return maps.measure_shard(sources, index, shard)


def work_folder(directory: Path) -> Path:
    """Where finished pieces stand until the corpus `directory` is whole."""
    return directory.with_name(f".{directory.name}.work")


def _index(items: Sequence[EvalItem], config: CurateConfig) -> ItemIndex | None:
    return build_index(items) if items and config.reaches("scored") else None


def _write_trail(
    config: CurateConfig, outcome: Outcome, detail: dict[str, Any], directory: Path
) -> tuple[Trail, dict[str, Any]]:
    """Write how the text was made; returns the trail, and what the manifest says of it."""
    decided = outcome.decided
    mixture = _mixture(config, decided, detail)
    trail = make_trail(outcome, tokens=_tokens(detail), mixture=mixture)
    write_trail(directory, trail)
    write_refused(outcome.refusals, directory)
    if config.keep_rejected:
        write_rejected(outcome.columns, decided.decisions, directory)
    told = {
        "domains": list(decided.names),
        "dropped": decided.decisions.by_reason(),
        "flagged": dict(sorted(decided.decisions.flagged.items())),
        "refused": outcome.refusals.by_reason(),
        "quality": None if decided.scores is None else decided.scores.detail,
    }
    if decided.borrowed is not None or decided.streams is not None:
        told["held_out_domains"] = list(decided.held_out_domains)
    if decided.streams is not None:
        told["streams"] = decided.streams.to_json()
    if mixture is not None:
        told |= describe_mixture(config.mixture, mixture)
    return trail, told


def _parts(pieces: Sequence[Piece], encoded: Sequence[PieceResult]) -> list[EncodedPiece]:
    return [
        EncodedPiece(result.directory, {span.file.name: span.file.sha256 for span in piece.spans})
        for piece, result in zip(pieces, encoded, strict=True)
    ]


def _described(sources: Sources) -> list[dict[str, Any]]:
    return [
        {"file": file.number, "name": file.name, "bytes": file.size, "sha256": file.sha256}
        for file in sources.files
    ]


def _mixture(config: CurateConfig, decided: Decided, detail: dict[str, Any]) -> Mixture | None:
    if not config.reaches("mixed"):
        return None
    domains = {} if decided.streams is None else decided.streams.domains
    tokens = {name: count["tokens"] for name, count in detail["splits"]["train"].items()}
    return make_mixture(config.mixture, tokens, domains)


def _tokens(detail: dict[str, Any]) -> int:
    return sum(
        count["tokens"] for domains in detail["splits"].values() for count in domains.values()
    )

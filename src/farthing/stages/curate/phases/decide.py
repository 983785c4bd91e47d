"""Deciding: from what was measured to what becomes of each document, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from farthing.artifacts.canonical import digest_json, sha256_hex
from farthing.documents.refusals import Refusals
from farthing.errors import CorpusError
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.index import ItemIndex
from farthing.stages.curate.duplicates.clusters import Clusters
from farthing.stages.curate.near_duplicates import NearDuplicates
from farthing.stages.curate.phases import single
from farthing.stages.curate.phases.borrowed import Borrowed
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.contamination import FoundItem, drop_contaminated
from farthing.stages.curate.phases.decisions import Decisions
from farthing.stages.curate.phases.finish import FATES, FATES_NAME, SIZES_NAME
from farthing.stages.curate.phases.near import drop_duplicates
from farthing.stages.curate.phases.repeats import find_repeated_lines, find_repeated_passages
from farthing.stages.curate.phases.score import Scores, drop_by_quality, score_documents
from farthing.stages.curate.phases.sides import (
    TEST,
    check_domains,
    choose_sides,
    drop_repeats_in_dev,
    drop_tiny_domains,
)
from farthing.stages.curate.phases.streams import Streams, divide_by_quality
from farthing.stages.curate.quality.by_model import Scorer
from farthing.text.corpus import Split


@dataclass
class Decided:
    """What becomes of the documents, and what finishing needs to know of the others.

    Attributes:
        decisions: all so far.
        protected: bool (documents), those whose side was given.
        sides: int8 (documents), place in `SPLITS`; -1 for documents that are out.
        domains: of the corpus, sorted; known once it was finished.
        held_out: index of the text that is held out.
        lines: uint64, hashes of the lines that are taken out.
        scores: of quality; None where nobody asked.
        clusters: of duplicates; None where nobody looked.
        found: evaluation items in the text.
        borrowed: the corpus whose held-out text is taken over; None where it was drawn here.
        final_sizes: int64 (documents), bytes of the final text; known once it was finished.
        streams: how training text is divided by quality; None where it is not, or not yet.
    """

    decisions: Decisions
    protected: npt.NDArray[np.bool_]
    sides: npt.NDArray[np.int8]
    domains: tuple[str, ...]
    held_out: NearDuplicates
    lines: npt.NDArray[np.uint64]
    scores: Scores | None
    clusters: Clusters | None
    found: Sequence[FoundItem]
    final_sizes: npt.NDArray[np.int64]
    columns: Columns
    borrowed: Borrowed | None
    passages: Sequence[npt.NDArray[np.bool_]] = field(default_factory=tuple)
    streams: Streams | None = None

    @property
    def held_out_digest(self) -> str:
        """Of the documents that are held out: equal digests, equal index."""
        if self.borrowed is not None:
            return self.borrowed.digest
        held = self.decisions.kept & (self.sides >= 0) & (self.sides <= TEST)
        texts = self.columns.numbers("text")[held]
        return digest_json([sha256_hex(texts.tobytes()), sha256_hex(self.sides[held].tobytes())])

    @property
    def lines_digest(self) -> str:
        """Of the lines that are taken out."""
        return sha256_hex(self.lines.tobytes())

    def repeated_passages(self, number: int) -> npt.NDArray[np.bool_] | None:
        """Which passages of piece `number` stood before; None where nobody looked."""
        return self.passages[number] if self.passages else None

    @property
    def names(self) -> tuple[str, ...]:
        """Of all shards of the corpus, sorted: its domains and the streams of divided ones."""
        return tuple(sorted({*self.domains, *(self.streams.parts if self.streams else ())}))

    @property
    def held_out_domains(self) -> tuple[str, ...]:
        """Those that are scored."""
        return self.domains if self.borrowed is None else self.borrowed.domains

    def take_in(self, folders: Sequence[Path], config: CurateConfig) -> None:
        """Enter what finishing did, and divide what is left.

        Raises:
            CorpusError: a domain has nothing left on some side, or the name of a stream.
        """
        fates = np.concatenate([np.load(f / FATES_NAME, allow_pickle=False) for f in folders])
        sizes = np.concatenate([np.load(f / SIZES_NAME, allow_pickle=False) for f in folders])
        for code, (step, reason) in FATES.items():
            self.decisions.drop(step, reason, fates == code)
        self.final_sizes = np.where(self.sides >= 0, sizes, self.final_sizes)
        elsewhere = () if self.borrowed is None else self.borrowed.domains
        if self.borrowed is None:
            drop_tiny_domains(self.columns, self.decisions, self.final_sizes, self.sides)
        self.domains = check_domains(self.columns, self.decisions, self.sides, elsewhere)
        self.streams = divide_by_quality(
            self.columns, config, self.decisions, self.sides, self.final_sizes, self.scores
        )


def decide(
    columns: Columns,
    config: CurateConfig,
    given: Mapping[int, Split],
    index: ItemIndex | None,
    scorer: Scorer | None,
    refusals: Refusals,
    borrowed: Borrowed | None,
) -> Decided:
    """Take every decision that can be taken before texts are finished.

    Args:
        columns: of the measuring phase.
        config: the settings.
        given: number of a file -> the side of all its documents.
        index: of the evaluation items; None for none.
        scorer: where quality is scored by a model.
        refusals: of reading, to be named where nothing is left.
        borrowed: the corpus whose held-out text is taken over; None where it is drawn here.

    Raises:
        CorpusError: nothing is left, or too little to split.
    """
    if not len(columns):
        raise _no_text(refusals)
    protected = _protected(columns, given)
    decisions = Decisions(protected)
    _decide_single(columns, config, decisions)
    scores, clusters, found = None, None, []
    if config.reaches("scored"):
        scores = score_documents(columns, config, decisions, scorer)
    if config.reaches("deduplicated"):
        clusters = drop_duplicates(
            columns, config, decisions, None if scores is None else scores.of
        )
    if index is not None:
        found = drop_contaminated(columns, config, decisions, index)
    drop_by_quality(columns, config, decisions, scores)
    sizes = columns.numbers("bytes")
    with decisions.timed("split"):
        sides, held_out = _split(columns, config, decisions, given, borrowed)
    with decisions.timed("lines"):
        lines = find_repeated_lines(columns, config, decisions)
        passages = find_repeated_passages(columns, config, decisions)
    return Decided(
        decisions=decisions,
        protected=protected,
        sides=sides,
        domains=(),
        held_out=held_out,
        lines=lines,
        scores=scores,
        clusters=clusters,
        found=found,
        final_sizes=sizes,
        columns=columns,
        passages=passages,
        borrowed=borrowed,
    )


def _split(
    columns: Columns,
    config: CurateConfig,
    decisions: Decisions,
    given: Mapping[int, Split],
    borrowed: Borrowed | None,
) -> tuple[npt.NDArray[np.int8], NearDuplicates]:
    """The side of every document, -1 for those that are out, and the index of held-out text."""
    if borrowed is not None:
        sides = borrowed.keep_out(columns, decisions)
        check_domains(columns, decisions, sides, borrowed.domains)
        return sides, borrowed.index(config.near_duplicate_share)
    sizes = columns.numbers("bytes")
    drop_tiny_domains(columns, decisions, sizes)
    sides = choose_sides(columns, config, decisions, sizes, given)
    held_out = drop_repeats_in_dev(columns, config, decisions, sides)
    drop_tiny_domains(columns, decisions, sizes, sides)
    check_domains(columns, decisions, sides)
    sides[~decisions.kept] = -1
    return sides, held_out


def _decide_single(columns: Columns, config: CurateConfig, decisions: Decisions) -> None:
    with decisions.timed("read"):
        single.drop_repeated_ids(columns, decisions)
    with decisions.timed("licence"):
        single.drop_by_licence(columns, config, decisions)
    if config.reaches("filtered"):
        with decisions.timed("language"):
            single.drop_by_language(columns, config, decisions)
        with decisions.timed("rules"):
            single.drop_by_rules(columns, config, decisions)


def _protected(columns: Columns, given: Mapping[int, Split]) -> npt.NDArray[np.bool_]:
    files, names = columns.strings("file")
    return np.array([int(name) in given for name in names], dtype=np.bool_)[files]


def _no_text(refusals: Refusals) -> CorpusError:
    reasons = ", ".join(f"{reason} {count}" for reason, count in refusals.by_reason().items())
    listed = [one for ones in refusals.listed.values() for one in ones]
    return CorpusError(
        f"no text in the sources: {refusals.records.total()} records, all refused"
        + (f" ({reasons}); the first: {listed[0].what}" if listed else ""),
        remedy="name files with at least one document whose text is not blank",
    )

"""The three maps over the pieces: measure, finish, encode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.code_version import code_version
from farthing.documents.readers.piece import Piece
from farthing.documents.refusals import Refusals, check_share, merge_refusals
from farthing.execution.run import WHOLE, Report, run_pieces
from farthing.execution.work import PieceResult, PieceWork
from farthing.execution.workers import Workers
from farthing.stages.curate.config import CurateConfig
from farthing.stages.curate.contamination.index import ItemIndex
from farthing.stages.curate.contamination.items import items_digest
from farthing.stages.curate.near_duplicates import NearDuplicates
from farthing.stages.curate.phases.columns import Columns
from farthing.stages.curate.phases.decide import Decided
from farthing.stages.curate.phases.decisions import added
from farthing.stages.curate.phases.encode import Encoding, FinishedPiece, encode_finished
from farthing.stages.curate.phases.finish import Finishing, MeasuredPiece, finish_piece
from farthing.stages.curate.phases.ids import check_ids
from farthing.stages.curate.phases.measure import Measuring, measure_piece
from farthing.stages.curate.phases.sides import TRAIN
from farthing.stages.curate.phases.tokenizer import learned_from
from farthing.stages.curate.profiles import build_rules
from farthing.stages.curate.sources import Sources
from farthing.text.tokenizer import Tokenizer

# Rooms whose code decides what a piece is made into.
CODE = ("artifacts", "kernels", "documents", "execution", "text", "stages/curate")


class Maps:
    """The maps of one run, all over the same pieces."""

    def __init__(
        self,
        config: CurateConfig,
        pieces: Sequence[Piece],
        folder: Path,
        workers: Workers,
        report: Report | None,
    ) -> None:
        """Nothing is done yet.

        Args:
            config: the settings.
            pieces: of the input.
            folder: for finished pieces.
            workers: that do them.
            report: is told how far each map is.
        """
        self.cpu_seconds: dict[str, float] = {}
        self._config = config
        self._pieces = pieces
        self._folder = folder
        self._workers = workers
        self._report = report
        self._code = code_version(CODE)
        self._measured: Sequence[PieceResult] = ()

    def measure(self, sources: Sources, index: ItemIndex | None) -> tuple[Columns, Refusals]:
        """Put every document into numbers.

        Raises:
            CorpusError: a file has another schema than the settings say, or its ids are those of
                another file.
        """
        self._measured = self._run(self._measuring(sources, index), self._pieces)
        refusals = merge_refusals(result.counts["refusals"] for result in self._measured)
        check_share(refusals, sources.files, self._config.reading.most_refused)
        columns = Columns([result.directory for result in self._measured])
        check_ids(columns, sources.files, self._config.reading.most_refused)
        return columns, refusals

    def measure_shard(
        self, sources: Sources, index: ItemIndex | None, shard: tuple[int, int]
    ) -> int:
        """Only shard i of N; returns how many pieces it has."""
        return len(self._run(self._measuring(sources, index), self._pieces, shard))

    def finish(self, columns: Columns, decided: Decided) -> Sequence[PieceResult]:
        """Write the final texts; what goes on the way is entered into the decisions."""
        held_out = self._folder / "held_out"
        decided.held_out.save(held_out)
        # The copy on the disk does for this process too.
        decided.held_out = NearDuplicates.open(held_out, share=self._config.near_duplicate_share)
        context = Finishing(self._config, decided.lines, held_out)
        work = PieceWork(
            phase="finish",
            function=finish_piece,
            context=context,
            settings=[self._settings(), decided.held_out_digest, decided.lines_digest],
            code=self._code,
        )
        learned = _learned(columns, decided, self._config.tokenizer_bytes)
        pieces = [
            MeasuredPiece(
                number=number,
                folder=result.directory,
                digest=result.digest,
                first=columns.piece(number).start,
                sides=decided.sides[columns.piece(number)],
                protected=decided.protected[columns.piece(number)],
                learned=learned[columns.piece(number)],
                repeated=decided.repeated_passages(number),
            )
            for number, result in enumerate(self._measured)
        ]
        finished = self._run(work, pieces)
        decided.take_in([result.directory for result in finished], self._config)
        return finished

    def encode(
        self,
        columns: Columns,
        decided: Decided,
        finished: Sequence[PieceResult],
        tokenizer: Tokenizer,
    ) -> Sequence[PieceResult]:
        """Write token shards and provenance, piece by piece."""
        profiles = tuple(build_rules(self._config.rules).profiles)
        work = PieceWork(
            phase="encode",
            function=encode_finished,
            context=Encoding(tokenizer.json_text, profiles),
            settings=[tokenizer.fingerprint, list(profiles)],
            code=self._code,
        )
        quality = None if decided.scores is None else decided.scores.of
        clusters = None if decided.clusters is None else decided.clusters.clusters
        sizes = None if decided.clusters is None else decided.clusters.sizes
        buckets = None if decided.streams is None else decided.streams.buckets
        pieces = [
            FinishedPiece(
                number=number,
                measured=measured.directory,
                finished=result.directory,
                digest=digest_json([measured.digest, result.digest]),
                first=columns.piece(number).start,
                quality=_part(quality, columns, number),
                clusters=_part(clusters, columns, number),
                cluster_sizes=_part(sizes, columns, number),
                buckets=_part(buckets, columns, number),
            )
            for number, (measured, result) in enumerate(zip(self._measured, finished, strict=True))
        ]
        return self._run(work, pieces)

    def _measuring(self, sources: Sources, index: ItemIndex | None) -> PieceWork[Piece, Measuring]:
        context = Measuring(
            self._config, self._config.reading.reading(), frozenset(sources.given), index
        )
        return PieceWork(
            phase="measure",
            function=measure_piece,
            context=context,
            settings=[
                self._settings(),
                sorted(sources.given),
                None if index is None else items_digest(index.items),
            ],
            code=self._code,
        )

    def _settings(self) -> dict[str, Any]:
        """Settings that can change a piece; paths of sources are told by their digests."""
        unimportant = {"sources", "held_out_from", "keep_rejected", *self._config.harmless}
        return self._config.model_dump(mode="json", exclude=unimportant)

    def _run(
        self, work: PieceWork[Any, Any], pieces: Sequence[Any], shard: tuple[int, int] = WHOLE
    ) -> Sequence[PieceResult]:
        results = run_pieces(
            work, pieces, self._folder, self._workers, shard=shard, report=self._report
        )
        for result in results:
            if not result.reused:
                self.cpu_seconds = added(self.cpu_seconds, result.cpu_seconds)
        return results


def _learned(columns: Columns, decided: Decided, most_bytes: int) -> npt.NDArray[np.bool_]:
    """The training documents that the tokenizer learns from."""
    train = decided.sides == TRAIN
    learned = np.zeros(len(columns), dtype=np.bool_)
    learned[train] = learned_from(
        columns.numbers("id")[train, 0],
        columns.numbers("bytes")[train],
        columns.strings("domain")[0][train],
        most_bytes,
    )
    return learned


def _part(
    values: npt.NDArray[Any] | None, columns: Columns, number: int
) -> npt.NDArray[Any] | None:
    return None if values is None else np.ascontiguousarray(values[columns.piece(number)])

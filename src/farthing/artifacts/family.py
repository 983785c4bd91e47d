"""What a workspace knows about one family: all evaluations of a supernet, put together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from farthing.artifacts.benchmarks import KIND as BENCHMARKS
from farthing.artifacts.benchmarks import (
    Benchmark,
    BenchmarkMatrix,
    BenchmarkScore,
    MemberBenchmarks,
    open_benchmarks,
)
from farthing.artifacts.manifest import MANIFEST_NAME, read_manifest
from farthing.artifacts.scores import KIND as SCORES
from farthing.artifacts.scores import MemberScore, ScoreMatrix, mark_fronts, open_scores
from farthing.artifacts.workspace import Workspace


def scores_of(workspace: Workspace, supernet: str, split: str = "dev") -> ScoreMatrix | None:
    """Every member of `supernet` (its digest) that was scored on `split`; None if none was.

    Raises:
        ArtifactError: a score matrix of this supernet is damaged.
    """
    found = [open_scores(place)[0] for place in _places(workspace, "scores", SCORES, supernet)]
    found = [matrix for matrix in found if matrix.split == split]
    if not found:
        return None
    widest = max(found, key=lambda matrix: len(matrix.members))
    # Only what read the same text can stand in one table.
    alike = [matrix for matrix in found if matrix.corpus == widest.corpus]
    members: dict[str, MemberScore] = {}
    for matrix in [*alike, widest]:
        members |= {member.shape: member for member in matrix.members}
    return widest.model_copy(update={"members": mark_fronts(members.values())})


def benchmarks_of(workspace: Workspace, supernet: str) -> BenchmarkMatrix | None:
    """Every member of `supernet` (its digest) that answered benchmarks; None if none did.

    Raises:
        ArtifactError: a benchmark matrix of this supernet is damaged.
    """
    places = _places(workspace, "benchmarks", BENCHMARKS, supernet)
    found = [open_benchmarks(place)[0] for place in places]
    if not found:
        return None
    asked: dict[str, Benchmark] = {}
    labels: dict[str, str] = {}
    scores: dict[str, dict[str, BenchmarkScore]] = {}
    # Of one benchmark in several versions, the one with the most questions counts.
    for matrix in sorted(found, key=lambda one: sum(b.items for b in one.benchmarks)):
        for benchmark in matrix.benchmarks:
            if asked.get(benchmark.name, benchmark).file_digest != benchmark.file_digest:
                for each in scores.values():
                    each.pop(benchmark.name, None)
            asked[benchmark.name] = benchmark
        for member in matrix.members:
            labels[member.shape] = member.label
            scores.setdefault(member.shape, {}).update(member.scores)
    members = tuple(
        MemberBenchmarks(shape=shape, label=label, scores=scores[shape])
        for shape, label in labels.items()
        if scores[shape]
    )
    return BenchmarkMatrix(supernet=supernet, benchmarks=tuple(asked.values()), members=members)


def _places(workspace: Workspace, room: str, kind: str, supernet: str) -> Iterator[Path]:
    for path in sorted((workspace.root / room).glob(f"*/{MANIFEST_NAME}")):
        if read_manifest(path.parent, kind=kind).detail["supernet"] == supernet:
            yield path.parent

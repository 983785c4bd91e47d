"""What a workspace knows about one family: all evaluations of a supernet, put together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from farthing.artifacts.benchmarks import KIND as BENCHMARKS
from farthing.artifacts.benchmarks import (
    Benchmark,
    BenchmarkMatrix,
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
    loads = (matrix.expert_load for matrix in (widest, *alike))
    return widest.model_copy(
        update={
            "members": mark_fronts(members.values()),
            "expert_load": next((load for load in loads if load is not None), None),
        }
    )


def benchmarks_of(
    workspace: Workspace, supernet: str, shape: str | None = None
) -> BenchmarkMatrix | None:
    """Every member of `supernet` (its digest) that answered benchmarks; None if none did.

    Of one benchmark in several versions (all questions, a sample), the one with the most questions
    counts: figures of different questions never stand in one column.

    Args:
        workspace: where the answers are.
        supernet: content digest of the model.
        shape: only this member, with all that it answered.

    Raises:
        ArtifactError: a benchmark matrix of this supernet is damaged.
    """
    places = _places(workspace, "benchmarks", BENCHMARKS, supernet)
    answers = [
        (benchmark, member)
        for place in places
        for matrix in [open_benchmarks(place)[0]]
        for benchmark in matrix.benchmarks
        for member in matrix.members
        if shape is None or member.shape == shape
    ]
    if not answers:
        return None
    asked: dict[str, Benchmark] = {}
    for benchmark, _ in sorted(answers, key=lambda answer: answer[0].items):
        asked[benchmark.name] = benchmark
    members: dict[str, MemberBenchmarks] = {}
    for benchmark, member in answers:
        if _same_questions(benchmark, asked[benchmark.name]):
            known = members.get(member.shape, member.model_copy(update={"scores": {}}))
            scores = known.scores | {benchmark.name: member.scores[benchmark.name]}
            members[member.shape] = known.model_copy(update={"scores": scores})
    return BenchmarkMatrix(
        supernet=supernet, benchmarks=tuple(asked.values()), members=tuple(members.values())
    )


def _same_questions(one: Benchmark, other: Benchmark) -> bool:
    return (one.file_digest, one.items) == (other.file_digest, other.items)


def _places(workspace: Workspace, room: str, kind: str, supernet: str) -> Iterator[Path]:
    for path in sorted((workspace.root / room).glob(f"*/{MANIFEST_NAME}")):
        if read_manifest(path.parent, kind=kind).detail["supernet"] == supernet:
            yield path.parent

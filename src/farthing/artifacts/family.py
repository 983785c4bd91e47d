"""What a workspace knows about one family: all evaluations of a supernet, put together.

Only what the book names counts, in the order of the book: where two evaluations scored the same
member, the later one holds.
"""

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
from farthing.artifacts.entries import RunEnd, read_book
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
    widest = max(reversed(found), key=lambda matrix: len(matrix.members))
    # Only what read the same text can stand in one table.
    alike = [matrix for matrix in found if matrix.corpus == widest.corpus]
    members: dict[str, MemberScore] = {}
    for matrix in alike:
        members |= {member.shape: member for member in matrix.members}
    loads = (matrix.expert_load for matrix in (widest, *reversed(alike)))
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
    return (one.file_digest, one.definition_digest, one.items) == (
        other.file_digest,
        other.definition_digest,
        other.items,
    )


def _places(workspace: Workspace, room: str, kind: str, supernet: str) -> Iterator[Path]:
    """Folders of whole artifacts about `supernet` that a run has entered, oldest first."""
    if not workspace.book_file.exists():
        return
    bodies = (record.body for record in read_book(workspace.book_file).records)
    ends = [end.artifact.digest for end in bodies if isinstance(end, RunEnd) and end.artifact]
    order = {digest: place for place, digest in enumerate(ends)}
    found = []
    for path in (workspace.root / room).glob(f"[!.]*/{MANIFEST_NAME}"):
        manifest = read_manifest(path.parent, kind=kind)
        if manifest.detail["supernet"] == supernet and manifest.content_digest in order:
            found.append((order[manifest.content_digest], path.parent))
    yield from (place for _, place in sorted(found))

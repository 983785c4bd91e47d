"""The score matrix: what `evaluate` found about the members of one family."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from farthing.artifacts.manifest import Manifest
from farthing.artifacts.matrix import open_matrix
from farthing.artifacts.pareto import pareto_front

KIND = "scores"
SCORES_NAME = "scores.json"


class MemberScore(BaseModel):
    """One member: size, cost of a token, and bits per byte on held-out text.

    Attributes:
        shape: canonical string.
        label: short name.
        total, active, non_embedding, active_non_embedding: parameters.
        flops_per_token: forward FLOPs per token over one full context.
        bpb: bits per byte by domain.
        mean_bpb: mean over the domains, each counted once.
        best_for_flops: nobody is as good with as few FLOPs per token (compute front).
        best_for_size: nobody is as good with as few parameters (memory front).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shape: str
    label: str
    total: int
    active: int
    non_embedding: int
    active_non_embedding: int
    flops_per_token: float
    bpb: dict[str, float]
    mean_bpb: float
    best_for_flops: bool
    best_for_size: bool


class ExpertLoad(BaseModel):
    """Which experts the tokens of held-out text visited, in the largest member that was scored.

    Attributes:
        label: short name of that member.
        layers: layer ids of its sparse layers.
        shares: by domain, per sparse layer: each expert's share of all visits in that layer, in
            the order of the supernet's expert ids (0 for experts that the member lacks).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    layers: tuple[int, ...]
    shares: dict[str, tuple[tuple[float, ...], ...]]


class ScoreMatrix(BaseModel):
    """All members scored in one evaluation.

    Attributes:
        supernet: content digest of the model.
        corpus: content digest of the corpus whose held-out text was read.
        split: `dev` or `test`.
        held_out_bytes: UTF-8 bytes scored, by domain.
        members: largest first.
        expert_load: None where the family has no routed experts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    supernet: str
    corpus: str
    split: str
    held_out_bytes: dict[str, int]
    members: tuple[MemberScore, ...]
    expert_load: ExpertLoad | None = None


def mark_fronts(members: Iterable[MemberScore]) -> tuple[MemberScore, ...]:
    """The members, largest first, with both fronts marked anew among just these."""
    every = list(members)
    by_flops = pareto_front([(m.flops_per_token, m.mean_bpb) for m in every])
    by_size = pareto_front([(float(m.total), m.mean_bpb) for m in every])
    marked = [
        member.model_copy(update={"best_for_flops": flops, "best_for_size": size})
        for member, flops, size in zip(every, by_flops, by_size, strict=True)
    ]
    return tuple(sorted(marked, key=lambda m: (-m.total, -m.flops_per_token)))


def open_scores(directory: Path) -> tuple[ScoreMatrix, Manifest]:
    """Read a score matrix after comparing it with its digest.

    Raises:
        ArtifactError: it is missing, changed or damaged.
    """
    return open_matrix(directory, kind=KIND, name=SCORES_NAME, form=ScoreMatrix)

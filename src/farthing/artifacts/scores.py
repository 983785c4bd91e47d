"""The score matrix: what `evaluate` found about the members of one family."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from farthing.artifacts.manifest import Manifest, read_manifest, verify_files
from farthing.errors import ArtifactError

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


class ScoreMatrix(BaseModel):
    """All members scored in one evaluation.

    Attributes:
        supernet: content digest of the model.
        corpus: content digest of the corpus whose held-out text was read.
        split: `dev` or `test`.
        held_out_bytes: UTF-8 bytes scored, by domain.
        members: largest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    supernet: str
    corpus: str
    split: str
    held_out_bytes: dict[str, int]
    members: tuple[MemberScore, ...]

    def best_within(self, share: float) -> MemberScore:
        """The best member with at most `share` of the largest one's size, else the best.

        Size is non-embedding parameters: no member can leave vocabulary out.
        """
        most = share * max(member.non_embedding for member in self.members)
        fitting = [member for member in self.members if member.non_embedding <= most]
        return min(fitting or self.members, key=lambda member: member.mean_bpb)


def open_scores(directory: Path) -> tuple[ScoreMatrix, Manifest]:
    """Read a score matrix after comparing it with its digest.

    Raises:
        ArtifactError: it is missing, changed or damaged.
    """
    manifest = read_manifest(directory, kind=KIND)
    verify_files(directory, manifest, required=(SCORES_NAME,))
    path = directory / SCORES_NAME
    try:
        return ScoreMatrix.model_validate_json(path.read_bytes()), manifest
    except ValidationError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.errors()[0]['msg']}",
            remedy="remove the folder and evaluate again",
        ) from error

"""What a claim says: an in-toto statement whose predicate is the claim."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from farthing.artifacts.claims.entries import Basis, Digest

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
CLAIM_TYPE = "urn:farthing:claim:v1"
ANSWER_TYPE = "urn:farthing:answer:v1"
VERDICT_TYPE = "urn:farthing:verdict:v1"
CLAIM_VERSION = 1

# The first of every claim's exclusions, word for word.
LOGGED_ONLY = "covers logged compute only"


class Frozen(BaseModel):
    """Base of all parts of a statement."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Subject(Frozen):
    """An artifact that a statement is about."""

    name: str
    digest: dict[Literal["sha256"], Digest]


class Statement(Frozen):
    """An in-toto statement (https://in-toto.io/Statement/v1); `predicate` is checked apart."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...]
    predicateType: str  # noqa: N815 - the standard's name
    predicate: dict[str, Any]


class Amounts(Frozen):
    """What some runs used.

    Attributes:
        runs: how many, attempts counted apart.
        device_hours: hours times devices held.
        flops: of models, forward and backward, recomputation included.
        optimizer_flops: of the optimizer's matrix products, beside `flops`.
        tokens: processed.
        kwh: at the machine's plug, or None where nobody knows of some part of it.
        energy_method: as of `Work`.
        usd: by the book's own rates, or None where it has none for some of the hours.
    """

    runs: int
    device_hours: float
    flops: float
    optimizer_flops: float
    tokens: int
    kwh: float | None
    energy_method: str
    usd: float | None


class CostLine(Frozen):
    """A part of the book's cost. Every run of the book is in exactly one.

    Attributes:
        what: `method`, `baseline`: attempts that their results rest on. `repeated`: what was done
            again after an interruption, and runs that failed or were aborted, of either arm.
            `evaluation`, `curation`, `tuning`: by purpose, under the claim. `other`: every other
            run of the same book.
    """

    what: Literal["method", "baseline", "repeated", "evaluation", "curation", "tuning", "other"]
    amounts: Amounts


class ClaimedRun(Frozen):
    """A model that was trained, with one seed.

    Attributes:
        arm, label: as registered.
        seed: as derived.
        runs: numbers of its attempts in the book, oldest first; the last one made the model.
        model: content digest of the supernet.
        bpb: mean over domains on the registered split: shape -> bits per byte (the method's
            members, the baseline's only shape).
        amounts: of what the result rests on: repeated work is left out and stands in its own line.
    """

    arm: Literal["method", "baseline"]
    label: str
    seed: int
    runs: tuple[int, ...] = Field(min_length=1)
    model: Digest
    bpb: dict[str, float]
    amounts: Amounts


class Reached(Frozen):
    """A member against its target.

    Attributes:
        bpb: by seed, in the order of the seeds.
        mean: over the seeds.
        upper95: one-sided upper bound of the mean (Student's t).
        reached: whether `upper95` is at most the target.
        baseline_cost: by seed, what the baseline pays for the target in the claim's basis: between
            the two neighbouring lengths of which one reaches it, linear in bits per byte and in the
            logarithm of the cost; the shortest length's cost where that one reaches it already;
            None where no length does.
        counted: whether it is reached and every seed of the baseline reaches it too: only such
            members count in the ratio.
    """

    shape: str
    target: float
    bpb: tuple[float, ...]
    mean: float
    upper95: float
    reached: bool
    baseline_cost: tuple[float | None, ...]
    counted: bool


class RatioFigure(Frozen):
    """Cost of the baseline's models over that of the method's one run; above 1 the method wins.

    Attributes:
        basis: of both costs.
        scope: `training`: kept attempts alone on both sides. `loaded`: the method pays, beside its
            run, its whole share of what else stands under the claim (its seed's part of
            repetitions, curation, tuning and its own evaluation); the baseline pays its training
            alone, so that the figure is a lower one.
        by_seed: in the order of the seeds.
        point: geometric mean.
        lower95: one-sided lower bound (Student's t on the logarithms).
    """

    basis: Basis
    scope: Literal["training", "loaded"]
    by_seed: tuple[float, ...]
    point: float
    lower95: float


class Excluded(Frozen):
    """Something that the cost does not hold."""

    what: str = Field(min_length=1)
    why: str = Field(min_length=1)


class BookFacts(Frozen):
    """The book as the claim holds it: its first `entries` lines."""

    entries: int
    head: Digest
    merkle_root: Digest


class CheckpointFacts(Frozen):
    """All checkpoints of the claimed runs, of which a nonce chooses some (`selection`).

    Attributes:
        root: RFC 6962 root over `canonical_json([run, first_step, last_step, checkpoint_digest])`
            of every segment of a claimed run, in the order of the book.
        segments: how many.
        bytes: of all these checkpoints on the claimant's disk.
    """

    root: Digest
    segments: int
    bytes: int


class FileFacts(Frozen):
    """A file of the bundle."""

    sha256: Digest
    bytes: int


class Claim(Frozen):
    """The predicate.

    Attributes:
        draft, nonce: digests of their entries in the book.
        seeds: as derived.
        runs: the method's by seed, then the baseline's by length and seed.
        reached: the registered targets in their order.
        cost: every line once, all runs of the book.
        ratio: every basis that both sides know, `training` and `loaded`; empty where no member is
            counted.
        excluded: begins with `LOGGED_ONLY`.
        files: of the bundle, beside the statement itself.
    """

    version: int
    name: str
    statement: str
    draft: Digest
    nonce: Digest
    seeds: tuple[int, ...]
    baseline: str
    basis: Basis
    runs: tuple[ClaimedRun, ...]
    reached: tuple[Reached, ...]
    cost: tuple[CostLine, ...]
    ratio: tuple[RatioFigure, ...]
    excluded: tuple[Excluded, ...]
    book: BookFacts
    checkpoints: CheckpointFacts
    files: dict[str, FileFacts]
    farthing_version: str

    @model_validator(mode="after")
    def _says_what_it_cannot_know(self) -> Self:
        if not self.excluded or self.excluded[0].what != LOGGED_ONLY:
            raise ValueError(f"excluded: must begin with {LOGGED_ONLY!r}")
        return self

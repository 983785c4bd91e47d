"""What the book says of a claim: the draft before the runs, the nonce after it, the anchors."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from farthing.artifacts.body import Body

# What a ratio may be told in: model and optimizer FLOPs, hours of devices, energy at the plug.
Basis = Literal["flops", "device_hours", "kwh"]
Split = Literal["dev", "test"]

FEWEST_SEEDS = 3
_NONCE_BYTES = (16, 64)


def _hexadecimal(text: str) -> str:
    raw = bytes.fromhex(text)
    if raw.hex() != text:
        raise ValueError("write it in lower-case hexadecimal")
    fewest, most = _NONCE_BYTES
    if not fewest <= len(raw) <= most:
        raise ValueError(f"{len(raw)} bytes; a nonce has {fewest} to {most}")
    return text


Nonce = Annotated[str, AfterValidator(_hexadecimal)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Target(Body):
    """Bits per byte that a member must reach, stated before anything was trained.

    Attributes:
        shape: canonical, in the method's supernet.
        bpb: mean over the domains of the split, each counted once.
    """

    kind_name: ClassVar[str] = "target"

    shape: str
    bpb: float = Field(gt=0)


class RegisteredRun(Body):
    """One model that will be trained with every seed.

    Attributes:
        arm: `method` trains the family; `baseline` what somebody else would train instead.
        label: tells the lengths and sizes of the baseline apart; empty for the method.
        recipe: as a plan of the book holds it, with `train.seed` null.
    """

    kind_name: ClassVar[str] = "registered.run"

    arm: Literal["method", "baseline"]
    label: str
    recipe: dict[str, Any]


class Tuning(Body):
    """What either side may spend, and spent before, on finding its settings.

    Attributes:
        method_runs, baseline_runs: runs of purpose `tuning` that this book may hold for each.
        before: in words, what was tuned before the draft was signed, and where that stands.
    """

    kind_name: ClassVar[str] = "tuning"

    method_runs: int = Field(ge=0)
    baseline_runs: int = Field(ge=0)
    before: str = Field(min_length=1)

    @model_validator(mode="after")
    def _baseline_is_not_starved(self) -> Self:
        if self.baseline_runs < self.method_runs:
            raise ValueError("the baseline may be tuned less than the method: give it as many runs")
        return self


class ClaimDraft(Body):
    """The claim before there is anything to claim: everything that could be chosen afterwards.

    Attributes:
        name: of the claim.
        statement: in words.
        runs: the method first, then the baseline at each length.
        baseline: its name.
        targets: what each member must reach for the claim to count it.
        seeds: how many; which ones follow from the nonce (`seeds.derive_seeds`).
        split: of the corpus that is scored.
        corpus_digest: content digest of the corpus.
        held_out_digest: of the scored text alone (`canonical.digest_json` of the split's lines in
            the corpus's index): what is scored cannot be exchanged later.
        code: `code_version` of every room that decides a result.
        commit: of the source tree, where the code runs from a clean one.
        packages: what is installed that numbers depend on: name -> version.
        basis: in which the ratio is claimed first; the others stand beside it.
        stop_rule: when a run ends, and which runs count.
        storage_bytes: the most that the checkpoints of all segments take.
    """

    kind_name: ClassVar[str] = "claim.draft"

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")
    statement: str = Field(min_length=1)
    runs: tuple[RegisteredRun, ...]
    baseline: str = Field(min_length=1)
    targets: tuple[Target, ...] = Field(min_length=1)
    seeds: int = Field(ge=FEWEST_SEEDS, le=100)
    split: Split
    corpus_digest: Digest
    held_out_digest: Digest
    code: Digest
    commit: str | None
    packages: dict[str, str]
    basis: Basis
    stop_rule: str = Field(min_length=1)
    tuning: Tuning
    storage_bytes: int = Field(ge=0)

    @model_validator(mode="after")
    def _one_method_and_a_baseline(self) -> Self:
        arms = [run.arm for run in self.runs]
        if arms[:1] != ["method"] or arms.count("method") > 1 or "baseline" not in arms:
            raise ValueError("runs: the method once, first, then at least one of the baseline")
        labels = [run.label for run in self.runs if run.arm == "baseline"]
        if len(set(labels)) < len(labels) or "" in labels:
            raise ValueError("runs: the baseline's need labels of their own")
        if len({target.shape for target in self.targets}) < len(self.targets):
            raise ValueError("targets: a member stands there twice")
        return self


class ClaimNonce(Body):
    """Randomness that the claimant could not know when the draft was signed.

    Attributes:
        draft: digest of the draft's entry.
        nonce: hexadecimal.
        origin: `verifier` drew it, or it is a public `beacon`'s.
        detail: which verifier, or which round of which beacon.
    """

    kind_name: ClassVar[str] = "claim.nonce"

    draft: Digest
    nonce: Nonce
    origin: Literal["verifier", "beacon"]
    detail: str = Field(min_length=1)


class Anchor(Body):
    """A sign, outside of this book, that an entry was there at a time.

    Attributes:
        of: digest of an entry of this book.
        how: `git-tag`: an annotated tag whose message holds the digest. `rfc3161`: a time-stamp
            token of the digest.
        detail: the tag's name and object, or the token in base64.
    """

    kind_name: ClassVar[str] = "anchor"

    of: Digest
    how: Literal["git-tag", "rfc3161"]
    detail: str = Field(min_length=1)


class ClaimMade(Body):
    """A claim left this workspace: a second one that says otherwise shows in the same book.

    Attributes:
        draft: digest of the draft's entry.
        claim: digest of the statement (`dsse` payload).
    """

    kind_name: ClassVar[str] = "claim.made"

    draft: Digest
    claim: Digest

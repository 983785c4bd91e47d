"""Settings of the quality scores."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config


class QualityConfig(Config):
    """How documents are scored, and which stay."""

    by: Literal["classifier", "model"] | None = Field(
        default=None,
        description="classifier: learned from examples; model: bits per byte by a farthing model, "
        "fewer is better; null for no scores",
    )
    good: tuple[str, ...] = Field(
        default=(), description="files or folders of good examples, for the classifier"
    )
    ordinary: tuple[str, ...] = Field(
        default=(),
        description="the same of ordinary examples; [] for a sample of the text being curated",
    )
    most_examples: int = Field(
        default=10_000, ge=200, description="examples of a side that are learned from, at most"
    )
    model: str | None = Field(
        default=None, description="folder of the run or member that scores, for by: model"
    )
    model_bytes: int = Field(
        default=4096,
        ge=64,
        description="bytes of a document that the model reads, from its middle",
    )
    keep_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="share of the bytes of each group that stays, the best first; null for all",
    )
    within: Literal["all", "domain", "language"] = Field(
        default="domain",
        description="the group that a share is of; good examples in one language say nothing "
        "about another",
    )
    buckets: int = Field(
        default=1,
        ge=1,
        le=9,
        description="the training text of each domain in so many parts of equal size by score: the "
        "streams DOMAIN.1 (the best), DOMAIN.2 ..., each of which a mixture can weigh; held-out "
        "text stays whole. 1 for no parts",
    )
    seed: int = Field(default=0, description="which examples are learned from, and in what order")

    @model_validator(mode="after")
    def _has_what_it_scores_by(self) -> Self:
        if self.by == "classifier" and not self.good:
            raise ValueError("by: classifier needs good examples: name files with `good`")
        if self.by == "model" and self.model is None:
            raise ValueError("by: model needs a `model`: the folder of a run or a member")
        if self.by is None and self.keep_share is not None:
            raise ValueError("keep_share needs scores: set `by`")
        if self.by is None and self.buckets > 1:
            raise ValueError("buckets need scores: set `by`")
        return self

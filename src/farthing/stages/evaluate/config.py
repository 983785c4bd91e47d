"""Settings of an evaluation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farthing.artifacts.config import Config


class EvaluateConfig(Config):
    """Which members are scored, on what text."""

    members: tuple[str, ...] = Field(
        min_length=1, description="shapes to score, as 6L-8E-2K or in canonical form"
    )
    split: Literal["dev", "test"] = Field(
        default="dev",
        description="held-out text: dev for choosing; test is read once, for a claim",
    )
    batch_sequences: int = Field(default=16, ge=1, description="windows of one forward pass")

"""Settings of a search for the best member."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farthing.artifacts.config import Config

Space = Literal["portable", "free"]
LimitKind = Literal["active", "total", "latency", "memory"]


class SearchConfig(Config):
    """Which member is looked for, and how hard."""

    limit: LimitKind = Field(
        description="what the member must keep within: active or total parameters, milliseconds "
        "per token, or MiB of weights"
    )
    bound: float = Field(gt=0, description="how much of that at most")
    space: Space = Field(
        default="portable",
        description="portable: one expert count and one top-k in all layers; free: its own in each",
    )
    evaluations: int | None = Field(
        default=None,
        ge=1,
        description="members measured at most; null: as many as about 4 % of the training pay for",
    )
    seconds: float | None = Field(
        default=None, gt=0, description="instead: measure new members for so long"
    )
    seed: int = Field(default=0, ge=0, description="of every draw of the search")
    calibration_sequences: int = Field(
        default=32, ge=1, description="training sequences on which importance is measured"
    )
    search_sequences: int = Field(
        default=32, ge=1, description="other training sequences on which members are compared"
    )
    finalists: int = Field(
        default=2, ge=1, description="best members found, and best uniform ones, read dev text"
    )
    playoff: int = Field(
        default=4,
        ge=1,
        description="three times as many members as finalists are measured once more before, on "
        "other training sequences, so many times search_sequences",
    )
    batch_sequences: int = Field(default=16, ge=1, description="windows of one forward pass")

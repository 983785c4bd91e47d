"""Settings of benchmarks."""

from __future__ import annotations

from pydantic import Field

from farthing.artifacts.config import Config


class QuestionsConfig(Config):
    """Which questions of which benchmarks are asked."""

    folder: str | None = Field(
        default=None,
        description="folder with the benchmarks' JSONL files; null for the embedded sample",
    )
    benchmarks: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="names of benchmarks; null for all whose file is in the folder",
    )
    limit: int | None = Field(
        default=None,
        ge=2,
        description="questions of each benchmark, evenly spread over its file; null for all",
    )
    batch_rows: int = Field(default=32, ge=1, description="choices of one forward pass")


class BenchmarkConfig(QuestionsConfig):
    """Which members answer which benchmarks."""

    members: tuple[str, ...] = Field(
        min_length=1, description="shapes to ask, as 6L-8E-2K or in canonical form"
    )

"""Settings of the licence filter."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farthing.artifacts.config import Config


class LicencesConfig(Config):
    """Which licences may enter the corpus."""

    allow: tuple[str, ...] | None = Field(
        default=None,
        description='patterns such as ["MIT", "CC-BY-[0-9]*", "public-domain*"], case '
        'ignored, * ? [] as in file names; of "X or Y" one must fit; null for all',
    )
    unstated: Literal["keep", "drop"] = Field(
        default="keep", description="what happens to documents that state no licence"
    )

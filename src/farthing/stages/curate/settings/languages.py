"""Settings of the language filter."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farthing.artifacts.config import Config

Language = Literal["en", "zh", "code", "maths", "other", "ja", "ko", "und"]


class LanguagesConfig(Config):
    """Which languages stay; a document's language is told from its text, whatever it states."""

    keep: tuple[Language, ...] | None = Field(
        default=None,
        description="languages that stay, of en, zh, code, maths (English with LaTeX), ja, ko, "
        "other and und (no letters); null for all",
    )
    least_confidence: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="documents whose language is told with less confidence are dropped; 0 for "
        "none. Only read where `keep` names languages",
    )
    as_domain: bool = Field(
        default=False,
        description="mix and score documents that name no domain by the language that their text "
        "is told to be in; false: by the language that they state",
    )

"""Settings of the rules of quality."""

from __future__ import annotations

from pydantic import Field

from farthing.artifacts.config import Config


class LimitsConfig(Config):
    """A changed or added rule; what is not given here stays as it ships."""

    least: float | None = Field(default=None, description="smallest value that is kept; or null")
    most: float | None = Field(default=None, description="largest value that is kept; or null")
    from_characters: int = Field(
        default=0, ge=0, description="shorter texts are not held to this rule"
    )
    from_lines: int = Field(
        default=0, ge=0, description="texts of fewer lines are not held to this rule"
    )


class RulesConfig(Config):
    """Which documents are good enough; `profiles.yaml` has the rules that ship, with sources."""

    apply: bool = Field(
        default=True, description="drop documents that fail a rule; false: measure and count only"
    )
    profiles_for: dict[str, str] = Field(
        default={"*math*": "maths", "*poetry*": "verse", "*poems*": "verse"},
        description="profile of documents whose source or domain fits a pattern such as "
        '"poetry*", the first that fits; "none" for no rules. Others go by their language: '
        "en, zh, code, maths, or other",
    )
    word_problems: bool = Field(
        default=True,
        description="hold English in which sums are worked out (two or more, one in 60 words) to "
        "the rules of maths; those of English drop a quarter of it",
    )
    profiles: dict[str, dict[str, LimitsConfig | None]] = Field(
        default_factory=dict,
        description="changes to the shipped rules: profile, signal, limits; null takes a rule out",
    )

"""Settings of deduplication."""

from __future__ import annotations

from pydantic import Field

from farthing.artifacts.config import Config


class DuplicatesConfig(Config):
    """Which repeats are taken out."""

    exact: bool = Field(
        default=True, description="drop documents whose text is equal but for white space"
    )
    near: bool = Field(
        default=True, description="drop documents that are nearly equal to one that is kept"
    )
    similarity: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="documents are nearly equal from this Jaccard similarity of their five-word "
        "shingles on (five-character in Chinese)",
    )
    bands: int = Field(
        default=20, ge=1, le=64, description="bands of the signatures: more find more"
    )
    rows: int = Field(
        default=6, ge=2, le=16, description="values of a band: more make fewer false candidates"
    )
    lines: bool = Field(
        default=True, description="take lines that stand in many documents out of all of them"
    )
    line_documents: int = Field(
        default=10, ge=2, description="a line is repeated when so many documents have it"
    )
    line_bytes: int = Field(
        default=40, ge=8, description="lines of fewer bytes are left where they are"
    )
    lines_stay_in: tuple[str, ...] = Field(
        default=("code", "maths"),
        description="profiles (of the rules) whose documents keep all their lines, and are not "
        "counted",
    )
    least_left_bytes: int = Field(
        default=100,
        ge=1,
        description="a document that lost lines is dropped when fewer bytes are left",
    )
    pieces: bool = Field(
        default=False,
        description="take passages of 64 to 256 words out where they stand a second time; licence "
        "headers and quoted law go too",
    )

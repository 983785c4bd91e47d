"""Settings of the curate stage."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from farthing.artifacts.config import Config
from farthing.stages.curate.settings.contamination import ContaminationConfig
from farthing.stages.curate.settings.duplicates import DuplicatesConfig
from farthing.stages.curate.settings.languages import LanguagesConfig
from farthing.stages.curate.settings.licences import LicencesConfig
from farthing.stages.curate.settings.mixture import MixtureConfig
from farthing.stages.curate.settings.privacy import PrivacyConfig
from farthing.stages.curate.settings.quality import QualityConfig
from farthing.stages.curate.settings.reading import ReadingConfig
from farthing.stages.curate.settings.rules import RulesConfig
from farthing.text.special_tokens import MIN_VOCAB_SIZE

Version = Literal["raw", "filtered", "deduplicated", "scored", "mixed"]
VERSIONS: tuple[Version, ...] = ("raw", "filtered", "deduplicated", "scored", "mixed")


class CurateConfig(Config):
    """Which text becomes a corpus, and how."""

    # They change how fast a corpus is made, and what else is written down, not the corpus.
    harmless: ClassVar[frozenset[str]] = frozenset(["workers"])

    sources: tuple[str, ...] | None = Field(
        default=None,
        description="files, folders or patterns (data/**/*.parquet) of .jsonl, .jsonl.zst, "
        ".jsonl.gz, .parquet, .txt, .html or .warc.gz text; null for the embedded bilingual "
        "sample, which brings its own split and is taken as it is",
    )
    reading: ReadingConfig = Field(
        default_factory=ReadingConfig, description="how records become documents"
    )
    until: Version = Field(
        default="mixed",
        description="how far the text is worked on: raw (readable, licensed, ids unique), "
        "filtered (language, masks, rules), deduplicated (documents and lines), scored "
        "(contamination, quality), mixed (all of it)",
    )
    licences: LicencesConfig = Field(
        default_factory=LicencesConfig, description="which licences may enter"
    )
    languages: LanguagesConfig = Field(
        default_factory=LanguagesConfig, description="which languages stay"
    )
    privacy: PrivacyConfig = Field(
        default_factory=PrivacyConfig, description="personal data and keys that are masked"
    )
    rules: RulesConfig = Field(
        default_factory=RulesConfig, description="rules of quality, by profile"
    )
    duplicates: DuplicatesConfig = Field(
        default_factory=DuplicatesConfig, description="repeats between documents"
    )
    contamination: ContaminationConfig = Field(
        default_factory=ContaminationConfig,
        description="evaluation sets that training text is cleared of",
    )
    quality: QualityConfig = Field(
        default_factory=QualityConfig, description="scores, and what stays by them"
    )
    mixture: MixtureConfig = Field(
        default_factory=MixtureConfig, description="how training draws from the domains"
    )
    keep_rejected: bool = Field(
        default=False,
        description="write the documents that were dropped, with step and reason, into the corpus "
        "(rejected.parquet)",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        description="processes that curate at a time; null for one a hardware thread. The corpus "
        "is the same for any number",
    )
    tokenizer: Literal["bpe", "bytes"] = Field(
        default="bpe", description="bpe: learned from the training split; bytes: one per byte"
    )
    vocab_size: int = Field(
        default=8192,
        ge=MIN_VOCAB_SIZE,
        description="tokens of the bpe, bytes and special tokens included; unused by bytes",
    )
    tokenizer_bytes: int = Field(
        default=32 << 20,
        ge=1 << 16,
        description="of a larger training text so many bytes are drawn for the bpe to learn from, "
        "of each domain the same share; learning takes some forty bytes of memory for each",
    )
    held_out_share: float = Field(
        default=0.02,
        gt=0,
        lt=0.3,
        description="share of the bytes of each domain aimed at for dev, and again for test",
    )
    held_out_bytes: int = Field(
        default=2_000_000,
        ge=1,
        description="dev and test of a domain are no more than about this many bytes each",
    )
    split_seed: int = Field(
        default=0, description="which works are held out; change it for another split"
    )
    near_duplicate_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="a training document is dropped when more than this share of its "
        "32-character windows stands in held-out text, or of a held-out document's in it",
    )
    held_out_from: str | None = Field(
        default=None,
        description="folder of a corpus whose tokenizer, dev and test text are taken over; its "
        "works are kept out of training. For comparing ways of curating on equal ground",
    )

    def reaches(self, version: Version) -> bool:
        """Whether the steps of `version` are part of the work."""
        return VERSIONS.index(self.until) >= VERSIONS.index(version)

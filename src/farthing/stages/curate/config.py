"""Settings of the curate stage."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farthing.artifacts.config import Config
from farthing.text.tokenizer import MIN_VOCAB_SIZE


class CurateConfig(Config):
    """Which text becomes a corpus, and how."""

    sources: tuple[str, ...] | None = Field(
        default=None,
        description="files or folders with .jsonl, .jsonl.zst, .jsonl.gz or .txt text; null for "
        "the embedded bilingual sample, which brings its own split",
    )
    tokenizer: Literal["bpe", "bytes"] = Field(
        default="bpe", description="bpe: learned from the training split; bytes: one per byte"
    )
    vocab_size: int = Field(
        default=8192,
        ge=MIN_VOCAB_SIZE,
        description="tokens of the bpe, bytes and special tokens included; unused by bytes",
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

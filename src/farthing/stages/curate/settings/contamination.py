"""Settings of decontamination."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config


class ContaminationConfig(Config):
    """Which evaluation sets training text is cleared of, and from when on a document holds one.

    Lengths are in words of a spaced language; a Chinese character counts as .6 of one.
    """

    enabled: bool = Field(
        default=True, description="look for the benchmarks that farthing brings along"
    )
    benchmarks: str | None = Field(
        default=None,
        description="folder with further benchmarks, as `farthing benchmark` reads them; all that "
        "it holds are looked for",
    )
    items: str | None = Field(
        default=None,
        description="folder with .jsonl, .jsonl.gz or .jsonl.zst files of further questions: "
        '{"question": "...", "answers": ["..."]} a line, the file\'s name naming the set',
    )
    question_share: float = Field(
        default=0.8,
        ge=0.5,
        le=1,
        description="share of a long question's words, rare ones counting more, that a document "
        "must hold in order",
    )
    short_words: int = Field(
        default=8,
        ge=5,
        description="a question of fewer different words is a common phrase: it condemns only "
        "where its answer stands directly beside it",
    )
    strict_words: int = Field(
        default=20, ge=5, description="a question of up to so many words must be there whole"
    )
    long_words: int = Field(
        default=50,
        ge=10,
        description="from so many words on question_share is enough, and the question alone "
        "condemns, with or without its answer",
    )
    drop: Literal["contaminated", "question", "nothing"] = Field(
        default="contaminated",
        description="contaminated: documents with question and answer; question: also those with "
        "a question alone; nothing: report only",
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if not self.short_words <= self.strict_words < self.long_words:
            raise ValueError("short_words, strict_words and long_words must grow in this order")
        return self

    def least_score(self, length: float) -> float:
        """The share of a question of this length that must be there."""
        over = (length - self.strict_words) / (self.long_words - self.strict_words)
        return 1 - (1 - self.question_share) * min(max(over, 0.0), 1.0)

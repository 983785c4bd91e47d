"""Settings of the study: a recipe, and which versions of its text are trained on."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config
from farthing.flow import RunConfig
from farthing.stages.curate.config import VERSIONS, Version

# An arm is a version of the text, in the order of the steps: each has what the one before has.
Arm = Version
ARMS = VERSIONS


class WorthSettings(Config):
    """Which versions, which seeds, and how long the raw text is trained on."""

    seeds: tuple[int, ...] = Field(
        default=(0, 1, 2), min_length=1, description="every arm runs with each of these"
    )
    arms: tuple[Arm, ...] = Field(
        default=ARMS,
        description="raw: all that can be read and may be used; filtered: without other languages "
        "and what the rules drop; deduplicated, scored: after those steps too; mixed: the recipe's "
        "own text and mixture",
    )
    raw_lengths: tuple[float, ...] = Field(
        default=(0.5, 2.0),
        min_length=1,
        description="further lengths of the runs on raw text, in shares of the recipe's steps: the "
        "curve on which a difference in loss is read as compute",
    )

    @model_validator(mode="after")
    def _there_is_something_to_compare(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: one stands there twice")
        if "raw" not in self.arms or len(set(self.arms)) < 2:
            raise ValueError("arms: raw and at least one other are needed")
        if len(set(self.arms)) < len(self.arms):
            raise ValueError("arms: one stands there twice")
        if 1.0 in self.raw_lengths or min(self.raw_lengths) <= 0:
            raise ValueError("raw_lengths: other lengths than 1, which is always run, and above 0")
        return self

    @property
    def ordered(self) -> tuple[Arm, ...]:
        """The arms in the order of the steps."""
        return tuple(arm for arm in ARMS if arm in self.arms)


class WorthConfig(RunConfig):
    """A recipe with the study that its curation is put to."""

    worth: WorthSettings = Field(
        default=WorthSettings(),
        description="what each step of curation is worth (`farthing curate --ablate`)",
    )

    @model_validator(mode="after")
    def _a_run_of_its_own(self) -> Self:
        if self.start is not None:
            raise ValueError("start: the models of this study all begin with random weights")
        if self.corpus.until != ARMS[-1]:
            raise ValueError(
                f"corpus.until: the study goes up to {ARMS[-1]} by itself; worth.arms says which "
                "versions are trained on"
            )
        return self

    @property
    def run(self) -> RunConfig:
        """The recipe alone."""
        return RunConfig.model_validate(
            {name: getattr(self, name) for name in RunConfig.model_fields}
        )

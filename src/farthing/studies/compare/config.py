"""Settings of a comparison: a recipe, and against what it is held."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config
from farthing.flow import RunConfig
from farthing.stages.evaluate.benchmark_config import QuestionsConfig

Arm = Literal["elastic", "plain", "scratch", "pruned", "mixed"]
ARMS: tuple[Arm, ...] = ("elastic", "plain", "scratch", "pruned", "mixed")


class BaselineConfig(Config):
    """One model that somebody else would train instead, at several lengths."""

    recipe: str = Field(description="a recipe's name, or the path of a file of your own")
    changes: tuple[str, ...] = Field(
        default=(), description="overrides of the recipe, as --set takes them: another size, say"
    )
    lengths: tuple[float, ...] = Field(
        default=(0.5, 1.0, 1.5),
        min_length=1,
        description="runs of these lengths, each with a whole schedule, in shares of the elastic "
        "run's FLOPs",
    )


class CompareConfig(Config):
    """Which arms, which seeds, and how the money is divided in each."""

    seeds: tuple[int, ...] = Field(
        default=(0, 1, 2, 3, 4), min_length=1, description="every arm runs with each of these"
    )
    arms: tuple[Arm, ...] = Field(
        default=ARMS,
        description="elastic: the recipe; plain: the same without elasticity; scratch: each "
        "member's size alone; pruned: plain, cut down afterwards and trained on; mixed: plain, "
        "tuned with mixed top-k at the end",
    )
    members: tuple[str, ...] | None = Field(
        default=None,
        description="what is compared, the full shape among them; null: of the sizes that the "
        "recipe trains those nearest to 1, 1/2, 1/4 and 1/8 of the active parameters",
    )
    plain_lengths: tuple[float, ...] = Field(
        default=(0.7,),
        description="further lengths of the plain run, in shares of the recipe's steps, beside "
        "the whole and the one with the elastic run's FLOPs: to see what a difference in loss "
        "is worth in compute",
    )
    scratch_lengths: tuple[float, ...] = Field(
        default=(0.5, 1.0),
        min_length=1,
        description="lengths of the runs from scratch, in shares of the recipe's steps",
    )
    afterwards: float = Field(
        default=0.15,
        gt=0,
        lt=1,
        description="what the arms pruned and mixed spend after their plain run, as a share of the "
        "elastic run's FLOPs; the plain run is that much shorter",
    )
    afterwards_from: Literal["stable", "decayed"] = Field(
        default="stable",
        description="where the plain run of those arms stops: before its learning rate falls, "
        "which then falls in what comes afterwards, or at its end, with a new rise",
    )
    calibration_sequences: int = Field(
        default=64, ge=1, description="training text on which the arm pruned measures importance"
    )
    baselines: dict[str, BaselineConfig] = Field(
        default_factory=dict,
        description="by name; sizes of one family of baselines share what stands before a '/'",
    )
    variants: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="other elastic recipes by name, each as overrides of this one; every variant "
        "gets the steps that the elastic run's FLOPs pay for",
    )
    questions: QuestionsConfig | None = Field(
        default=None,
        description="benchmarks that every model answers beside its text; null: none. {} asks the "
        "embedded sample",
    )
    effect: float = Field(
        default=0.25,
        gt=0,
        description="the smallest difference that matters, in per cent of bits per byte: decides "
        "how many seeds would be enough",
    )

    @model_validator(mode="after")
    def _arms_and_seeds_fit(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: one stands there twice")
        missing = {"elastic", "plain"} - set(self.arms)
        if missing:
            raise ValueError(f"arms: without {' and '.join(sorted(missing))} there is no control")
        return self


class ComparisonConfig(RunConfig):
    """A recipe with the comparison that it is put to."""

    compare: CompareConfig = Field(
        default=CompareConfig(), description="the controlled comparison (`farthing compare`)"
    )

    @model_validator(mode="after")
    def _there_is_elasticity(self) -> Self:
        if self.train.elastic is None:
            raise ValueError("train.elastic is null: there is nothing to compare")
        if self.start is not None:
            raise ValueError("start: the arms of a comparison all begin with random weights")
        return self

    @property
    def run(self) -> RunConfig:
        """The recipe alone."""
        return RunConfig.model_validate(
            {name: getattr(self, name) for name in RunConfig.model_fields}
        )

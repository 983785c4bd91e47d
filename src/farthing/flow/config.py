"""`RunConfig`: a whole recipe."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config
from farthing.model.config import ModelConfig
from farthing.model.shape import distinct_shapes
from farthing.stages.curate.config import CurateConfig
from farthing.stages.evaluate.config import EvaluateConfig
from farthing.stages.train.config import TrainConfig
from farthing.stages.train.elastic_schedule import ElasticSchedule
from farthing.stages.train.start.config import StartConfig


class InheritConfig(Config):
    """What a run takes over of the cost of the model that it starts from."""

    share: float = Field(
        ge=0,
        le=1,
        description="the part of that model's cost that the members of this run carry in the "
        "amortised view, from 0 to 1, signed before training; all plans together carry at most "
        "the whole",
    )


class RunConfig(Config):
    """A recipe: everything that one elastic run and the judgement of its family need."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", description="names the folders of this run"
    )
    corpus: CurateConfig = Field(default=CurateConfig(), description="which text")
    model: ModelConfig = Field(description="the sizes of the supernet")
    train: TrainConfig = Field(description="the training run")
    start: StartConfig | None = Field(
        default=None, description="a trained model to begin with; null: random weights"
    )
    inherit: InheritConfig | None = Field(
        default=None,
        description="how much of that model's cost is carried here; null: what earlier plans left",
    )
    evaluate: EvaluateConfig = Field(
        description="the members of the family: registered before training, scored after"
    )

    @model_validator(mode="after")
    def _members_and_elastic_sizes_fit(self) -> Self:
        # Said before any text is read: these errors need the sizes only.
        distinct_shapes(self.evaluate.members, self.model)
        ElasticSchedule(self.train, self.model)
        elastic = self.train.elastic
        if self.inherit is not None and self.start is None:
            raise ValueError(
                "inherit.share says how much of an earlier model's cost is carried, and this run "
                "starts from none: name one with start.from (or --from), or leave inherit out"
            )
        taught = self.start is not None and self.start.distill is not None
        if taught and elastic is not None and elastic.distill_weight:
            raise ValueError(
                "start.distill and train.elastic.distill_weight name two teachers: leave one out"
            )
        return self

"""Settings of the study: which members are trained on, how, for how long; what is grown."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config
from farthing.flow import RunConfig

Share = Annotated[float, Field(gt=0)]


class GrowthConfig(Config):
    """A supernet that begins as a smaller model, for the same FLOPs as one that does not."""

    member: str = Field(
        description="the smaller model: this member's size, trained whole from random weights; "
        "layers that it lacks are stacked, experts copied"
    )
    share: float = Field(
        default=0.3, gt=0, lt=1, description="of the supernet's FLOPs that go into the smaller one"
    )
    parent_decays: bool = Field(
        default=False,
        description="whether the smaller model's learning rate falls at its end before it grows",
    )
    changes: tuple[str, ...] = Field(
        default=(), description="overrides of the grown run, as --set takes them: its noise, say"
    )


class HeadstartSettings(Config):
    """Which curves are drawn. Lengths are shares of the FLOPs of the recipe's elastic run."""

    seeds: tuple[int, ...] = Field(
        default=(1, 2, 3), min_length=1, description="everything runs with each of these"
    )
    members: tuple[str, ...] = Field(
        default=(), description="members that are cut out of the elastic run and trained on"
    )
    lengths: tuple[Share, ...] = Field(
        default=(0.05, 0.1, 0.2, 0.4),
        description="what training on costs, with a whole schedule each; each member's size is "
        "also trained from random weights for as much",
    )
    longer: tuple[Share, ...] = Field(
        default=(1.0, 1.5),
        description="further lengths of the runs from random weights: between them lies what the "
        "elastic run and training on cost together",
    )
    ways: dict[str, tuple[str, ...]] = Field(
        default={"plain": ()},
        description="ways to train on by name, each as overrides of train and start: "
        "start.optimizer=carried, start.distill.weight=0.5, another rate",
    )
    grow: dict[str, GrowthConfig] = Field(
        default_factory=dict, description="supernets grown from a smaller model, by name"
    )

    @model_validator(mode="after")
    def _each_stands_once(self) -> Self:
        for name in ("seeds", "members"):
            values = getattr(self, name)
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: one stands there twice")
        lengths = (*self.lengths, *self.longer)
        if len(set(lengths)) < len(lengths):
            raise ValueError("lengths and longer: one stands there twice")
        return self


class HeadstartConfig(RunConfig):
    """A recipe with the study of what its trained models are worth as beginnings."""

    headstart: HeadstartSettings = Field(
        default=HeadstartSettings(), description="what is trained on and grown (farthing headstart)"
    )

    @model_validator(mode="after")
    def _there_is_a_family(self) -> Self:
        if self.train.elastic is None:
            raise ValueError("train.elastic is null: there is no family to cut members out of")
        if self.start is not None:
            raise ValueError("start: the elastic run of this study begins with random weights")
        return self

    @property
    def run(self) -> RunConfig:
        """The recipe alone."""
        return RunConfig.model_validate(
            {name: getattr(self, name) for name in RunConfig.model_fields}
        )

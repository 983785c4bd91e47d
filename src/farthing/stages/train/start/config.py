"""Settings of where a run starts."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from farthing.artifacts.config import Config


class GrowConfig(Config):
    """How a model that is larger than what it starts from gets its further layers and experts."""

    layers: Literal["stack", "none"] = Field(
        default="none",
        description="stack repeats the layers between the first and the last ones until there are "
        "enough (G_stack, arXiv 2405.15319)",
    )
    experts: Literal["copy", "none"] = Field(
        default="none",
        description="copy adds copies of the experts and of their router rows, the most important "
        "first (sparse upcycling, arXiv 2212.05055)",
    )
    noise: float = Field(
        default=0.05,
        ge=0,
        description="Gaussian noise on copied experts and their router rows, relative to the "
        "standard deviation of each matrix; the originals stay as they are",
    )

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.layers == self.experts == "none":
            raise ValueError("nothing grows: set layers: stack or experts: copy, or leave it out")
        return self


class DistillConfig(Config):
    """Learning from the model that the run starts from, beside the text."""

    weight: float = Field(
        gt=0,
        le=1,
        description="share of the loss that is the divergence from that model's predictions, all "
        "of it (before anything is cut out), frozen; its forward passes are billed",
    )
    temperature: float = Field(
        default=1.0, gt=0, description="divides the logits that are compared"
    )


class StartConfig(Config):
    """Where a run starts: with the weights of a trained model, whole, cut or grown."""

    model_config = ConfigDict(serialize_by_alias=True)

    from_: str = Field(
        alias="from",
        description="a finished run (a folder under runs/, its start is enough; or any path), or "
        "the folder of an extracted member",
    )
    shape: str | None = Field(
        default=None, description="which member is cut out of it, as 4L-8E-2K; null for all of it"
    )
    optimizer: Literal["fresh", "carried"] = Field(
        default="fresh",
        description="carried takes over the optimizer's state from the last training checkpoint, "
        "cut like the weights",
    )
    first_sequence: Literal["follow", "fresh"] | None = Field(
        default=None,
        description="follow reads on where the model stopped reading, which needs the same "
        "corpus, mixture, context and seed; fresh begins at the first sequence; null follows "
        "where that is possible",
    )
    grow: GrowConfig | None = Field(
        default=None, description="how it becomes a larger model; null keeps its sizes"
    )

    distill: DistillConfig | None = Field(
        default=None, description="how the run learns from it as well; null: from the text alone"
    )

    @model_validator(mode="after")
    def _optimizer_fits(self) -> Self:
        if self.grow is not None and self.optimizer == "carried":
            raise ValueError(
                "optimizer: carried does not fit a grown model: what was copied has no state of "
                "its own; leave it at fresh"
            )
        return self

"""Settings of the mixture: how often training draws from each domain."""

from __future__ import annotations

import itertools
import math
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from farthing.artifacts.config import Config

Weights = dict[str, float]


class PhaseConfig(Config):
    """One stretch of training with weights of its own."""

    until: float = Field(gt=0, le=1, description="share of the run's sequences at its end")
    weights: Weights | None = Field(
        default=None, description="weight of each domain; null for what `by` says"
    )

    _checked = field_validator("weights")(lambda weights: _checked_weights(weights))


class MixtureConfig(Config):
    """How training draws from the domains, unless train.mixture says it."""

    by: Literal["size", "temperature", "hand", "searched"] = Field(
        default="size",
        description="size: each domain for its share of the text; temperature: for its share to "
        "the power of `size_exponent`, which lifts the small ones; hand: by `weights`; searched: "
        "by the weights in the file `searched`",
    )
    size_exponent: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="1 over the temperature of by: temperature: 1 draws by size, 0 evenly",
    )
    weights: Weights | None = Field(
        default=None, description="weight of each domain, for by: hand; need not sum to one"
    )
    searched: str | None = Field(
        default=None,
        description='JSON file with {"weights": {DOMAIN: number}}, for by: searched; its digest '
        "is noted in the corpus",
    )
    phases: tuple[PhaseConfig, ...] = Field(
        default=(),
        description="stretches of the run with weights of their own, the last until 1.0 (the best "
        "text in the decay of the learning rate, for instance); [] for one mixture throughout",
    )
    most_epochs: float = Field(
        default=4.0,
        gt=0,
        description="a warning where training reads a domain more often than this; beyond 4 "
        "readings repeated text helps ever less (arXiv 2305.16264)",
    )

    _checked = field_validator("weights")(lambda weights: _checked_weights(weights))

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.by == "hand") != (self.weights is not None):
            raise ValueError("weights and by: hand go together; a phase has its own `weights`")
        if (self.by == "searched") != (self.searched is not None):
            raise ValueError("the file `searched` and by: searched go together")
        ends = [phase.until for phase in self.phases]
        if ends and (ends[-1] != 1 or any(a >= b for a, b in itertools.pairwise(ends))):
            raise ValueError(f"the phases end at {ends}: ends must rise, and the last must be 1.0")
        return self

    @property
    def stated(self) -> bool:
        """Whether it says anything: by size in one phase is what training does anyway."""
        return self.by != "size" or bool(self.phases)


def _checked_weights(weights: Weights | None) -> Weights | None:
    for name, weight in (weights or {}).items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"the weight of {name} is {weight}; weights are numbers from 0 up")
    if weights is not None and not any(weights.values()):
        raise ValueError("no domain has a weight above 0")
    return weights

"""Settings of elastic training: docs/elastic.md says of each where it comes from."""

from __future__ import annotations

import re
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config

PassKind = Literal["draw", "full", "smallest"]
Weights = tuple[Annotated[float, Field(gt=0)], ...]
_SIZE = re.compile(r"(\d+)L(?:-(\d+)E-(\d+)K)?", re.IGNORECASE)


class Size(NamedTuple):
    """Numbers of layers and of experts, and top-k; None for as many as the supernet has."""

    depth: int
    experts: int | None
    top_k: int | None


class LayerDropoutConfig(Config):
    """How often a layer sits out a step; the mean over layers and elastic steps is `rate`.

    A layer's probability is `rate` x a factor of its place x a factor of the step, each of mean 1
    (`layer_dropout.py` has the formulas). Layer dropout: arXiv 1909.11556 (even), 2404.16710
    (rising with depth), 2010.13369 (rising with time), 2609.05275 (what it saves).
    """

    rate: float = Field(gt=0, lt=1, description="mean probability that a layer is skipped")
    profile: Literal["even", "rising"] = Field(
        default="even", description="over the layers: the same for all, or linear in their depth"
    )
    time: Literal["constant", "rising", "falling"] = Field(
        default="constant", description="over the elastic steps: the same, or linear in them"
    )


class ElasticConfig(Config):
    """How often and how far a step trains less than the whole supernet.

    Each step draws depth, experts and top-k independently and trains one sub-model, as ERNIE 5.0
    does (arXiv 2602.04705, section 3.3). What Baidu did not disclose is a setting here.
    """

    depth_probability: float = Field(
        default=0.25, ge=0, le=1, description="steps with fewer layers"
    )
    depths: tuple[int, ...] = Field(
        default=(), description="layer counts that a reduced step draws from"
    )
    depth_weights: Weights | None = Field(
        default=None, description="how often each of `depths` comes, in proportion; null: evenly"
    )
    experts_probability: float = Field(
        default=0.20, ge=0, le=1, description="steps with fewer experts"
    )
    expert_counts: tuple[int, ...] = Field(
        default=(), description="expert counts that a reduced step draws from"
    )
    expert_count_weights: Weights | None = Field(
        default=None,
        description="how often each of `expert_counts` comes, in proportion; null: evenly",
    )
    top_k_probability: float = Field(
        default=0.20, ge=0, le=1, description="steps with a smaller top-k"
    )
    top_ks: tuple[int, ...] = Field(
        default=(), description="top-k values that a reduced step draws from"
    )
    top_k_weights: Weights | None = Field(
        default=None, description="how often each of `top_ks` comes, in proportion; null: evenly"
    )
    sizes: tuple[str, ...] = Field(
        default=(),
        description="whole sizes, as 4L-8E-2K or 4L, that smaller steps draw from instead of axis "
        "by axis; needs full_probability",
    )
    size_weights: Weights | None = Field(
        default=None, description="how often each of `sizes` comes, in proportion; null: evenly"
    )
    full_probability: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="steps that train the full shape; the others reduce at least one axis, so the "
        "axes' probabilities weigh them against each other. null: axes are drawn independently",
    )
    layer_subset: Literal["middle", "random"] = Field(
        default="middle",
        description="which layers a reduced depth skips: nested from the middle, or any but the "
        "first and last",
    )
    expert_subset: Literal["prefix", "random"] = Field(
        default="prefix",
        description="which experts a reduced count keeps: a nested prefix, or any (then ranked "
        "by routed weight when training ends)",
    )
    restricted_layers: int | None = Field(
        default=None,
        ge=1,
        description="sparse layers that a reduced count restricts, another set each step; the "
        "others keep all experts. null: all layers",
    )
    top_k_scope: Literal["run", "layer"] = Field(
        default="run",
        description="one smaller top-k for all layers of a step, or one for each layer",
    )
    layer_dropout: LayerDropoutConfig | None = Field(
        default=None, description="layers skipped one by one, beside reduced depths; null: none"
    )
    onset: Annotated[float, Field(ge=0, lt=1)] | Literal["decay"] = Field(
        default=0.0,
        description="share of the steps before which all are full; decay: until the learning rate "
        "falls",
    )
    passes: tuple[PassKind, ...] = Field(
        default=("draw",),
        min_length=1,
        description="what a step trains on its batch, each with its forward and backward pass: "
        "draw, full, smallest",
    )
    distill_weight: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the loss by which smaller shapes learn the full shape's output "
        "instead of the text",
    )
    distill_temperature: float = Field(
        default=1.0, gt=0, description="divides the logits that distillation compares"
    )
    balance: Literal["shared", "by_size"] = Field(
        default="shared",
        description="one balancing bias for all shapes, or one for each pair of experts that take "
        "part and top-k",
    )

    @property
    def whole_sizes(self) -> tuple[Size, ...]:
        """`sizes`, read."""
        found = (_SIZE.fullmatch(text.strip()) for text in self.sizes)
        numbers = (each.groups() for each in found if each)
        return tuple(
            Size(int(depth), int(experts) if experts else None, int(top_k) if top_k else None)
            for depth, experts, top_k in numbers
        )

    @property
    def all_expert_counts(self) -> frozenset[int]:
        """Expert counts that some step may draw."""
        whole = (size.experts for size in self.whole_sizes)
        return frozenset(self.expert_counts).union(count for count in whole if count is not None)

    @property
    def all_top_ks(self) -> frozenset[int]:
        """Values of top-k that some step may draw."""
        whole = (size.top_k for size in self.whole_sizes)
        return frozenset(self.top_ks).union(top_k for top_k in whole if top_k is not None)

    def trains_prefixes(self, num_experts: int) -> bool:
        """Whether some step may train a nested prefix of the `num_experts` experts."""
        fewer = any(count < num_experts for count in self.all_expert_counts)
        drawn = "draw" in self.passes and (self.experts_probability > 0 or bool(self.sizes))
        return self.expert_subset == "prefix" and fewer and (drawn or "smallest" in self.passes)

    @model_validator(mode="after")
    def _sizes_stand_alone(self) -> Self:
        if not self.sizes:
            return self
        for text in self.sizes:
            if _SIZE.fullmatch(text.strip()) is None:
                raise ValueError(f"sizes: {text!r} is none; write it as 4L-8E-2K or 4L")
        if len(set(self.whole_sizes)) < len(self.sizes):
            raise ValueError("sizes: one stands there twice; size_weights says how often it comes")
        if self.full_probability is None:
            raise ValueError(
                "sizes need full_probability: the share of the steps that draw none of them"
            )
        listed = (("depths", self.depths), ("expert_counts", self.expert_counts))
        for name, values in (*listed, ("top_ks", self.top_ks)):
            if values:
                raise ValueError(f"sizes stand instead of {name}: leave one of them empty")
        if self.top_k_scope != "run":
            raise ValueError("sizes have one top-k each: set top_k_scope to run")
        return self

    @model_validator(mode="after")
    def _probabilities_have_sizes(self) -> Self:
        if self.sizes:
            return self
        axes = (
            ("depth_probability", self.depth_probability, "depths", self.depths),
            ("experts_probability", self.experts_probability, "expert_counts", self.expert_counts),
            ("top_k_probability", self.top_k_probability, "top_ks", self.top_ks),
        )
        for probability_name, probability, sizes_name, sizes in axes:
            if probability > 0 and not sizes:
                raise ValueError(
                    f"{probability_name} {probability} needs {sizes_name} to draw from"
                )
        return self

    @model_validator(mode="after")
    def _weights_have_sizes(self) -> Self:
        lists: tuple[tuple[str, Weights | None, str, tuple[object, ...]], ...] = (
            ("depth_weights", self.depth_weights, "depths", self.depths),
            (
                "expert_count_weights",
                self.expert_count_weights,
                "expert_counts",
                self.expert_counts,
            ),
            ("top_k_weights", self.top_k_weights, "top_ks", self.top_ks),
            ("size_weights", self.size_weights, "sizes", self.sizes),
        )
        for weights_name, weights, sizes_name, sizes in lists:
            if weights is not None and len(weights) != len(sizes):
                raise ValueError(
                    f"{weights_name} has {len(weights)} entries for the {len(sizes)} of "
                    f"{sizes_name}: give each size one weight"
                )
        return self

    @model_validator(mode="after")
    def _smaller_passes_have_sizes(self) -> Self:
        probabilities = (self.depth_probability, self.experts_probability, self.top_k_probability)
        forced = self.full_probability is not None and self.full_probability < 1
        smaller = any(probabilities) or self.layer_dropout is not None or bool(self.sizes)
        if forced and not smaller:
            raise ValueError(
                f"full_probability {self.full_probability} leaves smaller steps, but nothing makes "
                "them smaller: raise depth_probability, experts_probability or top_k_probability, "
                "or set full_probability to null"
            )
        lists = (self.depths, self.expert_counts, self.top_ks, self.sizes)
        if "smallest" in self.passes and not any(lists):
            raise ValueError(
                "passes has `smallest`, but no list of sizes: fill depths, expert_counts, top_ks "
                "or sizes"
            )
        return self

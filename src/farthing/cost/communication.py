"""Bytes that one rank sends in a step, by what they are for, from an architecture and a layout.

Collectives are counted as rings do them: of n ranks that reduce, gather or scatter N bytes, each
sends (n - 1) / n N; an all-reduce is both, twice that. What is received is as much. Latency, and
what of all this hides behind computation, is no matter of bytes.

D, E, T, P and C are the degrees of the layout, b the bytes of an activation, t the tokens of one
model replica's batch, of which a rank of the sequence computes t / C:

    data        gradients, all-reduced; or weights gathered and gradients scattered where sharded
    expert      per sparse layer: rows to the experts and back, and both again backward
    tensor      per layer: one all-reduce behind attention and one behind the feed-forward block,
                and both again backward
    pipeline    the stream to the next stage, its gradient to the one before
    context     per layer: keys and values around the ring, and backward again with their gradients

Formulas: Megatron-LM (arXiv 1909.08053, 2104.04473), ZeRO (1910.02054), GShard (2006.16668), ring
attention (2310.01889).
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from farthing.artifacts.config import Config
from farthing.cost.architecture import Architecture, LayerGroup
from farthing.cost.parameters import (
    architecture_parameters,
    extra_prediction_parameters,
)
from farthing.cost.traffic import Traffic


class Layout(Config):
    """How a model is spread over ranks: data x tensor x pipeline x context of them.

    Experts are spread inside the data dimension, so `expert` divides `data`.
    """

    data: int = Field(default=1, ge=1, description="replicas of the model")
    expert: int = Field(default=1, ge=1, description="data ranks that share one set of experts")
    tensor: int = Field(default=1, ge=1, description="ranks that share every matrix")
    pipeline: int = Field(default=1, ge=1, description="stages of layers")
    context: int = Field(default=1, ge=1, description="ranks that share a sequence")
    sharding: Literal["none", "states", "weights"] = Field(
        default="none",
        description="of the replicas: none, the optimizer's states (ZeRO 1), or weights, gradients "
        "and states (ZeRO 3, FSDP)",
    )

    @property
    def ranks(self) -> int:
        """All of them."""
        return self.data * self.tensor * self.pipeline * self.context

    @model_validator(mode="after")
    def _experts_fit_into_data(self) -> Self:
        if self.data % self.expert:
            raise ValueError(f"expert {self.expert} does not divide data {self.data}")
        return self


def traffic_per_rank(
    architecture: Architecture,
    layout: Layout,
    *,
    tokens: int,
    activation_bytes: int = 2,
    gradient_bytes: int = 4,
    weight_bytes: int = 2,
) -> dict[str, Traffic]:
    """What the busiest rank sends in one step; `calls` are its collectives or messages.

    Matrices, layers and sequences are taken to divide evenly, and every expert to get as many rows
    as any other; experts of attention stay where their tokens are. Recomputed layers would send
    what their forward pass sends once more.

    Args:
        architecture: what is trained.
        layout: how it is spread.
        tokens: of one replica's batch in one step.
        activation_bytes: of one element between layers: 2 for bf16.
        gradient_bytes: of one element of a gradient that is reduced.
        weight_bytes: of one element of a weight that is gathered.
    """
    sent = {
        "data": _data(architecture, layout, gradient_bytes, weight_bytes),
        "expert": _expert(architecture, layout, tokens, activation_bytes),
        "tensor": _tensor(architecture, layout, tokens, activation_bytes),
        "pipeline": _pipeline(architecture, layout, tokens, activation_bytes),
        "context": _context(architecture, layout, tokens, activation_bytes),
    }
    return {name: Traffic(round(size), calls) for name, (size, calls) in sent.items()}


def _groups(architecture: Architecture) -> tuple[LayerGroup, ...]:
    """All layers that are trained: each further prediction has one more of the last group's."""
    if not architecture.extra_predictions:
        return architecture.groups
    last = architecture.groups[-1]
    further = last.model_copy(update={"count": architecture.extra_predictions})
    return (*architecture.groups, further)


def _layers(architecture: Architecture) -> int:
    return sum(group.count for group in _groups(architecture))


def _data(
    architecture: Architecture, layout: Layout, gradient_bytes: int, weight_bytes: int
) -> tuple[float, int]:
    """Of the weights that all replicas hold, and of the experts that some do."""
    experts = sum(
        group.count * part.expert_weights(architecture.width)
        for group in _groups(architecture)
        for part in group.parts
    )
    total = architecture_parameters(architecture).total
    total += extra_prediction_parameters(architecture)
    of_rank = layout.tensor * layout.pipeline
    size, calls = 0.0, 0
    # Ranks of one sequence hold the same weights, and reduce their gradients together.
    for weights, replicas in (
        ((total - experts) / of_rank, layout.data * layout.context),
        (experts / of_rank / layout.expert, layout.data // layout.expert * layout.context),
    ):
        if replicas == 1 or not weights:
            continue
        gathers, moved = _moved(layout.sharding, weight_bytes, gradient_bytes)
        size += (replicas - 1) / replicas * weights * moved
        calls += gathers
    return size, calls


def _moved(sharding: str, weight_bytes: int, gradient_bytes: int) -> tuple[int, int]:
    """Collectives, and the bytes of one weight that they move, before the share of a ring."""
    if sharding == "none":
        return 1, 2 * gradient_bytes
    if sharding == "states":
        return 2, gradient_bytes + weight_bytes
    # Gathered for the forward and for the backward pass.
    return 3, gradient_bytes + 2 * weight_bytes


def _expert(
    architecture: Architecture, layout: Layout, tokens: int, activation_bytes: int
) -> tuple[float, int]:
    if layout.expert == 1:
        return 0.0, 0
    rows = calls = 0
    for group in _groups(architecture):
        block = group.feed_forward
        if block.kind == "sparse":
            rows += group.count * block.top_k * tokens
            calls += 4 * group.count
    row = architecture.width * activation_bytes
    leaving = (layout.expert - 1) / layout.expert
    size = 4 * rows * row * leaving / layout.context / layout.pipeline
    return size, calls // layout.pipeline


def _tensor(
    architecture: Architecture, layout: Layout, tokens: int, activation_bytes: int
) -> tuple[float, int]:
    if layout.tensor == 1:
        return 0.0, 0
    layers = _layers(architecture) / layout.pipeline
    stream = tokens / layout.context * architecture.width * activation_bytes
    ring = 2 * (layout.tensor - 1) / layout.tensor
    return 4 * layers * stream * ring, round(4 * layers)


def _pipeline(
    architecture: Architecture, layout: Layout, tokens: int, activation_bytes: int
) -> tuple[float, int]:
    # A stage in the middle has a neighbour on both sides; the first and last one only.
    sides = min(layout.pipeline - 1, 2)
    stream = tokens / layout.context * architecture.width * activation_bytes
    return sides * stream, sides


def _context(
    architecture: Architecture, layout: Layout, tokens: int, activation_bytes: int
) -> tuple[float, int]:
    if layout.context == 1:
        return 0.0, 0
    cached = sum(group.count * group.attention.cached for group in _groups(architecture))
    around = (layout.context - 1) / layout.context * tokens
    # Forward once; backward keys and values again, and the gradients of both.
    size = 3 * around * cached * activation_bytes / layout.tensor / layout.pipeline
    return size, 3 * (layout.context - 1) * _layers(architecture) // layout.pipeline

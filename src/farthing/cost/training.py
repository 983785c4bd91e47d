"""What training any architecture computes: on packed documents, with recomputation, a whole run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from farthing.cost.architecture import Architecture, LayerGroup
from farthing.cost.attention import document_pairs
from farthing.cost.flops import TRAINING_PASSES, Pairs, architecture_flops, layer_flops

EXTRA_PREDICTIONS = "extra_predictions"

# Layers whose forward pass runs again in the backward pass, counted from 0 over all groups.
Recomputed = Literal["none", "full"] | Collection[int]


def training_flops_by_part(architecture: Architecture, lengths: Sequence[int]) -> dict[str, int]:
    """Model FLOPs of a forward and a backward pass over one sequence of packed documents.

    Args:
        architecture: what is trained.
        lengths: positions of each document; attention stays inside.
    """
    tokens = sum(lengths)

    def pairs(window: int | None) -> int:
        return document_pairs(lengths, window)

    parts = architecture_flops(architecture, tokens=tokens, pairs=pairs)
    if architecture.extra_predictions:
        parts[EXTRA_PREDICTIONS] = _extra_prediction_flops(architecture, tokens, pairs)
    return {name: TRAINING_PASSES * flops for name, flops in parts.items()}


def training_flops_of(
    architecture: Architecture, *, tokens: float, length: int | None = None
) -> float:
    """Model FLOPs of a run over `tokens` in full sequences without document boundaries.

    Args:
        architecture: what is trained.
        tokens: of the whole run.
        length: of one sequence; None for the architecture's context.
    """
    length = length or architecture.context
    return sum(training_flops_by_part(architecture, (length,)).values()) * (tokens / length)


def hardware_flops(
    architecture: Architecture,
    *,
    tokens: float,
    recomputed: Recomputed,
    length: int | None = None,
) -> float:
    """Model FLOPs of a run and those of the layers that compute their forward pass twice.

    Args:
        architecture: what is trained.
        tokens: of the whole run.
        recomputed: `none`, `full` (every layer, those of extra predictions too; the output product
            never is) or the layers' numbers.
        length: of one sequence; None for the architecture's context.

    Raises:
        ValueError: a layer that is not there.
    """
    length = length or architecture.context
    again = _recomputed_flops(architecture, length, recomputed)
    return training_flops_of(architecture, tokens=tokens, length=length) + again * (tokens / length)


def _recomputed_flops(architecture: Architecture, length: int, recomputed: Recomputed) -> int:
    if recomputed == "none":
        return 0
    groups = [group for group in architecture.groups for _ in range(group.count)]
    if recomputed == "full":
        groups += [architecture.groups[-1]] * architecture.extra_predictions
        chosen: list[LayerGroup] = groups
    else:
        strange = sorted(set(recomputed) - set(range(len(groups))))
        if strange:
            raise ValueError(f"layers {strange} of a model of {len(groups)}")
        chosen = [groups[int(layer)] for layer in set(recomputed)]
    return sum(
        sum(_one_layer(architecture, group, length).values()) * chosen.count(group)
        for group in dict.fromkeys(chosen)
    )


def _one_layer(architecture: Architecture, group: LayerGroup, length: int) -> dict[str, int]:
    return layer_flops(
        architecture,
        group,
        tokens=length,
        pairs=lambda window: document_pairs((length,), window),
    )


def _extra_prediction_flops(architecture: Architecture, tokens: int, pairs: Pairs) -> int:
    """Forward: a product from two streams to one, a layer of the last kind, one more output."""
    layer = layer_flops(architecture, architecture.groups[-1], tokens=tokens, pairs=pairs)
    joined = 2 * tokens * 2 * architecture.width**2
    output = 2 * tokens * architecture.width * architecture.vocabulary
    return architecture.extra_predictions * (sum(layer.values()) + joined + output)

"""What making one more token computes and reads, and what the cache of keys and values holds."""

from __future__ import annotations

from farthing.cost.architecture import Architecture, LayerGroup
from farthing.cost.parameters import architecture_parameters


def decode_flops(architecture: Architecture, context: int) -> int:
    """FLOPs of the forward pass of one token that sees `context` positions, itself included."""
    width = architecture.width
    products = width * architecture.vocabulary
    for group in architecture.groups:
        weights = sum(
            part.common(width) + part.router(width) + part.visited_weights(width)
            for part in group.parts
        )
        core = _seen(group, context) * group.attention.decoded_pair_products
        products += group.count * (weights + core)
    return 2 * products


def cache_bytes(architecture: Architecture, context: int, *, element_bytes: int = 2) -> int:
    """Keys and values of one sequence of `context` positions; windows keep no more than they see.

    Args:
        architecture: what decodes.
        context: positions seen so far.
        element_bytes: of one element: 2 for bf16.
    """
    elements = sum(
        group.count * group.attention.cached * _seen(group, context)
        for group in architecture.groups
    )
    return elements * element_bytes


def decode_bytes(
    architecture: Architecture,
    context: int,
    *,
    weight_bytes: int = 2,
    element_bytes: int = 2,
    sequences: int = 1,
) -> int:
    """The least that one step of `sequences` tokens must read: weights once, every cache.

    Sequences visit different experts: at most as many of each layer's are read as they choose
    together. A row of the embedding is read for each token, not the matrix; a tied one is the
    output matrix, and read as that.

    Args:
        architecture: what decodes.
        context: positions that each token sees, itself included.
        weight_bytes: of one weight: 2 for bf16.
        element_bytes: of one element of the cache.
        sequences: tokens made at once, each of its own sequence.
    """
    width = architecture.width
    count = architecture_parameters(architecture)
    looked_up = width * architecture.learned_positions
    if not architecture.tied:
        looked_up += width * architecture.vocabulary
    read = count.active - looked_up + sequences * width
    for group in architecture.groups:
        for part in group.parts:
            visited = part.visited_weights(width)
            together = min(part.expert_weights(width), sequences * visited)
            read += group.count * (together - visited)
    caches = sequences * cache_bytes(architecture, context, element_bytes=element_bytes)
    return read * weight_bytes + caches


def _seen(group: LayerGroup, context: int) -> int:
    return context if group.window is None else min(context, group.window)

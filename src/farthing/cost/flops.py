"""Exact FLOPs: every matrix product of a forward pass, counted by its shape.

A multiply and an add are two FLOPs. Counted: projections, attention scores and values over the
(query, key) pairs that the causal, window and document masks leave, feed-forward blocks, router,
output matrix. Not counted, as everywhere in the field: norms, activations, softmax, RoPE, embedding
look-ups. Conventions: Megatron-LM's `num_floating_point_operations`, with packed documents as
the sum of their own squares.
"""

from __future__ import annotations

from collections.abc import Callable

from farthing.cost.architecture import Architecture, LayerGroup, architecture_of
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

# Backward costs two products (input gradient, weight gradient) for each one of the forward.
TRAINING_PASSES = 3

# The (query, key) pairs that a layer of this window computes.
Pairs = Callable[[int | None], int]


def architecture_flops(architecture: Architecture, *, tokens: int, pairs: Pairs) -> dict[str, int]:
    """FLOPs of one forward pass: attention, router, experts, feed_forward (dense, shared), output.

    Args:
        architecture: what runs; what it predicts beyond the next token is not in it.
        tokens: positions computed.
        pairs: of a window (None for none), the (query, key) pairs inside documents, the query's
            own position included.
    """
    parts = dict.fromkeys(("attention", "router", "experts", "feed_forward", "output"), 0)
    for group in architecture.groups:
        for name, flops in layer_flops(architecture, group, tokens=tokens, pairs=pairs).items():
            parts[name] += group.count * flops
    parts["output"] = 2 * tokens * architecture.width * architecture.vocabulary
    return parts


def layer_flops(
    architecture: Architecture, group: LayerGroup, *, tokens: int, pairs: Pairs
) -> dict[str, int]:
    """FLOPs of the forward pass of one layer of a group, by part; others as above."""
    width, attention, block = architecture.width, group.attention, group.feed_forward
    projections = attention.common(width) + attention.visited_weights(width)
    core = pairs(group.window) * attention.pair_products
    return {
        "attention": 2 * (tokens * projections + core),
        "router": 2 * tokens * (attention.router(width) + block.router(width)),
        "experts": 2 * tokens * block.visited_weights(width),
        "feed_forward": 2 * tokens * block.common(width),
    }


def forward_flops_by_part(
    config: ModelConfig, vocab_size: int, shape: Shape, *, tokens: int, attended_pairs: int
) -> dict[str, int]:
    """FLOPs of one forward pass of a sub-model, by the parts of `architecture_flops`.

    Args:
        config: the supernet.
        vocab_size: rows of the output matrix.
        shape: what runs.
        tokens: positions computed.
        attended_pairs: (query, key) pairs inside documents, the query's own position included.
    """
    architecture = architecture_of(config, vocab_size, shape)
    return architecture_flops(architecture, tokens=tokens, pairs=lambda _: attended_pairs)


def forward_flops(
    config: ModelConfig, vocab_size: int, shape: Shape, *, tokens: int, attended_pairs: int
) -> int:
    """FLOPs of one forward pass; arguments as `forward_flops_by_part`."""
    parts = forward_flops_by_part(
        config, vocab_size, shape, tokens=tokens, attended_pairs=attended_pairs
    )
    return sum(parts.values())


def training_flops(
    config: ModelConfig, vocab_size: int, shape: Shape, *, tokens: int, attended_pairs: int
) -> int:
    """FLOPs of a forward and a backward pass; nothing is recomputed."""
    return TRAINING_PASSES * forward_flops(
        config, vocab_size, shape, tokens=tokens, attended_pairs=attended_pairs
    )


def flops_per_token(config: ModelConfig, vocab_size: int, shape: Shape) -> float:
    """Forward FLOPs per token over one full context without document boundaries."""
    length = config.context
    pairs = length * (length + 1) // 2
    return forward_flops(config, vocab_size, shape, tokens=length, attended_pairs=pairs) / length


def newton_schulz_flops(rows: int, columns: int, *, iterations: int) -> int:
    """FLOPs to orthogonalise one matrix: X X^T, its square, and their product with X."""
    short, long = sorted((rows, columns))
    return iterations * (4 * short * short * long + 2 * short**3)

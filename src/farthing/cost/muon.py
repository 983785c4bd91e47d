"""FLOPs of Muon's matrix products, from a supernet's sizes alone: before a weight exists.

    muon_step_flops(config, 4096, [Shape.full(config)], step_tokens=8192)

The hidden matrices are those of attention and of the feed-forward blocks, each expert's apart. What
orthogonalising would cost above its share of a step, matrices take turns to save.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from farthing.cost.flops import newton_schulz_flops, training_flops
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

_MOST_TURNS = 4


def muon_step_flops(
    config: ModelConfig,
    vocab_size: int,
    shapes: Sequence[Shape],
    *,
    step_tokens: int,
    iterations: int = 5,
    share: float = 0.25,
) -> float:
    """FLOPs of the optimizer's products in a mean step that trains these shapes.

    Args:
        config: the supernet.
        vocab_size: rows of the output matrix.
        shapes: of the step's passes; an expert counts where one of them keeps it.
        step_tokens: tokens of a step.
        iterations: of Newton-Schulz.
        share: most that orthogonalising may cost, of the model's FLOPs in a full step.
    """
    pairs = step_tokens * (config.context + 1) // 2
    full = training_flops(
        config, vocab_size, Shape.full(config), tokens=step_tokens, attended_pairs=pairs
    )
    whole = sum(
        _layer(config, layer, config.num_experts, iterations) for layer in range(config.num_layers)
    )
    turns = max(1, min(_MOST_TURNS, math.ceil(whole / (share * full))))
    kept = _kept(config, shapes)
    moved = sum(_layer(config, layer, experts, iterations) for layer, experts in kept.items())
    return moved / turns


def _kept(config: ModelConfig, shapes: Sequence[Shape]) -> dict[int, int]:
    """By layer that some shape keeps, how many of its experts some shape keeps."""
    experts: dict[int, set[int]] = {}
    for shape in shapes:
        sparse = iter(shape.experts)
        for layer in shape.layers:
            found = experts.setdefault(layer, set())
            if config.is_sparse(layer):
                entry = next(sparse)
                found.update(range(entry) if isinstance(entry, int) else entry)
    return {layer: len(found) for layer, found in experts.items()}


def _layer(config: ModelConfig, layer: int, experts: int, iterations: int) -> int:
    return sum(
        count * newton_schulz_flops(rows, columns, iterations=iterations)
        for count, rows, columns in _matrices(config, layer, experts)
    )


def _matrices(config: ModelConfig, layer: int, experts: int) -> Iterator[tuple[int, int, int]]:
    """How many hidden matrices of which size a layer has, with so many of its experts."""
    width = config.hidden_dim
    queries = config.num_heads * config.head_dim
    yield 2, queries, width
    yield 2, config.num_kv_heads * config.head_dim, width
    if not config.is_sparse(layer):
        yield config.ffn_matrices, config.dense_ffn_dim, width
        return
    yield 3 * experts, config.expert_dim, width
    if config.shared_dim:
        yield 3, config.shared_dim, width

"""Exact FLOPs: every matrix product of a forward pass, counted by its shape.

A multiply and an add are two FLOPs. Counted: projections, attention scores and values over the
(query, key) pairs that the causal and document masks leave, feed-forward blocks, router, output
matrix. Not counted, as everywhere in the field: norms, activations, softmax, RoPE, embedding
look-ups. Conventions: Megatron-LM's `num_floating_point_operations`, with packed documents as
the sum of their own squares.
"""

from __future__ import annotations

from farthing.model.config import ModelConfig
from farthing.model.shape import Shape

# Backward costs two products (input gradient, weight gradient) for each one of the forward.
TRAINING_PASSES = 3


def forward_flops_by_part(
    config: ModelConfig, vocab_size: int, shape: Shape, *, tokens: int, attended_pairs: int
) -> dict[str, int]:
    """FLOPs of one forward pass: attention, router, experts, feed_forward (dense, shared), output.

    Args:
        config: the supernet.
        vocab_size: rows of the output matrix.
        shape: what runs.
        tokens: positions computed.
        attended_pairs: (query, key) pairs inside documents, the query's own position included.
    """
    width = config.hidden_dim
    projections = 2 * width * config.head_dim * (config.num_heads + config.num_kv_heads)
    core = 2 * config.num_heads * config.head_dim
    router = experts_dim = dense_dim = 0
    for layer in shape.layers:
        if not config.is_sparse(layer):
            dense_dim += config.dense_ffn_dim
            continue
        experts, top_k = shape.selection(layer, config)
        router += width * (experts if isinstance(experts, int) else len(experts))
        experts_dim += top_k * config.expert_dim
        dense_dim += config.shared_dim
    depth = len(shape.layers)
    return {
        "attention": 2 * (tokens * projections + attended_pairs * core) * depth,
        "router": 2 * tokens * router,
        "experts": 2 * tokens * 3 * width * experts_dim,
        # Shared experts are SwiGLU, as all dense blocks of a model that has them.
        "feed_forward": 2 * tokens * config.ffn_matrices * width * dense_dim,
        "output": 2 * tokens * width * vocab_size,
    }


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

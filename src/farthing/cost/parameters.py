"""How many parameters a shape has, and how many of them a token touches."""

from __future__ import annotations

from dataclasses import dataclass

from farthing.model.config import ModelConfig
from farthing.model.shape import Shape


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of one member, as an extracted model would hold them.

    Attributes:
        total: everything on disk, output matrix included.
        active: what one token's forward pass touches: `total` less the experts it does not visit.
        embedding: the embedding and output matrices (one of them when tied) and learned positions.
    """

    total: int
    active: int
    embedding: int

    @property
    def non_embedding(self) -> int:
        """`total` without the embedding and output matrices."""
        return self.total - self.embedding

    @property
    def active_non_embedding(self) -> int:
        """`active` without the embedding and output matrices."""
        return self.active - self.embedding


def count_parameters(config: ModelConfig, vocab_size: int, shape: Shape) -> ParameterCount:
    """Count the weights of `shape`; the balancing bias is state, not a parameter."""
    width = config.hidden_dim
    embedding = width * (vocab_size * (1 if config.tie_embeddings else 2) + (config.longest or 0))
    attention = 2 * width * config.head_dim * (config.num_heads + config.num_kv_heads)
    total = active = embedding + config.outer_norm_weights
    for layer in shape.layers:
        shared = attention + config.layer_norm_weights
        if not config.is_sparse(layer):
            shared += config.ffn_matrices * width * config.dense_ffn_dim
            total, active = total + shared, active + shared
            continue
        experts, top_k = shape.selection(layer, config)
        count = experts if isinstance(experts, int) else len(experts)
        shared += width * count + 3 * width * config.shared_dim
        one_expert = 3 * width * config.expert_dim
        total += shared + count * one_expert
        active += shared + top_k * one_expert
    return ParameterCount(total=total, active=active, embedding=embedding)

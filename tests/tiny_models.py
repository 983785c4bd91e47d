"""Sizes of models that train in a blink, for the tests that do not care which."""

from __future__ import annotations

from farthing.model.config import ModelConfig

TINY = ModelConfig(
    num_layers=4,
    hidden_dim=16,
    num_heads=2,
    num_kv_heads=1,
    head_dim=8,
    dense_ffn_dim=32,
    num_experts=4,
    expert_dim=8,
    top_k=2,
    context=32,
)

# As thin as can be, with many sizes to draw.
MANY_SIZES = ModelConfig(
    num_layers=8,
    num_dense_layers=1,
    hidden_dim=8,
    num_heads=1,
    num_kv_heads=1,
    head_dim=8,
    dense_ffn_dim=8,
    num_experts=16,
    expert_dim=8,
    top_k=4,
    context=8,
)

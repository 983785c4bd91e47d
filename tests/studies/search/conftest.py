"""A small supernet's sizes, and an importance that prefers some of its parts."""

from __future__ import annotations

import pytest

from farthing.model.config import ModelConfig
from farthing.stages.evaluate.importance import Importance


@pytest.fixture(scope="session")
def sizes() -> ModelConfig:
    """Five layers, the first dense; four experts, top-2."""
    return ModelConfig(
        num_layers=5,
        num_dense_layers=1,
        hidden_dim=16,
        num_heads=2,
        num_kv_heads=1,
        head_dim=8,
        dense_ffn_dim=24,
        num_experts=4,
        expert_dim=8,
        num_shared_experts=1,
        top_k=2,
        context=16,
    )


@pytest.fixture(scope="session")
def dense_sizes(sizes: ModelConfig) -> ModelConfig:
    """The same without experts."""
    return sizes.model_copy(update={"num_experts": 0, "expert_dim": 0, "top_k": 0})


@pytest.fixture(scope="session")
def importance() -> Importance:
    """Layers 1 to 3 may go, 2 matters least; experts 1 and 3 score best everywhere."""
    return Importance(
        tokens=64,
        mean_nats=3.0,
        expert_scores=dict.fromkeys(range(1, 5), (0.2, 0.9, 0.1, 0.8)),
        skipped_nats={1: 0.20, 2: 0.02, 3: 0.10},
        turns=dict.fromkeys(range(5), 0.1),
    )


@pytest.fixture(scope="session")
def dense_importance(importance: Importance) -> Importance:
    return importance.model_copy(update={"expert_scores": {}})

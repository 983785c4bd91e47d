"""What the tests of the cost room share: small models, really built."""

import pytest
import torch

from farthing.model.config import ModelConfig
from farthing.model.transformer import Transformer

VOCAB = 37

SPARSE = ModelConfig(
    num_layers=4,
    num_dense_layers=1,
    hidden_dim=24,
    num_heads=4,
    num_kv_heads=2,
    head_dim=10,
    dense_ffn_dim=20,
    num_experts=6,
    expert_dim=9,
    num_shared_experts=2,
    top_k=3,
    context=16,
)
CONFIGS = {
    "sparse": SPARSE,
    "two dense layers, no shared expert": SPARSE.model_copy(
        update={"num_dense_layers": 2, "num_shared_experts": 0}
    ),
    "sparse and tied": SPARSE.model_copy(update={"tie_embeddings": True}),
    "dense": SPARSE.model_copy(update={"num_experts": 0, "top_k": 0}),
    "dense and tied": SPARSE.model_copy(
        update={"num_experts": 0, "top_k": 0, "tie_embeddings": True}
    ),
    "as nanoGPT": SPARSE.model_copy(
        update={
            "num_experts": 0,
            "top_k": 0,
            "tie_embeddings": True,
            "positions": "learned",
            "norm": "layer",
            "qk_norm": False,
            "activation": "gelu",
        }
    ),
    "as nanochat": SPARSE.model_copy(
        update={
            "num_experts": 0,
            "top_k": 0,
            "norm_weights": False,
            "embedding_norm": True,
            "activation": "relu2",
        }
    ),
    "learned norm of the embedding": SPARSE.model_copy(update={"embedding_norm": True}),
}


@pytest.fixture
def vocab():
    return VOCAB


@pytest.fixture
def sparse_config():
    return SPARSE


@pytest.fixture(params=CONFIGS.values(), ids=CONFIGS.keys())
def config(request):
    return request.param


@pytest.fixture
def build():
    def build(config):
        torch.manual_seed(0)
        model = Transformer(config, VOCAB, end_of_text=0)
        for weight in model.parameters():
            torch.nn.init.normal_(weight, std=0.3)
        return model

    return build

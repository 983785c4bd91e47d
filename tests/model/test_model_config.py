"""Sizes that cannot make a model are refused, and say why."""

import subprocess
import sys

import pytest

from farthing.artifacts.config import parse_config
from farthing.errors import ConfigError
from farthing.model.config import ModelConfig

WRONG = {
    "an odd head": ({"head_dim": 7}, "head_dim 7 must be even"),
    "heads that do not divide": ({"num_kv_heads": 3}, "num_heads 4 must be a multiple of"),
    "no top-k": ({"top_k": 0}, "top_k 0 must be between 1 and 6"),
    "more top-k than experts": ({"top_k": 7}, "top_k 7 must be between 1 and 6"),
    "experts without width": ({"expert_dim": 0}, "expert_dim >= 1"),
    "experts without a sparse layer": ({"num_dense_layers": 5}, "num_dense_layers < num_layers"),
    "no layers": ({"num_layers": 0}, "num_layers = 0"),
    "negative experts": ({"num_experts": -1}, "num_experts = -1"),
    "no scale": ({"routed_scale": 0.0}, "routed_scale = 0.0"),
    "a scale that is not a number": ({"routed_scale": float("nan")}, "routed_scale"),
    "a context of one": ({"context": 1}, "context = 1"),
    "a quoted number": ({"num_layers": "5"}, "num_layers = '5'"),
    "a fraction of a layer": ({"num_layers": 4.5}, "num_layers = 4.5"),
    "an unknown key": ({"num_expert": 6}, "did you mean 'num_experts'"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_sizes_that_do_not_fit_are_refused(sparse_config, change, message):
    with pytest.raises(ConfigError) as caught:
        parse_config(ModelConfig, sparse_config.model_dump() | change, where="recipe.yaml")
    assert message in str(caught.value)
    assert "recipe.yaml" in caught.value.what


def test_a_dense_model_needs_no_expert_sizes():
    sizes = {"num_layers": 2, "hidden_dim": 8, "num_heads": 1, "num_kv_heads": 1, "head_dim": 8}
    config = parse_config(
        ModelConfig, sizes | {"dense_ffn_dim": 16, "context": 8}, where="recipe.yaml"
    )
    assert config.first_sparse_layer == 2
    assert not any(config.is_sparse(layer) for layer in range(2))


def test_the_first_sparse_layer_follows_the_dense_ones(sparse_config):
    assert [sparse_config.is_sparse(layer) for layer in range(5)] == [False] + [True] * 4
    no_dense = sparse_config.model_copy(update={"num_dense_layers": 0})
    assert all(no_dense.is_sparse(layer) for layer in range(5))


def test_shared_experts_are_one_block_of_their_summed_width(sparse_config):
    assert sparse_config.shared_dim == 2 * 7


def test_sizes_and_shapes_are_read_without_loading_torch():
    code = "import sys, farthing.model.config, farthing.model.shape; print('torch' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert printed.split() == [b"False"]

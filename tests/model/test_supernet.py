"""A model on disk comes back bit by bit, or not at all."""

import json

import pytest
import torch

from farthing.artifacts.manifest import write_manifest
from farthing.errors import ArtifactError
from farthing.model.shape import Shape
from farthing.model.supernet import open_supernet, save_weights

CPU = torch.device("cpu")


@pytest.fixture
def save(tmp_path):
    def save(model):
        save_weights(model, tmp_path, {"steps": 3})
        (tmp_path / "tokenizer.json").write_text("{}")
        write_manifest(tmp_path, kind="supernet", input_key="0" * 64, detail={})
        return tmp_path

    return save


@pytest.mark.parametrize(
    "changes",
    [{}, {"tie_embeddings": True}, {"num_experts": 0, "top_k": 0}],
    ids=["sparse", "tied", "dense"],
)
def test_a_saved_model_computes_the_same_bits(build, save, draw_tokens, sparse_config, changes):
    model = build(sparse_config.model_copy(update=changes), dtype=torch.float32).eval()
    opened = open_supernet(save(model), kind="supernet", device=CPU)
    assert opened.model.config == model.config
    assert opened.origin == {"steps": 3}
    assert not opened.model.training
    tokens_BT = draw_tokens(2, 8, markers=[(0, 3)])
    texts = ["5L"] if changes.get("num_experts") == 0 else ["5L", "3L-2E-1K"]
    for text in texts:
        shape = Shape.parse(text, model.config)
        assert torch.equal(opened.model(tokens_BT, shape), model(tokens_BT, shape))


def test_rankings_and_balancing_biases_are_saved_with_the_weights(build, save, sparse_config):
    model = build(sparse_config, dtype=torch.float32)
    opened = open_supernet(save(model), kind="supernet", device=CPU).model
    expected, actual = model.state_dict(), opened.state_dict()
    assert {"expert_ranking", "layers.1.mlp.router.balance_bias"} <= expected.keys()
    assert expected.keys() == actual.keys()
    assert all(torch.equal(actual[name], tensor) for name, tensor in expected.items())


def test_a_changed_weight_is_refused_with_the_file(build, save, sparse_config):
    directory = save(build(sparse_config, dtype=torch.float32))
    path = directory / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.safetensors is corrupted"):
        open_supernet(directory, kind="supernet", device=CPU)


def test_weights_of_another_size_are_refused(build, save, sparse_config):
    directory = save(build(sparse_config, dtype=torch.float32))
    config = json.loads((directory / "config.json").read_text())
    config["model"]["num_experts"] = 5
    (directory / "config.json").write_text(json.dumps(config))
    write_manifest(directory, kind="supernet", input_key="0" * 64, detail={})
    with pytest.raises(ArtifactError, match="does not hold this model"):
        open_supernet(directory, kind="supernet", device=CPU)


def test_a_manifest_that_leaves_the_weights_out_is_refused(build, save, sparse_config):
    directory = save(build(sparse_config, dtype=torch.float32))
    weights = directory / "model.safetensors"
    kept = weights.read_bytes()
    weights.unlink()
    write_manifest(directory, kind="supernet", input_key="0" * 64, detail={})
    weights.write_bytes(kept)
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        open_supernet(directory, kind="supernet", device=torch.device("cpu"))

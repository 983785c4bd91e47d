"""The layout that other tools read, against names and values written out by hand."""

from __future__ import annotations

import pytest
import torch

from farthing.errors import ArtifactError
from farthing.model.config import ModelConfig
from farthing.model.huggingface import read_config, read_tensors, write_config, write_tensors_of
from farthing.model.initialize import initialize
from farthing.model.transformer import Transformer

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj", "q_norm", "k_norm")
PROJECTIONS = ("gate_proj", "up_proj", "down_proj")


def sizes(**changes) -> ModelConfig:
    values = {
        "num_layers": 2,
        "hidden_dim": 16,
        "num_heads": 2,
        "num_kv_heads": 1,
        "head_dim": 8,
        "dense_ffn_dim": 24,
        "num_experts": 2,
        "expert_dim": 8,
        "num_shared_experts": 2,
        "top_k": 1,
        "routed_scale": 1.5,
        "context": 16,
        "rope_theta": 500.0,
    }
    return ModelConfig(**(values | changes))


def build(config: ModelConfig) -> Transformer:
    model = Transformer(config, vocab_size=20, end_of_text=3)
    initialize(model, 0)
    source = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for block in model.sparse_blocks():
            block.router.balance_bias.copy_(torch.randn(config.num_experts, generator=source))
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=source))
    return model.eval()


def test_the_tensors_have_the_names_of_glm4_moe():
    block = "model.layers.1.mlp"
    expected = {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"}
    for layer in range(2):
        here = f"model.layers.{layer}"
        expected |= {f"{here}.self_attn.{name}.weight" for name in ATTENTION}
        expected |= {f"{here}.{n}_layernorm.weight" for n in ("input", "post_attention")}
    expected |= {f"model.layers.0.mlp.{name}.weight" for name in PROJECTIONS}
    expected |= {f"{block}.gate.weight", f"{block}.gate.e_score_correction_bias"}
    for name in PROJECTIONS:
        expected |= {f"{block}.experts.{expert}.{name}.weight" for expert in range(2)}
        expected.add(f"{block}.shared_experts.{name}.weight")
    assert write_tensors_of(build(sizes())).keys() == expected


def test_a_dense_model_has_the_names_of_qwen3_and_no_router():
    model = build(sizes(num_experts=0, top_k=0))
    names = write_tensors_of(model).keys()
    assert not any("gate." in name or "experts" in name for name in names)
    assert write_config(model, pad_token=1)["model_type"] == "qwen3"


def test_the_configuration_says_what_readers_otherwise_guess_wrong():
    found = write_config(build(sizes()), pad_token=1)
    # transformers 4 reads RoPE here, and takes half of each head unless told otherwise ...
    assert (found["rope_theta"], found["partial_rotary_factor"]) == (500.0, 1.0)
    # ... and transformers 5 here.
    assert found["rope_parameters"]["rope_theta"] == 500.0
    assert found["rope_parameters"]["partial_rotary_factor"] == 1.0
    assert found["tie_word_embeddings"] is False
    assert found["num_nextn_predict_layers"] == 0
    assert found["head_dim"] == 8
    assert found["n_shared_experts"] == 2
    assert found["moe_intermediate_size"] == 8
    assert found["first_k_dense_replace"] == 1
    assert (found["bos_token_id"], found["eos_token_id"], found["pad_token_id"]) == (3, 3, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_embeddings": True},
        {"num_shared_experts": 0},
        {"num_experts": 0, "top_k": 0},
        {"num_dense_layers": 0},
    ],
    ids=["sparse", "tied", "no shared expert", "dense", "no dense layer"],
)
def test_what_is_written_reads_back_as_the_same_function(changes):
    model = build(sizes(**changes))
    config, vocab_size, end_of_text = read_config(write_config(model, pad_token=1), "here")
    again = Transformer(config, vocab_size, end_of_text)
    again.load_state_dict(read_tensors(write_tensors_of(model), config), strict=True)
    tokens = torch.tensor([[3, 5, 7, 11, 13, 2]])
    with torch.no_grad():
        assert torch.equal(again.eval()(tokens), model(tokens))


def test_tied_embeddings_leave_as_two_matrices():
    tensors = write_tensors_of(build(sizes(tie_embeddings=True)))
    assert torch.equal(tensors["lm_head.weight"], tensors["model.embed_tokens.weight"])


def test_without_a_shared_expert_one_of_zeros_stands_in():
    model = build(sizes(num_shared_experts=0))
    assert write_config(model, pad_token=1)["n_shared_experts"] == 1
    tensors = write_tensors_of(model)
    for name, shape in (("gate_proj", (8, 16)), ("up_proj", (8, 16)), ("down_proj", (16, 8))):
        weight = tensors[f"model.layers.1.mlp.shared_experts.{name}.weight"]
        assert weight.shape == shape
        assert not weight.any()


@pytest.mark.parametrize("change", [{"model_type": "llama"}, {"hidden_size": None}])
def test_another_configuration_is_refused_by_name(change):
    found = write_config(build(sizes()), pad_token=1) | change
    with pytest.raises(ArtifactError, match=r"somewhere/config\.json"):
        read_config(found, "somewhere/config.json")

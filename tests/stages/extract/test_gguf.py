"""A GGUF file against the Hugging Face folder it was made from, read back with gguf's own reader.

The names and keys here are written out by hand, from llama.cpp's side: nothing is taken from the
writer. That engines compute the same is checked with the engines, in tests/exports.
"""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from safetensors.torch import load_file, save_file

from farthing.errors import ArtifactError, MissingExtraError, UsageError
from farthing.stages import extract
from farthing.stages.extract.gguf_file import write_gguf
from farthing.text.tokenizer import byte_vocabulary, train_bpe

HIDDEN, EXPERTS, EXPERT_WIDTH, VOCAB = 64, 3, 48, 264
COMMON = {
    "vocab_size": VOCAB,
    "hidden_size": HIDDEN,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 32,
    "max_position_embeddings": 40,
    "rms_norm_eps": 1e-5,
    "intermediate_size": 96,
    "tie_word_embeddings": False,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
    "rope_parameters": {"rope_type": "default", "rope_theta": 5e4, "partial_rotary_factor": 1.0},
    "rope_theta": 5e4,
    "rope_scaling": None,
}
SPARSE = {
    **COMMON,
    "model_type": "glm4_moe",
    "moe_intermediate_size": EXPERT_WIDTH,
    "n_routed_experts": EXPERTS,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "n_group": 1,
    "num_nextn_predict_layers": 0,
}
DENSE = {**COMMON, "model_type": "qwen3", "use_sliding_window": False}

ATTENTION = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
}
FEED_FORWARD = {f"ffn_{part}": f"mlp.{part}_proj" for part in ("gate", "up", "down")}
ROUTED = {
    "ffn_gate_inp": "mlp.gate",
    **{f"ffn_{part}_shexp": f"mlp.shared_experts.{part}_proj" for part in ("gate", "up", "down")},
}
ALWAYS_F32 = ("norm.weight", "ffn_gate_inp.weight", ".bias")


def tensors_of(config: dict) -> dict[str, torch.Tensor]:
    """Random tensors of every name that transformers' folder of this model has."""
    source = torch.Generator().manual_seed(3)

    def matrix(rows: int, columns: int) -> torch.Tensor:
        return torch.randn((rows, columns), generator=source)

    def ffn(name: str, width: int) -> dict[str, torch.Tensor]:
        return {
            f"{name}.gate_proj.weight": matrix(width, HIDDEN),
            f"{name}.up_proj.weight": matrix(width, HIDDEN),
            f"{name}.down_proj.weight": matrix(HIDDEN, width),
        }

    tensors = {
        "model.embed_tokens.weight": matrix(VOCAB, HIDDEN),
        "model.norm.weight": matrix(1, HIDDEN)[0],
        "lm_head.weight": matrix(VOCAB, HIDDEN),
    }
    for layer in range(2):
        name = f"model.layers.{layer}"
        for part in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"{name}.{part}.weight"] = matrix(1, HIDDEN)[0]
        for part, rows, columns in (("q", 128, 64), ("k", 64, 64), ("v", 64, 64), ("o", 64, 128)):
            tensors[f"{name}.self_attn.{part}_proj.weight"] = matrix(rows, columns)
        for part in ("q", "k"):
            tensors[f"{name}.self_attn.{part}_norm.weight"] = matrix(1, 32)[0]
        if config["model_type"] == "qwen3" or layer == 0:
            tensors |= ffn(f"{name}.mlp", 96)
            continue
        tensors[f"{name}.mlp.gate.weight"] = matrix(EXPERTS, HIDDEN)
        tensors[f"{name}.mlp.gate.e_score_correction_bias"] = matrix(1, EXPERTS)[0]
        tensors |= ffn(f"{name}.mlp.shared_experts", EXPERT_WIDTH)
        for expert in range(EXPERTS):
            tensors |= ffn(f"{name}.mlp.experts.{expert}", EXPERT_WIDTH)
    return tensors


def expected_tensors(folder: Path) -> dict[str, np.ndarray]:
    """The folder's tensors under the names that llama.cpp reads them by."""
    found = load_file(folder / "model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    sparse = config["model_type"] == "glm4_moe"
    expected = {
        "token_embd.weight": found["model.embed_tokens.weight"],
        "output_norm.weight": found["model.norm.weight"],
        "output.weight": found["lm_head.weight"],
    }
    for layer in range(2):
        norm = "post_attention_norm" if sparse else "ffn_norm"
        routed = sparse and layer == 1
        names = (
            ATTENTION | (ROUTED if routed else FEED_FORWARD) | {norm: "post_attention_layernorm"}
        )
        for new, old in names.items():
            expected[f"blk.{layer}.{new}.weight"] = found[f"model.layers.{layer}.{old}.weight"]
        if routed:
            block = f"model.layers.{layer}.mlp"
            expected["blk.1.exp_probs_b.bias"] = found[f"{block}.gate.e_score_correction_bias"]
            for part in ("gate", "up", "down"):
                expected[f"blk.{layer}.ffn_{part}_exps.weight"] = torch.stack(
                    [found[f"{block}.experts.{e}.{part}_proj.weight"] for e in range(EXPERTS)]
                )
    return {name: tensor.numpy() for name, tensor in expected.items()}


@pytest.fixture(params=[SPARSE, DENSE], ids=["glm4_moe", "qwen3"])
def member(request, tmp_path: Path) -> Path:
    return write_member(tmp_path / "member", request.param)


@pytest.fixture
def sparse(tmp_path: Path) -> Path:
    return write_member(tmp_path / "sparse", SPARSE)


def write_member(folder: Path, config: dict) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(byte_vocabulary().export_json())
    save_file(tensors_of(config), folder / "model.safetensors")
    return folder


def converted(member: Path, encoding: str = "F32") -> tuple[dict, dict]:
    """A file's keys with their values, and its tensors with type and values as float32."""
    path = member.parent / "m.gguf"
    write_gguf(member, path, encoding, "a name")
    reader = GGUFReader(path)
    keys = {name: field.contents() for name, field in reader.fields.items()}
    tensors = {
        tensor.name: (tensor.tensor_type.name, dequantize(tensor.data, tensor.tensor_type))
        for tensor in reader.tensors
    }
    return keys, tensors


def test_a_float32_file_holds_every_tensor_as_it_was(member: Path, tmp_path: Path):
    summary = write_gguf(member, tmp_path / "n.gguf", "F32", "m")
    _, tensors = converted(member)
    expected = expected_tensors(member)
    assert tensors.keys() == expected.keys()
    for name, (kind, values) in tensors.items():
        assert kind == "F32", name
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    assert summary.bytes_by_type == {"F32": sum(4 * values.size for values in expected.values())}
    assert summary.file_bytes == (tmp_path / "n.gguf").stat().st_size


def test_a_half_precision_file_keeps_norms_biases_and_routers_whole(member: Path):
    _, tensors = converted(member, "F16")
    for name, values in expected_tensors(member).items():
        kind, found = tensors[name]
        whole = name.endswith(ALWAYS_F32)
        assert kind == ("F32" if whole else "F16"), name
        rounded = values if whole else values.astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(found, rounded, err_msg=name)


def test_an_8_bit_file_is_within_half_a_step_and_says_what_stayed_16_bit(
    sparse: Path, tmp_path: Path
):
    summary = write_gguf(sparse, tmp_path / "n.gguf", "Q8_0", "m")
    _, tensors = converted(sparse, "Q8_0")
    stayed = {name for name, (kind, _) in tensors.items() if kind == "F16"}
    assert stayed == {"blk.1.ffn_down_exps.weight", "blk.1.ffn_down_shexp.weight"}
    assert set(summary.left_unquantized) == stayed
    assert summary.left_unquantized_bytes == 2 * (EXPERTS + 1) * HIDDEN * EXPERT_WIDTH
    for name, values in expected_tensors(sparse).items():
        kind, found = tensors[name]
        if kind == "Q8_0":
            blocks = np.abs(values - found).reshape(-1, 32)
            step = np.abs(values).reshape(-1, 32).max(axis=1) / 127
            # The step itself is stored as a 16-bit number.
            assert (blocks.max(axis=1) <= 0.5 * step * 1.001 + 127 * step * 2**-11).all(), name
    # Both embeddings, 4 matrices of attention in 2 layers, 3 dense, gate and up of both kinds.
    assert sum(kind == "Q8_0" for kind, _ in tensors.values()) == 2 + 8 + 3 + 4


def test_the_keys_say_what_the_configuration_says(sparse: Path):
    keys, _ = converted(sparse, "F16")
    expected = {
        "general.architecture": "glm4moe",
        "general.name": "a name",
        "general.file_type": 1,
        "glm4moe.block_count": 2,
        "glm4moe.context_length": 40,
        "glm4moe.embedding_length": HIDDEN,
        "glm4moe.feed_forward_length": 96,
        "glm4moe.attention.head_count": 4,
        "glm4moe.attention.head_count_kv": 2,
        "glm4moe.attention.key_length": 32,
        "glm4moe.attention.value_length": 32,
        "glm4moe.attention.layer_norm_rms_epsilon": pytest.approx(1e-5),
        "glm4moe.rope.freq_base": 5e4,
        "glm4moe.rope.dimension_count": 32,
        "glm4moe.vocab_size": VOCAB,
        "glm4moe.leading_dense_block_count": 1,
        "glm4moe.expert_count": EXPERTS,
        "glm4moe.expert_used_count": 2,
        "glm4moe.expert_shared_count": 1,
        "glm4moe.expert_feed_forward_length": EXPERT_WIDTH,
        "glm4moe.expert_gating_func": 2,
        "glm4moe.expert_weights_norm": True,
        "glm4moe.expert_weights_scale": 2.5,
    }
    assert {name: keys[name] for name in expected} == expected


def test_a_dense_file_has_no_key_about_experts(tmp_path: Path):
    dense = write_member(tmp_path / "dense", DENSE)
    keys, _ = converted(dense, "F16")
    assert keys["general.architecture"] == "qwen3"
    assert keys["qwen3.attention.head_count"] == 4
    assert not [name for name in keys if "expert" in name or "dense" in name]


def test_the_vocabulary_is_that_of_the_tokenizer(sparse: Path):
    tokenizer = json.loads(train_bpe(["a rose is a rose " * 3], VOCAB - 1).export_json())
    tokenizer["added_tokens"].append({"id": 70, "content": "extra", "special": False})
    (sparse / "tokenizer.json").write_text(json.dumps(tokenizer))
    keys, _ = converted(sparse)
    vocab = {i: text for text, i in tokenizer["model"]["vocab"].items()} | {70: "extra"}
    assert len(vocab) == VOCAB - 1
    tokens = keys["tokenizer.ggml.tokens"]
    assert tokens == [*(vocab[i] for i in range(VOCAB - 1)), f"[PAD{VOCAB - 1}]"]
    control, normal, user, unused = 3, 1, 4, 5
    kinds = [control] * 4 + [normal] * (VOCAB - 5) + [unused]
    kinds[70] = user
    assert keys["tokenizer.ggml.token_type"] == kinds
    assert keys["tokenizer.ggml.merges"] == [
        " ".join(pair) for pair in tokenizer["model"]["merges"]
    ]
    ids = {"bos": 0, "eos": 0, "eot": 3, "padding": 1}
    assert {name: keys[f"tokenizer.ggml.{name}_token_id"] for name in ids} == ids
    assert (keys["tokenizer.ggml.model"], keys["tokenizer.ggml.pre"]) == ("gpt2", "qwen2")


@pytest.mark.parametrize("opens", [True, False])
def test_texts_are_opened_as_tokenizer_json_opens_them(sparse: Path, opens: bool):
    tokenizer = json.loads((sparse / "tokenizer.json").read_text())
    if not opens:
        tokenizer["post_processor"] = None
    (sparse / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert converted(sparse)[0]["tokenizer.ggml.add_bos_token"] is opens


def test_plain_bytes_get_one_merge_that_no_text_can_reach(sparse: Path):
    assert converted(sparse)[0]["tokenizer.ggml.merges"] == ["<|endoftext|> <|endoftext|>"]


def test_tied_embeddings_are_stored_once(tmp_path: Path):
    tied = write_member(tmp_path / "tied", {**DENSE, "tie_word_embeddings": True})
    _, tensors = converted(tied)
    assert "output.weight" not in tensors
    assert "token_embd.weight" in tensors


def test_the_same_folder_gives_the_same_bytes(sparse: Path, tmp_path: Path):
    for name in ("one.gguf", "two.gguf"):
        write_gguf(sparse, tmp_path / name, "Q8_0", "m")
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "llama"}, "a model_type 'llama'"),
        ({"n_shared_experts": 0}, "without shared experts"),
        ({"num_nextn_predict_layers": 1}, "multi-token-prediction"),
        ({"n_group": 2}, "2 groups"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "RoPE of type 'yarn'"),
        ({"rope_scaling": {"factor": 2.0}}, "scaled"),
        ({"use_sliding_window": True}, "sliding-window"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_model_that_llama_cpp_would_run_otherwise_is_refused(
    tmp_path: Path, change: dict, message: str
):
    member = write_member(tmp_path / "member", {**SPARSE, **change})
    with pytest.raises(UsageError, match=message):
        write_gguf(member, tmp_path / "m.gguf", "F32", "m")
    assert not (tmp_path / "m.gguf").exists()


def other_split(tokenizer: dict) -> None:
    tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\p{N}{1,3}"


def closing_token(tokenizer: dict) -> None:
    tokenizer["post_processor"]["single"].append({"SpecialToken": {"id": "<|pad|>", "type_id": 0}})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (other_split, "a pre-tokenizer other than qwen2's"),
        (closing_token, "a post-processor that does more"),
        (lambda tokenizer: tokenizer.update(normalizer={"type": "NFC"}), "normalises text"),
        (lambda tokenizer: tokenizer.update(pre_tokenizer=None), "a pre-tokenizer other than"),
        (lambda tokenizer: tokenizer["model"].update(ignore_merges=True), "byte-level BPE"),
        (lambda tokenizer: tokenizer["model"]["vocab"].update(x=VOCAB), "the token 'x'"),
    ],
    ids=["split", "post-processor", "normalizer", "none", "ignore-merges", "outside"],
)
def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused(
    sparse: Path, tmp_path: Path, spoil, message: str
):
    tokenizer = json.loads((sparse / "tokenizer.json").read_text())
    spoil(tokenizer)
    (sparse / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(UsageError, match=message):
        write_gguf(sparse, tmp_path / "m.gguf", "F32", "m")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_damaged_folder_is_refused(sparse: Path, tmp_path: Path, name: str, damage: str):
    whole = (sparse / name).read_bytes()
    (sparse / name).unlink()
    if damage == "cut":
        (sparse / name).write_bytes(whole[:100])
    with pytest.raises(ArtifactError, match=name):
        write_gguf(sparse, tmp_path / "m.gguf", "F32", "m")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mlp.experts.1.up_proj", "mlp.experts.9.up_proj", "lacks some of its experts"),
        ("mlp.experts.2.up_proj", None, "lacks some of its experts"),
        ("input_layernorm", "mtp", "has no tensor"),
    ],
    ids=["another-expert", "one-expert-less", "unknown"],
)
def test_tensors_that_fit_no_place_are_refused(
    sparse: Path, tmp_path: Path, old: str, new: str | None, message: str
):
    tensors = load_file(sparse / "model.safetensors")
    moved = tensors.pop(f"model.layers.1.{old}.weight")
    if new is not None:
        tensors[f"model.layers.1.{new}.weight"] = moved
    save_file(tensors, sparse / "model.safetensors")
    with pytest.raises(ArtifactError, match=message):
        write_gguf(sparse, tmp_path / "m.gguf", "F32", "m")


def test_a_full_disk_is_named_as_such(sparse: Path):
    with pytest.raises(OSError, match=r".") as found:
        write_gguf(sparse, Path("/dev/full"), "F32", "m")
    assert found.value.errno == errno.ENOSPC


def test_without_the_package_the_remedy_is_the_line_that_installs_it(
    sparse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "gguf", None)
    for name in ("gguf_keys", "gguf_tensors"):
        monkeypatch.delitem(sys.modules, f"farthing.stages.extract.{name}", raising=False)
        monkeypatch.delattr(extract, name, raising=False)
    with pytest.raises(MissingExtraError, match=r'pip install "farthing\[gguf\]"'):
        write_gguf(sparse, tmp_path / "m.gguf", "F32", "m")

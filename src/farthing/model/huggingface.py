"""A model in the layout that other tools read: `glm4_moe` with routed experts, `qwen3` without.

Both directions: what is written here, `read_config` and `read_tensors` bring back. glm4_moe is
this architecture to the letter (grouped queries, QK-norm before half-split RoPE, sigmoid router
with a bias that only selects, shared experts, leading dense layers), so export is a rename. What
readers get wrong in silence, and what prevents it:

- vLLM and SGLang do not tie embeddings: `lm_head.weight` is always a matrix of its own.
- llama.cpp computes nonsense without a shared expert: one with zero weights stands in.
- transformers 4 takes a partial RoPE factor of 0.5 unless it finds it at the top level, where
  transformers 5 no longer looks: RoPE is written in both places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from farthing.errors import ArtifactError, ShapeError
from farthing.model.config import ModelConfig
from farthing.model.transformer import Transformer

SPARSE, DENSE = "glm4_moe", "qwen3"

_ARCHITECTURES = {SPARSE: "Glm4MoeForCausalLM", DENSE: "Qwen3ForCausalLM"}
_ROUTER = {"weight": "gate.weight", "balance_bias": "gate.e_score_correction_bias"}
_EXPERTS = re.compile(r"(layers\.\d+\.mlp)\.experts\.(\w+_proj)")
_EXPERT = re.compile(r"(layers\.\d+\.mlp)\.experts\.(\d+)\.(\w+_proj)\.weight")
_TRAINING_ONLY = ("expert_ranking", ".router.mass", ".router.pair_bias")


# What both layouts take for granted.
_GIVEN = {
    "positions": "rope",
    "norm": "rms",
    "norm_weights": True,
    "qk_norm": True,
    "embedding_norm": False,
    "activation": "swiglu",
}


def check_layout(sizes: ModelConfig) -> None:
    """Refuse a model that neither layout can say.

    Raises:
        ShapeError: it has settings of a dense baseline.
    """
    settings = {name: getattr(sizes, name) for name in _GIVEN}
    other = {name: value for name, value in settings.items() if value != _GIVEN[name]}
    if other:
        words = ", ".join(f"{name}: {value}".lower() for name, value in other.items())
        raise ShapeError(
            f"a model with {words} is none that {SPARSE} or {DENSE} can say: no other tool would "
            "compute it right",
            remedy="it runs in farthing (`farthing generate`, `farthing evaluate`); for a model to "
            "extract, leave these settings at their defaults",
        )


def write_config(model: Transformer, *, pad_token: int) -> dict[str, Any]:
    """The contents of `config.json`."""
    sizes = model.config
    kind = SPARSE if sizes.num_experts else DENSE
    return {
        "architectures": [_ARCHITECTURES[kind]],
        "model_type": kind,
        "vocab_size": model.vocab_size,
        "hidden_size": sizes.hidden_dim,
        "num_hidden_layers": sizes.num_layers,
        "num_attention_heads": sizes.num_heads,
        "num_key_value_heads": sizes.num_kv_heads,
        "head_dim": sizes.head_dim,
        "hidden_act": "silu",
        "intermediate_size": sizes.dense_ffn_dim,
        "max_position_embeddings": sizes.context,
        "rms_norm_eps": sizes.norm_eps,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "tie_word_embeddings": False,
        "bos_token_id": model.end_of_text,
        "eos_token_id": model.end_of_text,
        "pad_token_id": pad_token,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": sizes.rope_theta,
            "partial_rotary_factor": 1.0,
        },
        "rope_theta": sizes.rope_theta,
        "partial_rotary_factor": 1.0,
        "rope_scaling": None,
        "dtype": "float32",
        "torch_dtype": "float32",
        **(_sparse_settings(sizes) if kind == SPARSE else _DENSE_SETTINGS),
    }


_DENSE_SETTINGS: dict[str, Any] = {
    "use_sliding_window": False,
    "sliding_window": None,
}


def _sparse_settings(sizes: ModelConfig) -> dict[str, Any]:
    return {
        "use_qk_norm": True,
        "moe_intermediate_size": sizes.expert_dim,
        "n_routed_experts": sizes.num_experts,
        "n_shared_experts": max(sizes.num_shared_experts, 1),
        "num_experts_per_tok": sizes.top_k,
        "first_k_dense_replace": sizes.num_dense_layers,
        "norm_topk_prob": True,
        "routed_scaling_factor": sizes.routed_scale,
        "n_group": 1,
        "topk_group": 1,
        # The default of 1 would promise a layer for multi-token prediction.
        "num_nextn_predict_layers": 0,
    }


def read_config(data: Mapping[str, Any], where: str) -> tuple[ModelConfig, int, int]:
    """Sizes, vocabulary size and `end_of_text` from the contents of `config.json`.

    Raises:
        ArtifactError: it is not what `write_config` writes.
    """
    try:
        sparse = {SPARSE: True, DENSE: False}[data["model_type"]]
        sizes = ModelConfig(
            num_layers=data["num_hidden_layers"],
            num_dense_layers=data["first_k_dense_replace"] if sparse else 0,
            hidden_dim=data["hidden_size"],
            num_heads=data["num_attention_heads"],
            num_kv_heads=data["num_key_value_heads"],
            head_dim=data["head_dim"],
            dense_ffn_dim=data["intermediate_size"],
            num_experts=data["n_routed_experts"] if sparse else 0,
            expert_dim=data["moe_intermediate_size"] if sparse else 0,
            num_shared_experts=data["n_shared_experts"] if sparse else 0,
            top_k=data["num_experts_per_tok"] if sparse else 0,
            routed_scale=data["routed_scaling_factor"] if sparse else 1.0,
            context=data["max_position_embeddings"],
            rope_theta=data["rope_theta"],
            norm_eps=data["rms_norm_eps"],
        )
        return sizes, int(data["vocab_size"]), int(data["eos_token_id"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{where} is no configuration that farthing wrote: {error!r}",
            remedy="restore it from a copy, or extract the member again",
        ) from error


def write_tensors_of(model: Transformer) -> dict[str, Tensor]:
    """The model's weights under the names and in the pieces of the Hugging Face layout."""
    sizes = model.config
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name.endswith(_TRAINING_ONLY):
            continue
        if stacked := _EXPERTS.fullmatch(name):
            block, projection = stacked.groups()
            for expert, weight in enumerate(tensor):
                tensors[f"model.{block}.experts.{expert}.{projection}.weight"] = weight
        elif ".mlp.router." in name:
            block, _, part = name.rpartition(".router.")
            tensors[f"model.{block}.{_ROUTER[part]}"] = tensor
        else:
            tensors[name if name == "lm_head.weight" else f"model.{name}"] = tensor
    if sizes.num_experts and not sizes.num_shared_experts:
        for layer in range(sizes.first_sparse_layer, sizes.num_layers):
            tensors |= _silent_shared_expert(f"model.layers.{layer}.mlp", sizes)
    return tensors


def silent_parameters(sizes: ModelConfig, sparse_layers: int) -> int:
    """How many zero weights `write_tensors_of` adds to a model with so many sparse layers."""
    return (
        0 if sizes.num_shared_experts else sparse_layers * 3 * sizes.hidden_dim * sizes.expert_dim
    )


def read_tensors(tensors: Mapping[str, Tensor], sizes: ModelConfig) -> dict[str, Tensor]:
    """The state of a `Transformer` of these sizes from what `write_tensors_of` wrote."""
    state: dict[str, Tensor] = {}
    pieces: dict[str, dict[int, Tensor]] = {}
    back = {name: part for part, name in _ROUTER.items()}
    for full_name, tensor in tensors.items():
        name = full_name.removeprefix("model.")
        if piece := _EXPERT.fullmatch(name):
            block, expert, projection = piece.groups()
            pieces.setdefault(f"{block}.experts.{projection}", {})[int(expert)] = tensor
        elif ".mlp.gate." in name:
            block, _, part = name.rpartition(".gate.")
            state[f"{block}.router.{back[f'gate.{part}']}"] = tensor
        else:
            state[name] = tensor
    for name, experts in pieces.items():
        state[name] = torch.stack([experts[expert] for expert in sorted(experts)])
    for layer in range(sizes.first_sparse_layer, sizes.num_layers):
        state[f"layers.{layer}.mlp.router.mass"] = torch.zeros(sizes.num_experts)
    # Experts stand in the order of their importance: a member's ranking is the order itself.
    sparse_layers = sizes.num_layers - sizes.first_sparse_layer
    state["expert_ranking"] = torch.arange(sizes.num_experts).repeat(sparse_layers, 1)
    return state


def _silent_shared_expert(block: str, sizes: ModelConfig) -> dict[str, Tensor]:
    inner = torch.zeros(sizes.expert_dim, sizes.hidden_dim)
    return {
        f"{block}.shared_experts.gate_proj.weight": inner,
        f"{block}.shared_experts.up_proj.weight": inner,
        f"{block}.shared_experts.down_proj.weight": inner.T,
    }

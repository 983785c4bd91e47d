"""The keys of a GGUF file: sizes of the model, and its tokenizer.

What llama.cpp would run otherwise than transformers does is refused, not approximated.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gguf import (
    GGML_QUANT_VERSION,
    MODEL_ARCH_NAMES,
    ExpertGatingFuncType,
    GGUFWriter,
    LlamaFileType,
    TokenType,
)

from farthing.errors import UsageError
from farthing.stages.extract.gguf_tensors import ARCHITECTURES
from farthing.text.tokenizer import QWEN2_SPLIT

Json = Mapping[str, Any]

_FILE_TYPES = {
    "F32": LlamaFileType.ALL_F32,
    "F16": LlamaFileType.MOSTLY_F16,
    "Q8_0": LlamaFileType.MOSTLY_Q8_0,
}
_END_OF_TURN = "<|im_end|>"
_OTHER_ENGINE = "serve the Hugging Face folder itself, with transformers"


def new_writer(config: Json, tokenizer: Json, encoding: str, name: str) -> GGUFWriter:
    """A writer that has all keys and no tensors yet.

    Raises:
        UsageError: the model is of a kind that has no exact GGUF form.
        KeyError: `config` lacks a field.
    """
    _check_model(config)
    _check_tokenizer(tokenizer)
    writer = GGUFWriter(None, MODEL_ARCH_NAMES[ARCHITECTURES[config["model_type"]]])
    writer.add_type("model")
    writer.add_name(name)
    writer.add_file_type(_FILE_TYPES[encoding])
    writer.add_quantization_version(GGML_QUANT_VERSION)
    _add_sizes(writer, config)
    if config["model_type"] == "glm4_moe":
        _add_expert_sizes(writer, config)
    _add_vocabulary(writer, tokenizer, config["vocab_size"])
    _add_special_ids(writer, tokenizer, config)
    return writer


def _check_model(config: Json) -> None:
    kind = config["model_type"]
    if kind not in ARCHITECTURES:
        raise _refusal(f"a model_type {kind!r}; it writes {', '.join(sorted(ARCHITECTURES))}")
    _check_rope(config)
    if config.get("use_sliding_window"):
        raise _refusal("sliding-window attention")
    if kind == "glm4_moe":
        # llama.cpp loads such a model without a word and computes something else.
        if not config["n_shared_experts"]:
            raise _refusal("a glm4_moe without shared experts (a zero-weight one is exact)")
        if config.get("num_nextn_predict_layers"):
            raise _refusal("a model with multi-token-prediction layers")
        if config.get("n_group", 1) != 1:
            raise _refusal(f"routing within {config['n_group']} groups")


def _check_rope(config: Json) -> None:
    kind = _rope(config).get("rope_type", "default")
    if kind != "default" or config.get("rope_scaling"):
        raise _refusal(f"RoPE of type {kind!r}, or scaled")


def _check_tokenizer(tokenizer: Json) -> None:
    model = tokenizer["model"]
    if model["type"] != "BPE" or any(
        model.get(field)
        for field in (
            "byte_fallback",
            "continuing_subword_prefix",
            "dropout",
            "end_of_word_suffix",
            "ignore_merges",
        )
    ):
        raise _refusal("a tokenizer that is not plain byte-level BPE")
    if tokenizer.get("normalizer") is not None:
        raise _refusal("a tokenizer that normalises text")
    # The name `qwen2` stands for this one regular expression, compiled into the engine.
    if _split_rules(tokenizer.get("pre_tokenizer")) != (QWEN2_SPLIT, "Isolated", False, False):
        raise _refusal("a pre-tokenizer other than qwen2's split into byte-level pieces")


def _split_rules(found: Json | None) -> tuple[Any, ...] | None:
    if found is None or found["type"] != "Sequence":
        return None
    steps = found["pretokenizers"]
    if [step["type"] for step in steps] != ["Split", "ByteLevel"]:
        return None
    split, to_bytes = steps
    if split["invert"]:
        return None
    pattern = split["pattern"].get("Regex")
    return pattern, split["behavior"], to_bytes["add_prefix_space"], to_bytes["use_regex"]


def _add_sizes(writer: GGUFWriter, config: Json) -> None:
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    rope = _rope(config)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    writer.add_rope_dimension_count(int(head_dim * rope.get("partial_rotary_factor", 1.0)))
    writer.add_vocab_size(config["vocab_size"])


def _rope(config: Json) -> Json:
    # transformers 5 has one group, 4 has fields of the model; both may be there.
    legacy = {
        field: config[field] for field in ("rope_theta", "partial_rotary_factor") if field in config
    }
    return {**legacy, **(config.get("rope_parameters") or {})}


def _add_expert_sizes(writer: GGUFWriter, config: Json) -> None:
    writer.add_leading_dense_block_count(config["first_k_dense_replace"])
    writer.add_expert_count(config["n_routed_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    writer.add_expert_shared_count(config["n_shared_experts"])
    writer.add_expert_feed_forward_length(config["moe_intermediate_size"])
    writer.add_expert_gating_func(ExpertGatingFuncType.SIGMOID)
    writer.add_expert_weights_norm(config["norm_topk_prob"])
    writer.add_expert_weights_scale(config["routed_scaling_factor"])


def _add_vocabulary(writer: GGUFWriter, tokenizer: Json, vocab_size: int) -> None:
    # A row of the embedding that no token has still needs an entry.
    tokens = [f"[PAD{i}]" for i in range(vocab_size)]
    types = [TokenType.UNUSED] * vocab_size
    ordinary = [(i, text, TokenType.NORMAL) for text, i in tokenizer["model"]["vocab"].items()]
    added = [
        (token["id"], token["content"], _added_type(token)) for token in tokenizer["added_tokens"]
    ]
    for i, text, kind in ordinary + added:
        if not 0 <= i < vocab_size:
            raise _refusal(f"the token {text!r} with the id {i}, of {vocab_size}")
        tokens[i], types[i] = text, kind
    merges = [
        merge if isinstance(merge, str) else " ".join(merge)
        for merge in tokenizer["model"]["merges"]
    ]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    # llama.cpp refuses a vocabulary without merges: plain bytes get one that no text can reach,
    # since pieces grow from single characters.
    writer.add_token_merges(merges or [f"{tokens[0]} {tokens[0]}"])


def _added_type(token: Json) -> TokenType:
    return TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED


def _add_special_ids(writer: GGUFWriter, tokenizer: Json, config: Json) -> None:
    ids = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    end = config.get("eos_token_id")
    end = end[0] if isinstance(end, list) else end
    add = {
        writer.add_bos_token_id: config.get("bos_token_id"),
        writer.add_eos_token_id: end,
        writer.add_eot_token_id: ids.get(_END_OF_TURN),
        writer.add_pad_token_id: config.get("pad_token_id"),
    }
    for method, token_id in add.items():
        if token_id is not None:
            method(token_id)
    writer.add_add_bos_token(_opens_texts(tokenizer.get("post_processor"), config))
    writer.add_add_eos_token(False)


def _opens_texts(post_processor: Json | None, config: Json) -> bool:
    """Whether tokenizer.json puts the first special token before each text, and does no more."""
    if post_processor is None:
        return False
    template = post_processor.get("single", [])
    match [next(iter(piece.items())) for piece in template]:
        case [("SpecialToken", opening), ("Sequence", {"id": "A"})]:
            ids = post_processor["special_tokens"][opening["id"]]["ids"]
            if ids == [config.get("bos_token_id")]:
                return True
    raise _refusal("a post-processor that does more than open each text with the bos token")


def _refusal(what: str) -> UsageError:
    return UsageError(f"the GGUF writer has no exact form for {what}", remedy=_OTHER_ENGINE)

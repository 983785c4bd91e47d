"""The kinds of member that an export has to get right, as tiny supernets of random weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch
from texts import HELD_OUT, PLAIN_STRINGS
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import models, pre_tokenizers, trainers

from farthing.artifacts.manifest import write_manifest
from farthing.model.config import ModelConfig
from farthing.model.supernet import Supernet, open_supernet, save_weights
from farthing.model.transformer import Transformer
from farthing.text.tokenizer import SPECIAL_TOKENS, Tokenizer, byte_vocabulary

SIZES = {
    "num_layers": 4,
    "hidden_dim": 64,
    "num_heads": 4,
    "num_kv_heads": 2,
    "head_dim": 32,
    "dense_ffn_dim": 96,
    "num_experts": 8,
    "expert_dim": 32,
    "top_k": 2,
    "context": 96,
}
BPE_SIZE = 900


@dataclass(frozen=True)
class Kind:
    """A member, and where its supernet differs from SIZES."""

    shape: str
    sizes: dict = field(default_factory=dict)
    bytes_only: bool = False


KINDS = {
    "uniform": Kind("4L-4E-2K", {"routed_scale": 2.5, "rope_theta": 5e4, "norm_eps": 1e-5}),
    "whole": Kind("4L-8E-2K", {"num_shared_experts": 2}),
    "layers-skipped": Kind("layers=0,2-3/experts=8/top_k=2"),
    "no-dense-layer": Kind("layers=1,3/experts=4/top_k=2"),
    "expert-ids": Kind("layers=0-3/experts=e0+3+7,e1+2+5,e2+3+4/top_k=2"),
    "padded-counts": Kind("layers=0-3/experts=8,4,3/top_k=2"),
    "no-shared-expert": Kind("4L-8E-2K", {"num_shared_experts": 0}),
    "tied": Kind("4L-8E-2K", {"tie_embeddings": True}),
    # 48 is the quick start's expert width: no multiple of the 32 numbers in a Q8_0 block.
    "six-experts-bytes": Kind("3L-6E-3K", {"num_experts": 6, "expert_dim": 48}, bytes_only=True),
    "dense": Kind("3L", {"num_experts": 0, "num_layers": 3}),
    "dense-layers-only": Kind("layers=0-1", {"num_dense_layers": 2}),
}


def random_supernet(folder: Path, kind: Kind, seed: int) -> Supernet:
    """A supernet whose router chooses and whose tokens depend on all that stands before them."""
    sizes = ModelConfig(**{**SIZES, **kind.sizes})
    tokenizer = byte_vocabulary() if kind.bytes_only else _bpe()
    model = Transformer(sizes, tokenizer.vocab_size, tokenizer.end_of_text)
    fill(model, torch.Generator().manual_seed(seed))
    save_weights(model, folder, {"corpus": "none", "tokenizer": tokenizer.fingerprint})
    tokenizer.save(folder)
    write_manifest(folder, kind="supernet", input_key="conformance", detail={})
    return open_supernet(folder, kind="supernet", device=torch.device("cpu"))


@torch.no_grad()
def fill(model: Transformer, source: torch.Generator) -> None:
    """Weights large enough that every part of the model shows in its logits."""
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=source)
        if "norm" in name:
            weight.copy_(1 + 0.2 * noise)
        elif name.startswith(("embed_tokens", "lm_head")):
            weight.copy_(noise * (2 / weight.shape[-1] ** 0.5))
        else:
            weight.copy_(noise * (1.5 / weight.shape[-1] ** 0.5))
    # Never the likeliest: a greedy continuation then goes on for as long as it is compared.
    model.lm_head.weight[: len(SPECIAL_TOKENS)] *= 0.01
    for place, block in enumerate(model.sparse_blocks()):
        bias = block.router.balance_bias
        bias.copy_(0.2 * torch.randn(bias.shape, generator=source))
        model.expert_ranking[place] = torch.randperm(len(bias), generator=source)


@cache
def _bpe() -> Tokenizer:
    """Merges learned across every boundary, then the real split: a piece cut elsewhere shows.

    An honest vocabulary this small would give the right ids under many a wrong split.
    """
    found = json.loads(byte_vocabulary().export_json())
    inner = HfTokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=BPE_SIZE,
        show_progress=False,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    inner.train_from_iterator([*HELD_OUT, *PLAIN_STRINGS], trainer=trainer)
    found["model"] = json.loads(inner.to_str())["model"]
    return Tokenizer(json.dumps(found))

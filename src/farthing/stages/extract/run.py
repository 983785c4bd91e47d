"""Extraction: supernet and shape in, a standalone model in the Hugging Face layout out.

config.json, generation_config.json      what transformers, vLLM and the others build from
model.safetensors                        fp32
tokenizer.json, tokenizer_config.json
README.md, .eval_results/                the model card, and its scores as data
manifest.json                            digests of all these, and the member's origin
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.model.huggingface import write_config, write_tensors_of
from farthing.model.member import KIND
from farthing.model.shape import Shape
from farthing.model.supernet import CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME, Supernet
from farthing.model.tensors import write_tensors
from farthing.model.transformer import Transformer
from farthing.stages.extract.card import CardFacts, write_card
from farthing.stages.extract.cut import cut, padding_parameters
from farthing.text.tokenizer import END_OF_TEXT, PAD, SPECIAL_TOKENS, Tokenizer

GENERATION_NAME = "generation_config.json"
TOKENIZER_CONFIG_NAME = "tokenizer_config.json"


def extract(
    supernet: Supernet,
    shape: Shape,
    *,
    directory: Path,
    input_key: str,
    name: str,
    facts: CardFacts | None = None,
) -> Manifest:
    """Write the member `shape` of `supernet` into `directory`.

    Args:
        supernet: the opened parent.
        shape: which part of it.
        directory: of the new artifact.
        input_key: of the new artifact.
        name: of the model, for people.
        facts: what its card says beyond what the supernet knows of itself.

    Raises:
        ShapeError: a shape that no layout outside farthing can hold (see `member_config`).
        WorkspaceError: the disk is full or not writable.
    """
    member = cut(supernet.model, shape)
    tokenizer = Tokenizer.load(supernet.directory)
    origin = {**supernet.origin, "parent": supernet.digest, "shape": str(shape)}
    with staged_directory(directory) as staged:
        _write_model(member, tokenizer, staged)
        padding = padding_parameters(supernet.model.config, shape)
        write_card(staged, name, supernet, shape, padding, facts or CardFacts())
        return write_manifest(
            staged,
            kind=KIND,
            input_key=input_key,
            detail={
                "parent": supernet.digest,
                "shape": str(shape),
                "padding_parameters": padding,
                "origin": origin,
            },
        )


def _write_model(member: Transformer, tokenizer: Tokenizer, staged: Path) -> None:
    write_tensors(staged / WEIGHTS_NAME, write_tensors_of(member))
    _write_json(staged / CONFIG_NAME, write_config(member, pad_token=tokenizer.pad))
    ids = {
        "bos_token_id": tokenizer.end_of_text,
        "eos_token_id": tokenizer.end_of_text,
        "pad_token_id": tokenizer.pad,
    }
    _write_json(staged / GENERATION_NAME, ids)
    (staged / TOKENIZER_NAME).write_text(tokenizer.export_json(), encoding="utf-8")
    _write_json(staged / TOKENIZER_CONFIG_NAME, _tokenizer_config(member.config.context))


def _tokenizer_config(context: int) -> dict[str, Any]:
    # By hand: what transformers 5 saves, transformers 4 cannot read.
    others = [token for token in SPECIAL_TOKENS if token not in (END_OF_TEXT, PAD)]
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": PAD,
        "additional_special_tokens": others,
        "model_max_length": context,
        # transformers 4 adds token types otherwise, which this model does not take.
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")

"""A trained supernet (or an extracted member) on disk: weights, sizes, and where it came from.

manifest.json
model.safetensors     weights and router state, Hugging Face style names
config.json           sizes, vocabulary, and what the maker adds (corpus digest, steps, ...)
tokenizer.json
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from farthing.artifacts.config import parse_config
from farthing.artifacts.manifest import Manifest, read_manifest, verify_files
from farthing.errors import ArtifactError
from farthing.model.config import ModelConfig
from farthing.model.tensors import write_tensors
from farthing.model.transformer import Transformer

WEIGHTS_NAME = "model.safetensors"
CONFIG_NAME = "config.json"
TOKENIZER_NAME = "tokenizer.json"


@dataclass(frozen=True)
class Supernet:
    """An opened model.

    Attributes:
        directory: where it stands; its tokenizer is there too.
        manifest: what it says about itself.
        model: the weights, in evaluation mode.
        origin: what its maker noted: corpus digest, steps, tokens, parent.
    """

    directory: Path
    manifest: Manifest
    model: Transformer
    origin: dict[str, Any]

    @property
    def digest(self) -> str:
        """The content digest: equal digests, equal weights."""
        return self.manifest.content_digest


def save_weights(model: Transformer, directory: Path, origin: Mapping[str, Any]) -> None:
    """Write weights and configuration into `directory` (staged by the caller)."""
    write_tensors(directory / WEIGHTS_NAME, _tensors(model))
    config = {
        "model": model.config.model_dump(mode="json"),
        "vocab_size": model.vocab_size,
        "end_of_text": model.end_of_text,
        "origin": dict(origin),
    }
    text = json.dumps(config, indent=1, sort_keys=True) + "\n"
    (directory / CONFIG_NAME).write_text(text, encoding="utf-8")


def open_supernet(directory: Path, *, kind: str, device: torch.device) -> Supernet:
    """Open a model after comparing every file with its digest.

    Raises:
        ArtifactError: it is missing, unfinished, changed or damaged.
    """
    manifest = read_manifest(directory, kind=kind)
    verify_files(directory, manifest, required=(WEIGHTS_NAME, CONFIG_NAME, TOKENIZER_NAME))
    config = json.loads((directory / CONFIG_NAME).read_text(encoding="utf-8"))
    sizes = parse_config(ModelConfig, config["model"], where=str(directory / CONFIG_NAME))
    model = Transformer(sizes, config["vocab_size"], config["end_of_text"])
    load_weights(model, directory / WEIGHTS_NAME)
    return Supernet(directory, manifest, model.to(device).eval(), config["origin"])


def load_weights(model: Transformer, path: Path) -> None:
    """Fill `model` from a safetensors file.

    Raises:
        ArtifactError: the file is damaged or holds other tensors than the model.
    """
    try:
        tensors = load_file(path)
        if model.config.tie_embeddings:
            tensors["lm_head.weight"] = tensors["embed_tokens.weight"]
        model.load_state_dict(tensors, strict=True)
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise ArtifactError(
            f"{path} does not hold this model: {str(error).splitlines()[0]}",
            remedy="restore the file from a copy, or train again",
        ) from error


def _tensors(model: Transformer) -> dict[str, torch.Tensor]:
    tensors = dict(model.state_dict())
    if model.config.tie_embeddings:
        # One matrix under two names: the format refuses shared memory, and one copy is enough.
        del tensors["lm_head.weight"]
    return tensors

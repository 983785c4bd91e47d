"""An extracted member on disk, in the Hugging Face layout, and how farthing reads it back."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from farthing.artifacts.manifest import read_manifest, verify_files
from farthing.errors import ArtifactError
from farthing.model.huggingface import read_config, read_tensors
from farthing.model.supernet import CONFIG_NAME, TOKENIZER_NAME, WEIGHTS_NAME, Supernet
from farthing.model.transformer import Transformer

KIND = "member"


def open_member(directory: Path, *, device: torch.device) -> Supernet:
    """Open an extracted member after comparing every file with its digest.

    Raises:
        ArtifactError: it is missing, unfinished, changed or damaged.
    """
    manifest = read_manifest(directory, kind=KIND)
    verify_files(directory, manifest, required=(WEIGHTS_NAME, CONFIG_NAME, TOKENIZER_NAME))
    where = directory / CONFIG_NAME
    sizes, vocab_size, end_of_text = read_config(json.loads(where.read_bytes()), str(where))
    model = Transformer(sizes, vocab_size, end_of_text)
    try:
        model.load_state_dict(read_tensors(load_file(directory / WEIGHTS_NAME), sizes))
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise ArtifactError(
            f"{directory / WEIGHTS_NAME} does not hold this model: {str(error).splitlines()[0]}",
            remedy="restore the file from a copy, or extract the member again",
        ) from error
    return Supernet(directory, manifest, model.to(device).eval(), manifest.detail["origin"])

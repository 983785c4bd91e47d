"""A small supernet on bytes, as an artifact on disk, and benchmarks of one's own beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from farthing.artifacts.manifest import write_manifest
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.supernet import Supernet, open_supernet, save_weights
from farthing.model.transformer import Transformer
from farthing.text.tokenizer import Tokenizer, byte_vocabulary

CONTEXT = 40
DEFINITION = """
name: {name}
title: Mine
language: en
form: multiple_choice
context: "Q: {{question}}\\nA:"
choices_field: choices
answer: {{field: label}}
group: "{{part}}"
source: made up
licence: CC0-1.0
"""


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return byte_vocabulary()


@pytest.fixture(scope="session")
def supernet(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer) -> Supernet:
    sizes = ModelConfig(
        num_layers=3,
        hidden_dim=16,
        num_heads=2,
        num_kv_heads=1,
        head_dim=8,
        dense_ffn_dim=24,
        num_experts=4,
        expert_dim=8,
        top_k=2,
        context=CONTEXT,
    )
    model = Transformer(sizes, tokenizer.vocab_size, tokenizer.end_of_text)
    initialize(model, 0)
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        # Zero output matrices make every token equally likely: give them weight to tell apart.
        for weight in model.parameters():
            if not weight.any():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=draws))
    folder = tmp_path_factory.mktemp("supernet")
    save_weights(model, folder, {"tokenizer": tokenizer.fingerprint})
    tokenizer.save(folder)
    write_manifest(folder, kind="supernet", input_key="0" * 64, detail={})
    return open_supernet(folder, kind="supernet", device=torch.device("cpu"))


Writer = Callable[..., Path]


@pytest.fixture
def own_benchmark(tmp_path: Path) -> Writer:
    """Writes NAME.yaml and NAME.jsonl; returns their folder."""

    def write(rows: list[dict], name: str = "mine", **changes: object) -> Path:
        folder = tmp_path / "benchmarks"
        folder.mkdir(exist_ok=True)
        kept = DEFINITION.format(name=name).strip().split("\n")
        text = "\n".join(line for line in kept if line.split(":")[0] not in changes) + "\n"
        text += "".join(f"{key}: {json.dumps(value)}\n" for key, value in changes.items())
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        return folder

    return write

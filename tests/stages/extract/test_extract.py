"""A member cut out of its supernet gives the supernet's logits at that shape, bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from farthing.artifacts.manifest import write_manifest
from farthing.cost.parameters import count_parameters
from farthing.errors import ArtifactError, ShapeError
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet, open_supernet, save_weights
from farthing.model.transformer import Transformer
from farthing.stages.extract.run import extract
from farthing.text.tokenizer import byte_vocabulary

CPU = torch.device("cpu")


@pytest.fixture
def supernet(tmp_path: Path) -> Supernet:
    sizes = ModelConfig(
        num_layers=5,
        hidden_dim=16,
        num_heads=2,
        num_kv_heads=1,
        head_dim=8,
        dense_ffn_dim=24,
        num_experts=6,
        expert_dim=8,
        top_k=3,
        context=16,
    )
    tokenizer = byte_vocabulary()
    model = Transformer(sizes, tokenizer.vocab_size, tokenizer.end_of_text)
    initialize(model, 0)
    source = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in model.parameters():
            if not weight.any():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=source))
        for place, block in enumerate(model.sparse_blocks()):
            block.router.balance_bias.copy_(torch.randn(6, generator=source))
            model.expert_ranking[place] = torch.randperm(6, generator=source)
    folder = tmp_path / "supernet"
    folder.mkdir()
    save_weights(model, folder, {"corpus": "c", "tokenizer": tokenizer.fingerprint})
    tokenizer.save(folder)
    write_manifest(folder, kind="supernet", input_key="k", detail={})
    return open_supernet(folder, kind="supernet", device=CPU)


@pytest.mark.parametrize(
    "text",
    [
        "5L-6E-3K",
        "5L-3E-2K",
        "3L-2E-1K",
        "layers=0,2-3/experts=4/top_k=2",
        "layers=0-2/experts=e0+5,e1+3/top_k=1",
        "layers=0",
        "layers=1,3/experts=2/top_k=2",
    ],
)
def test_a_member_gives_the_logits_of_its_parent_at_that_shape(supernet, tmp_path: Path, text: str):
    shape = Shape.parse(text, supernet.model.config)
    extract(supernet, shape, directory=tmp_path / "member", input_key="k")
    member = open_supernet(tmp_path / "member", kind="member", device=CPU)
    tokens = torch.randint(0, supernet.model.vocab_size, (3, 16))
    with torch.no_grad():
        assert torch.equal(member.model(tokens), supernet.model(tokens, shape))
    count = count_parameters(supernet.model.config, supernet.model.vocab_size, shape)
    assert sum(weight.numel() for weight in member.model.parameters()) == count.total
    assert member.origin["parent"] == supernet.digest
    assert member.origin["shape"] == str(shape)


def test_a_member_of_a_member_is_the_member_of_the_supernet(supernet, tmp_path: Path):
    config = supernet.model.config
    first = Shape.parse("5L-4E-2K", config)
    extract(supernet, first, directory=tmp_path / "first", input_key="k")
    middle = open_supernet(tmp_path / "first", kind="member", device=CPU)
    extract(
        middle,
        Shape.parse("5L-2E-1K", middle.model.config),
        directory=tmp_path / "second",
        input_key="k",
    )
    last = open_supernet(tmp_path / "second", kind="member", device=CPU)
    tokens = torch.randint(0, supernet.model.vocab_size, (2, 16))
    with torch.no_grad():
        straight = supernet.model(tokens, Shape.parse("5L-2E-1K", config))
        assert torch.equal(last.model(tokens), straight)


@pytest.mark.parametrize(
    "text", ["layers=0-2/experts=4,3/top_k=1", "layers=0-2/experts=4/top_k=2,1"]
)
def test_a_member_that_differs_between_layers_says_where_it_can_run(
    supernet, tmp_path: Path, text: str
):
    shape = Shape.parse(text, supernet.model.config)
    with pytest.raises(ShapeError, match="farthing generate --shape"):
        extract(supernet, shape, directory=tmp_path / "member", input_key="k")
    assert not (tmp_path / "member").exists()


def test_a_damaged_model_is_refused(supernet):
    path = supernet.directory / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match=r"model\.safetensors is corrupted"):
        open_supernet(supernet.directory, kind="supernet", device=CPU)

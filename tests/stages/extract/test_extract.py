"""A member cut out of its supernet gives the supernet's logits at that shape."""

from __future__ import annotations

from pathlib import Path

import pytest
import tokenizers
import torch

from farthing.artifacts.manifest import write_manifest
from farthing.cost.parameters import count_parameters
from farthing.errors import ArtifactError, ShapeError
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.member import open_member
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet, open_supernet, save_weights
from farthing.model.transformer import Transformer
from farthing.stages.extract.run import extract
from farthing.text.tokenizer import byte_vocabulary

CPU = torch.device("cpu")


def close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    # The router's product sums in another order where the experts stand in another one.
    torch.testing.assert_close(actual, expected, rtol=0, atol=2e-5)


@pytest.fixture(params=[(), ((6, 2), (3, 2), (2, 1))], ids=["shared bias", "bias by size"])
def supernet(tmp_path: Path, request: pytest.FixtureRequest) -> Supernet:
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
        balance_pairs=request.param,
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
            if request.param:
                block.router.pair_bias.copy_(torch.randn(3, 6, generator=source))
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
        "layers=0-2/experts=4,3/top_k=1",
        "layers=0-3/experts=e5,e1+3,6/top_k=1",
    ],
)
def test_a_member_gives_the_logits_of_its_parent_at_that_shape(supernet, tmp_path: Path, text: str):
    shape = Shape.parse(text, supernet.model.config)
    extract(supernet, shape, directory=tmp_path / "member", input_key="k", name="m")
    member = open_member(tmp_path / "member", device=CPU)
    source = torch.Generator().manual_seed(5)
    tokens = torch.randint(0, supernet.model.vocab_size, (3, 16), generator=source)
    with torch.no_grad():
        close(member.model(tokens), supernet.model(tokens, shape))
    count = count_parameters(supernet.model.config, supernet.model.vocab_size, shape)
    stored = sum(weight.numel() for weight in member.model.parameters())
    assert stored == count.total + member.manifest.detail["padding_parameters"]
    assert member.origin["parent"] == supernet.digest
    assert member.origin["shape"] == str(shape)


# With biases by size, a member has kept its own alone.
@pytest.mark.parametrize("supernet", [()], indirect=True)
def test_a_member_of_a_member_is_the_member_of_the_supernet(supernet, tmp_path: Path):
    config = supernet.model.config
    first = Shape.parse("5L-4E-2K", config)
    extract(supernet, first, directory=tmp_path / "first", input_key="k", name="m")
    middle = open_member(tmp_path / "first", device=CPU)
    extract(
        middle,
        Shape.parse("5L-2E-1K", middle.model.config),
        directory=tmp_path / "second",
        input_key="k",
        name="m",
    )
    last = open_member(tmp_path / "second", device=CPU)
    source = torch.Generator().manual_seed(6)
    tokens = torch.randint(0, supernet.model.vocab_size, (2, 16), generator=source)
    with torch.no_grad():
        straight = supernet.model(tokens, Shape.parse("5L-2E-1K", config))
        close(last.model(tokens), straight)


def test_layers_with_fewer_experts_are_filled_up_and_the_price_is_stated(supernet, tmp_path: Path):
    shape = Shape.parse("layers=0-3/experts=4,3,1/top_k=1", supernet.model.config)
    extract(supernet, shape, directory=tmp_path / "member", input_key="k", name="m")
    member = open_member(tmp_path / "member", device=CPU)
    assert member.model.config.num_experts == 4
    count = count_parameters(supernet.model.config, supernet.model.vocab_size, shape)
    stored = sum(weight.numel() for weight in member.model.parameters())
    # Four experts are missing; each would be three 16 x 8 matrices and a row of the router.
    assert stored - count.total == 4 * (3 * 16 * 8 + 16)
    assert member.manifest.detail["padding_parameters"] == stored - count.total
    card = (tmp_path / "member" / "README.md").read_text(encoding="utf-8")
    assert f"{stored - count.total:,} parameters of memory" in card


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers=0-2/experts=4/top_k=2,1", "one top-k for all its layers"),
        ("layers=0-2/experts=1/top_k=1", "a router needs two"),
    ],
)
def test_a_member_that_no_file_format_holds_says_where_it_can_run(
    supernet, tmp_path: Path, text: str, message: str
):
    shape = Shape.parse(text, supernet.model.config)
    with pytest.raises(ShapeError, match=message) as caught:
        extract(supernet, shape, directory=tmp_path / "member", input_key="k", name="m")
    assert "farthing generate --shape" in caught.value.remedy
    assert not (tmp_path / "member").exists()


def test_the_experts_of_a_member_stand_in_the_order_of_their_importance(supernet, tmp_path: Path):
    shape = Shape.parse("5L-3E-2K", supernet.model.config)
    extract(supernet, shape, directory=tmp_path / "member", input_key="k", name="m")
    member = open_member(tmp_path / "member", device=CPU)
    for place, (mine, parents) in enumerate(
        zip(member.model.sparse_blocks(), supernet.model.sparse_blocks(), strict=True)
    ):
        best = supernet.model.expert_ranking[place][:3]
        assert torch.equal(mine.experts.up_proj, parents.experts.up_proj[best])


def test_the_tokenizer_opens_texts_as_training_did_and_reads_the_same_tokens(
    supernet, tmp_path: Path
):
    shape = Shape.full(supernet.model.config)
    extract(supernet, shape, directory=tmp_path / "member", input_key="k", name="m")
    theirs = tokenizers.Tokenizer.from_file(str(tmp_path / "member" / "tokenizer.json"))
    ours = byte_vocabulary()
    for text in ("Once upon a time", "却说那日天色已晚", "\r\n\t 12,345 \u00e9"):
        assert theirs.encode(text).ids == [ours.end_of_text, *ours.encode(text)]
        assert theirs.encode(text, add_special_tokens=False).ids == ours.encode(text)


def test_a_damaged_model_is_refused(supernet):
    path = supernet.directory / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArtifactError, match=r"model\.safetensors is corrupted"):
        open_supernet(supernet.directory, kind="supernet", device=CPU)

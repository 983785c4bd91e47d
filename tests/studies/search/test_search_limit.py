"""Amounts against the files that extraction writes and against counted parameters."""

from __future__ import annotations

from pathlib import Path

import pytest

from farthing.errors import ConfigError
from farthing.model.huggingface import write_tensors_of
from farthing.model.shape import Shape
from farthing.model.tensors import write_tensors
from farthing.model.transformer import Transformer
from farthing.stages.extract.cut import cut
from farthing.studies.search.limit import Limit, exact_amount, weight_bytes

VOCAB = 40
SHAPES = ("5L-4E-2K", "3L-2E-1K", "layers=0,2-4/experts=4,2,e1+2+3/top_k=2")


@pytest.mark.parametrize("text", SHAPES)
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("shared", [0, 1, 2])
def test_weight_bytes_are_those_of_the_extracted_member(
    sizes, text: str, tied: bool, shared: int, tmp_path: Path
):
    """Without a shared expert extraction writes one with zero weights: it takes room as well."""
    config = sizes.model_copy(update={"tie_embeddings": tied, "num_shared_experts": shared})
    shape = Shape.parse(text, config)
    member = cut(Transformer(config, VOCAB, 0), shape)
    file = tmp_path / "model.safetensors"
    write_tensors(file, write_tensors_of(member))
    # A safetensors file: the length of its header in 8 bytes, the header, the tensors.
    written = file.read_bytes()
    expected = len(written) - 8 - int.from_bytes(written[:8], "little")
    assert weight_bytes(config, VOCAB, shape) == expected
    assert exact_amount("memory", config, VOCAB)(shape) == expected / 2**20


@pytest.mark.parametrize("text", SHAPES[:2])
def test_total_is_the_number_of_weights(sizes, text: str):
    shape = Shape.parse(text, sizes)
    member = cut(Transformer(sizes, VOCAB, 0), shape)
    weights = sum(weight.numel() for weight in member.parameters())
    assert exact_amount("total", sizes, VOCAB)(shape) == weights
    idle = (
        sum((4 if text[0] == "5" else 2) - shape.top_k[0] for _ in shape.experts)
        * 3
        * sizes.hidden_dim
        * sizes.expert_dim
    )
    assert exact_amount("active", sizes, VOCAB)(shape) == weights - idle


def test_a_limit_below_the_smallest_member_names_it(sizes):
    smallest = Shape.uniform(sizes, 2, 2, 1)
    amount = exact_amount("total", sizes, VOCAB)
    least = int(amount(smallest))
    Limit("total", least, amount).check_smallest(smallest, sizes)
    with pytest.raises(ConfigError, match=rf"2L-2E-1K, has {least:,} parameters"):
        Limit("total", least - 1, amount).check_smallest(smallest, sizes)


@pytest.mark.parametrize(
    ("kind", "amount", "text"),
    [
        ("active", 1_200_000, "1,200,000 active parameters"),
        ("total", 5_000, "5,000 parameters"),
        ("latency", 3.204, "3.20 ms per token"),
        ("memory", 12.5, "12.50 MiB of weights"),
    ],
)
def test_amounts_are_written_with_their_unit(kind, amount, text):
    assert Limit(kind, 1.0, lambda shape: len(shape.layers)).text(amount) == text

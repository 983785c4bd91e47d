"""Bits per byte against a slow sum over single tokens, and the fronts against their definition."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from farthing.artifacts.pareto import pareto_front
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer
from farthing.stages.evaluate.bits_per_byte import bits_per_byte
from farthing.text.shards import TokenShard, write_shard

EOT = 0
VOCAB = 20
CONTEXT = 8


@pytest.fixture(scope="module")
def model() -> Transformer:
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
    model = Transformer(sizes, VOCAB, EOT)
    initialize(model, 0)
    with torch.no_grad():
        # Zero output matrices make every token equally likely: give them weight to tell apart.
        for weight in model.parameters():
            if not weight.any():
                weight.copy_(0.3 * torch.randn(weight.shape))
    return model.double().eval()


def shard(folder: Path, lengths: tuple[int, ...]) -> TokenShard:
    source = torch.Generator().manual_seed(5)
    documents = [
        (torch.randint(1, VOCAB, (length,), generator=source).tolist(), 3 * length)
        for length in lengths
    ]
    write_shard(folder, documents, end_of_text=EOT, vocab_size=VOCAB)
    return TokenShard.open(folder)


def one_by_one(model: Transformer, shape: Shape, tokens: list[int]) -> float:
    """Nats of all text tokens: each from a forward pass over just what it may see."""
    nats = 0.0
    for position in range(1, len(tokens)):
        if tokens[position] == EOT:
            continue
        window_start = (position - 1) // CONTEXT * CONTEXT
        seen = tokens[window_start:position]
        if EOT in seen:
            seen = seen[len(seen) - 1 - seen[::-1].index(EOT) :]
        with torch.no_grad():
            logits = model(torch.tensor([seen]), shape)[0, -1]
        nats -= float(logits.log_softmax(-1)[tokens[position]])
    return nats


@pytest.mark.parametrize("lengths", [(40,), (3, 9, 1, 20), (8, 7), (2,)], ids=str)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("member", ["3L-4E-2K", "2L-2E-1K"])
def test_each_text_token_is_scored_once_given_its_window_and_document(
    model: Transformer, tmp_path: Path, lengths, batch: int, member: str
):
    held_out = shard(tmp_path / "shard", lengths)
    shape = Shape.parse(member, model.config)
    size = 3 * sum(lengths)
    # RoPE tables are float32, so a shifted window differs in the ninth digit.
    found = bits_per_byte(model, shape, held_out, text_bytes=size, batch_sequences=batch)
    expected = one_by_one(model, shape, held_out.tokens.tolist()) / math.log(2) / size
    assert found == pytest.approx(expected, rel=1e-7)


def test_a_model_that_knows_nothing_needs_the_bits_of_its_vocabulary(tmp_path: Path):
    sizes = ModelConfig(
        num_layers=1,
        hidden_dim=16,
        num_heads=2,
        num_kv_heads=1,
        head_dim=8,
        dense_ffn_dim=24,
        context=CONTEXT,
    )
    model = Transformer(sizes, VOCAB, EOT)
    initialize(model, 0)
    held_out = shard(tmp_path / "shard", (30, 5))
    found = bits_per_byte(
        model.eval(), Shape.full(sizes), held_out, text_bytes=105, batch_sequences=2
    )
    assert found == pytest.approx(35 * math.log2(VOCAB) / 105, rel=1e-6)


points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


@given(points)
def test_the_front_is_what_nobody_beats(found):
    numbers = [(float(cost), float(loss)) for cost, loss in found]
    for point, on_front in zip(numbers, pareto_front(numbers), strict=True):
        better = [p for p in numbers if p[0] <= point[0] and p[1] < point[1]]
        cheaper = [p for p in numbers if p[0] < point[0] and p[1] <= point[1]]
        assert on_front == (not better and not cheaper)

"""Bits per byte of single texts by a model against a slow sum over its tokens."""

from __future__ import annotations

import math

import pytest
import torch

from farthing.artifacts.manifest import write_manifest
from farthing.flow.quality_scorer import quality_scorer
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.supernet import open_supernet, save_weights
from farthing.model.transformer import Transformer
from farthing.text.tokenizer import byte_vocabulary

CONTEXT = 16
SIZES = ModelConfig(
    num_layers=2,
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
TEXTS = ["short", "", "a text that needs more than one window of the model", "山水", "x" * CONTEXT]


@pytest.fixture(scope="module")
def supernet(tmp_path_factory):
    tokenizer = byte_vocabulary()
    model = Transformer(SIZES, tokenizer.vocab_size, tokenizer.end_of_text)
    initialize(model, 0)
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            if not weight.any():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=draws))
    folder = tmp_path_factory.mktemp("supernet")
    tokenizer.save(folder)
    save_weights(model, folder, {})
    write_manifest(folder, kind="supernet", input_key="0" * 64, detail={})
    return open_supernet(folder, kind="supernet", device=torch.device("cpu"))


def slow_bits_per_byte(supernet, shape, text):
    """Every token by a softmax of its own, in windows of one context that do not overlap."""
    raw = text.encode()
    tokens = [byte_vocabulary().end_of_text, *byte_vocabulary().encode(text)]
    bits = 0.0
    for place in range(1, len(tokens)):
        first = (place - 1) // CONTEXT * CONTEXT
        logits = supernet.model(torch.tensor([tokens[first:place]]), shape)[0, -1]
        bits -= float(logits.double().log_softmax(0)[tokens[place]]) / math.log(2)
    return bits / len(raw)


@pytest.mark.parametrize("typed", [None, "2L-2E-1K"])
def test_bits_per_byte_are_those_of_single_tokens(supernet, typed):
    shape = None if typed is None else Shape.parse(typed, SIZES)
    found = quality_scorer(supernet, shape)(TEXTS)
    full = shape or Shape.full(SIZES)
    with torch.no_grad():
        for text, bits in zip(TEXTS, found, strict=True):
            if text:
                assert bits == pytest.approx(slow_bits_per_byte(supernet, full, text), rel=1e-4)
    assert found[1] == math.inf


def test_neighbours_do_not_move_a_single_bit(supernet):
    scorer = quality_scorer(supernet)
    assert scorer(TEXTS) == [scorer([text])[0] for text in TEXTS]
    assert scorer(TEXTS[::-1]) == scorer(TEXTS)[::-1]

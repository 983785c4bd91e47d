"""What a position can see: its own document, up to itself, with or without a cache."""

import math

import pytest
import torch

from farthing.model.attention import rope_tables
from farthing.model.kernels.attention import document_starts
from farthing.model.shape import Shape
from farthing.model.transformer import KeyValueCache

END_OF_TEXT = 0
EXACT = {"atol": 1e-12, "rtol": 0}
SHAPES = ["5L", "5L-3E-2K", "3L-2E-1K", "layers=0,3/experts=e1+4/top_k=1", "layers=0"]


def test_every_position_starts_where_its_document_does():
    tokens_BT = torch.tensor([[5, 0, 5, 5, 0, 5], [0, 5, 5, 5, 5, 5]])
    starts_BT = document_starts(tokens_BT, END_OF_TEXT)
    assert starts_BT.tolist() == [[0, 1, 1, 1, 4, 4], [0] * 6]
    assert starts_BT.dtype == torch.int32


@pytest.mark.parametrize("tokens", [[5, 5, 5], [0, 5, 5]], ids=["no marker", "one at the start"])
def test_a_batch_of_single_documents_needs_no_starts(tokens):
    assert document_starts(torch.tensor([tokens]), END_OF_TEXT) is None


def test_an_accelerator_is_not_waited_for():
    """What stands on it cannot be looked at: the starts are always given."""
    starts_BT = document_starts(torch.ones(2, 6, dtype=torch.int64, device="meta"), END_OF_TEXT)
    assert (starts_BT.shape, starts_BT.dtype) == ((2, 6), torch.int32)


def test_rope_tables_hold_the_cosine_and_sine_of_position_times_frequency(sparse_config):
    cos_TE, sin_TE = rope_tables(sparse_config, 4)
    assert cos_TE.shape == sin_TE.shape == (4, sparse_config.head_dim)
    for position in range(4):
        for pair in range(3):
            angle = position / sparse_config.rope_theta ** (pair / 3)
            for column in (pair, pair + 3):
                assert cos_TE[position, column].item() == pytest.approx(math.cos(angle), abs=1e-7)
                assert sin_TE[position, column].item() == pytest.approx(math.sin(angle), abs=1e-7)


@pytest.mark.parametrize("text", SHAPES)
def test_another_document_in_the_sequence_never_changes_the_logits(
    build, draw_tokens, sparse_config, text
):
    model, shape = build(sparse_config), Shape.parse(text, sparse_config)
    tokens_BT = draw_tokens(1, 12, markers=[(0, 0), (0, 4), (0, 9)])
    before_TV = model(tokens_BT, shape)[0]
    for inside in (range(1, 4), range(5, 9), range(10, 12)):
        changed_BT = tokens_BT.clone()
        changed_BT[0, list(inside)] = tokens_BT[0, list(inside)] % 10 + 1
        after_TV = model(changed_BT, shape)[0]
        outside = [t for t in range(12) if t not in inside]
        torch.testing.assert_close(after_TV[outside], before_TV[outside], **EXACT)
        assert not torch.allclose(after_TV[inside[0]], before_TV[inside[0]])


def test_a_document_reads_alike_alone_and_behind_another(build, draw_tokens, sparse_config):
    model = build(sparse_config)
    packed_BT = draw_tokens(1, 12, markers=[(0, 5)])
    alone_TV = model(packed_BT[:, 5:])[0]
    # Positions are relative in RoPE; only its float32 tables keep the two from being equal.
    torch.testing.assert_close(model(packed_BT)[0, 5:], alone_TV, atol=1e-5, rtol=0)


@pytest.mark.parametrize("text", SHAPES)
def test_later_tokens_never_change_earlier_logits(build, draw_tokens, sparse_config, text):
    model, shape = build(sparse_config), Shape.parse(text, sparse_config)
    tokens_BT = draw_tokens(2, 12)
    before_BTV = model(tokens_BT, shape)
    for position in (1, 6, 11):
        changed_BT = tokens_BT.clone()
        changed_BT[:, position:] = changed_BT[:, position:] % 10 + 1
        after_BTV = model(changed_BT, shape)
        torch.testing.assert_close(after_BTV[:, :position], before_BTV[:, :position], **EXACT)
        assert not torch.allclose(after_BTV[:, position], before_BTV[:, position])


@pytest.mark.parametrize("chunks", [[1] * 11, [4, 1, 1, 5], [10, 1]], ids=str)
@pytest.mark.parametrize("text", SHAPES)
def test_a_cache_gives_the_logits_of_the_full_forward(
    build, draw_tokens, sparse_config, text, chunks
):
    model, shape = build(sparse_config), Shape.parse(text, sparse_config)
    tokens_BT = draw_tokens(2, 11)
    expected_BTV = model(tokens_BT, shape)
    cache = KeyValueCache(shape)
    pieces = [model(chunk_BT, shape, cache) for chunk_BT in tokens_BT.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), expected_BTV, **EXACT)
    assert cache.length == 11


@pytest.mark.parametrize("chunks", [[1] * 40, [7, 20, 13]], ids=["one by one", "in chunks"])
def test_generation_beyond_the_trained_context_equals_a_model_built_for_it(
    build, draw_tokens, sparse_config, chunks
):
    model = build(sparse_config)
    longer = build(sparse_config.model_copy(update={"context": 64}))
    assert sparse_config.context < 40
    shape = Shape.parse("3L-2E-1K", sparse_config)
    tokens_BT = draw_tokens(1, 40)
    expected_BTV = longer(tokens_BT, shape)
    cache = KeyValueCache(shape)
    pieces = [model(chunk_BT, shape, cache) for chunk_BT in tokens_BT.split(chunks, dim=1)]
    torch.testing.assert_close(torch.cat(pieces, dim=1), expected_BTV, **EXACT)
    torch.testing.assert_close(model(tokens_BT, shape), expected_BTV, **EXACT)


def test_autocast_to_bf16_stays_close_to_the_float64_reference(
    build, draw_tokens, reference, kept, sparse_config
):
    config = sparse_config.model_copy(update={"top_k": 6})  # no choice of experts to flip
    model = build(config, dtype=torch.float32)
    tokens_BT = draw_tokens(1, 10, markers=[(0, 4)])
    everything = kept({i: (list(range(6)), 6) if i else None for i in range(5)})
    expected_BTV = reference(model, config).logits(tokens_BT, everything)
    with torch.autocast("cpu", torch.bfloat16):
        actual_BTV = model(tokens_BT)
    error = (actual_BTV.double() - expected_BTV).norm() / expected_BTV.norm()
    # bf16 keeps 8 bits: 0.4 % per product, added up over five layers.
    assert error < 0.05
    torch.testing.assert_close(model(tokens_BT).double(), expected_BTV, atol=1e-4, rtol=0)

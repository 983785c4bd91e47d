"""Packed attention computes exactly the blocks that the plain mask needs, and what it defines."""

import shutil

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from farthing.model.kernels import varlen
from farthing.model.kernels.attention import plain_attend
from farthing.model.kernels.varlen import (
    BLOCK,
    attend_packed,
    flex_usable,
    packed_mask,
    shared_mask,
)


def _starts(rows, length, *, seed=0, rarity=40):
    """Where each position's document starts, with a new document at one position in `rarity`."""
    source = torch.Generator().manual_seed(seed)
    opens_BT = torch.randint(0, rarity, (rows, length), generator=source) == 0
    starts_BT = torch.zeros(rows, length, dtype=torch.int32)
    for row in range(rows):
        first = 0
        for t in range(length):
            first = t if opens_BT[row, t] else first
            starts_BT[row, t] = first
    return starts_BT


def _inputs(rows, length, *, heads=4, kv_heads=2, width=16, device="cpu", dtype=torch.float32):
    source = torch.Generator().manual_seed(1)
    return [
        torch.randn(rows, length, count, width, generator=source).to(device, dtype)
        for count in (heads, kv_heads, kv_heads)
    ]


@pytest.mark.parametrize("rarity", [5, 60, 400, 10**9])
@pytest.mark.parametrize("length", [BLOCK - 28, BLOCK, 3 * BLOCK, 3 * BLOCK + 1])
def test_blocks_are_full_partial_or_left_out_exactly_as_the_mask_says(length, rarity):
    starts_BT = _starts(3, length, rarity=rarity)
    mask = packed_mask(starts_BT)
    place_T = torch.arange(length)
    seen_BTT = (place_T <= place_T[:, None]) & (place_T >= starts_BT[:, :, None])
    for row in range(3):
        for i, queries in enumerate(seen_BTT[row].split(BLOCK)):
            blocks = list(enumerate(queries.split(BLOCK, dim=1)))
            partial = mask.kv_indices[row, 0, i, : mask.kv_num_blocks[row, 0, i]].tolist()
            full = mask.full_kv_indices[row, 0, i, : mask.full_kv_num_blocks[row, 0, i]].tolist()
            # Only the diagonal block can be cut short as a key block, and it is never full.
            assert full == [j for j, block in blocks if block.all() and j < i]
            assert partial == [j for j, block in blocks if block.any() and j not in full]


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_flex_attention_with_the_block_mask_is_plain_attention():
    length = 2 * BLOCK + 17
    starts_BT = _starts(2, length)
    q, k, v = _inputs(2, length)
    out_BHTE = flex_attention(
        *(x.transpose(1, 2) for x in (q, k, v)),
        block_mask=packed_mask(starts_BT),
        enable_gqa=True,
    )
    torch.testing.assert_close(
        out_BHTE.transpose(1, 2), plain_attend(q, k, v, starts_BT), atol=2e-6, rtol=1e-5
    )


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on CPU")
@pytest.mark.filterwarnings("ignore")
def test_every_batch_reuses_the_compiled_attention(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    varlen._compiled_flex.cache_clear()
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    q, k, v = _inputs(2, 2 * BLOCK)
    for seed in range(3):
        starts_BT = _starts(2, 2 * BLOCK, seed=seed)
        plain = plain_attend(q, k, v, starts_BT)
        torch.testing.assert_close(attend_packed(q, k, v, starts_BT), plain, atol=2e-6, rtol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == before + 1
    torch._dynamo.reset()
    varlen._compiled_flex.cache_clear()


def test_the_cpu_keeps_its_own_attention():
    assert not flex_usable(torch.device("cpu"), 64)
    assert shared_mask(_starts(1, BLOCK), 64) is None


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_on_an_accelerator_it_is_plain_attention_in_both_directions():
    device = torch.accelerator.current_accelerator()
    length = 2 * BLOCK + 16
    starts_BT = _starts(2, length)
    inputs = _inputs(2, length, width=64, device=device, dtype=torch.bfloat16)
    if not flex_usable(device, 64):
        pytest.skip(f"FlexAttention has no backward on {device.type}")
    plain = [x.double().cpu().requires_grad_() for x in inputs]
    fast = [x.requires_grad_() for x in inputs]
    mask = packed_mask(starts_BT.to(device))
    expected = plain_attend(*plain, starts_BT)
    actual = attend_packed(*fast, starts_BT.to(device), mask)
    incoming = torch.randn(expected.shape, dtype=torch.float64)
    expected.backward(incoming)
    actual.backward(incoming.to(device, torch.bfloat16))
    torch.testing.assert_close(actual.double().cpu(), expected, atol=2e-2, rtol=2e-2)
    for x, y in zip(fast, plain, strict=True):
        assert (x.grad.double().cpu() - y.grad).norm() < 2e-2 * y.grad.norm()
    first = [x.grad.clone() for x in fast]
    for x in fast:
        x.grad = None
    attend_packed(*fast, starts_BT.to(device), mask).backward(incoming.to(device, torch.bfloat16))
    assert all(torch.equal(x.grad, y) for x, y in zip(fast, first, strict=True))

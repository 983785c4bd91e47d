"""The compiled attention against torch's operators in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from farthing.model.kernels.attention import attend, document_starts, plain_attend
from farthing.model.kernels.native import plain_kernels, usable

pytestmark = pytest.mark.usefixtures("poison")
compiled = pytest.mark.skipif(not usable(torch.zeros(1)), reason="no compiled kernels here")

# (B, T, H, G, E): odd lengths and widths, one to eight queries per key head, and more than a tile.
SHAPES = [
    (2, 1, 2, 1, 8),
    (1, 2, 3, 3, 6),
    (2, 15, 4, 2, 24),
    (3, 16, 1, 1, 32),
    (2, 33, 6, 2, 33),
    (1, 64, 8, 1, 16),
    (2, 100, 3, 1, 32),
    (1, 257, 2, 2, 64),
    (1, 300, 2, 1, 128),
]
DOCUMENTS = ["one document", "random", "every position", "late", "one row"]


def _inputs(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Queries, keys, values and the gradient of the output."""
    batch, length, heads, key_heads, width = shape
    draw = torch.Generator().manual_seed(17 * length + width)
    counts = (heads, key_heads, key_heads, heads)
    return [torch.randn(batch, length, n, width, generator=draw).to(dtype) for n in counts]


def _starts(kind: str, batch: int, length: int) -> Tensor | None:
    draw = torch.Generator().manual_seed(length)
    boundary_BT = torch.zeros(batch, length, dtype=torch.bool)
    match kind:
        case "one document":
            return None
        case "random":
            boundary_BT = torch.rand(batch, length, generator=draw) < 0.1
        case "every position":
            boundary_BT[:] = True
        case "late":
            boundary_BT[:, -1] = True
        case "one row":
            boundary_BT[0, length // 2] = True
    positions_T = torch.arange(length, dtype=torch.int32)
    return (boundary_BT * positions_T).cummax(dim=1).values


def _all_results(
    attend: Callable[..., Tensor], inputs: list[Tensor], starts_BT: Tensor | None
) -> list[Tensor]:
    """The output and the gradients of queries, keys and values."""
    q, k, v = (x.clone().requires_grad_() for x in inputs[:3])
    out = attend(q, k, v, starts_BT)
    return [out.detach(), *torch.autograd.grad(out, (q, k, v), inputs[3])]


def _assert_near(ours: list[Tensor], exact: list[Tensor], tolerance: float) -> None:
    for x, y in zip(ours, exact, strict=True):
        scale = y.abs().max().clamp(min=1.0)
        torch.testing.assert_close(x.double() / scale, y / scale, rtol=0, atol=tolerance)


@compiled
@pytest.mark.parametrize("documents", DOCUMENTS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_attention_matches_float64(shape: tuple[int, ...], documents: str) -> None:
    inputs = _inputs(shape)
    starts_BT = _starts(documents, *shape[:2])
    exact = _all_results(plain_attend, [x.double() for x in inputs], starts_BT)
    # Where a query sees only itself its gradient is a difference of two equal sums over E.
    _assert_near(_all_results(attend, inputs, starts_BT), exact, 1e-5)


@compiled
@pytest.mark.parametrize("documents", ["one document", "random"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bfloat16_attention_differs_by_rounding_only(
    shape: tuple[int, ...], documents: str
) -> None:
    inputs = _inputs(shape, torch.bfloat16)
    starts_BT = _starts(documents, *shape[:2])
    ours = _all_results(attend, inputs, starts_BT)
    assert all(x.dtype == torch.bfloat16 for x in ours)
    exact = _all_results(plain_attend, [x.double() for x in inputs], starts_BT)
    # The output that delta is computed from is rounded too.
    _assert_near(ours, exact, 1e-2)


@compiled
@pytest.mark.parametrize("boundary", range(1, 50))
def test_a_boundary_anywhere_is_seen(boundary: int) -> None:
    inputs = _inputs((1, 50, 2, 1, 16))
    starts_BT = torch.zeros(1, 50, dtype=torch.int32)
    starts_BT[:, boundary:] = boundary
    ours = _all_results(attend, inputs, starts_BT)
    pieces = [
        _all_results(plain_attend, [x[:, part].double() for x in inputs], None)
        for part in (slice(boundary), slice(boundary, None))
    ]
    _assert_near(ours, [torch.cat(pair, dim=1) for pair in zip(*pieces, strict=True)], 3e-6)


@compiled
def test_large_scores_neither_overflow_nor_vanish() -> None:
    inputs = _inputs((1, 70, 2, 1, 32))
    inputs[0] = inputs[0] * 300
    exact = _all_results(plain_attend, [x.double() for x in inputs], None)
    _assert_near(_all_results(attend, inputs, None), exact, 1e-3)


@compiled
def test_inputs_need_not_be_contiguous() -> None:
    inputs = _inputs((2, 20, 4, 2, 16))
    apart = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in inputs]
    ours, same = (_all_results(attend, x, None) for x in (apart, inputs))
    assert all(torch.equal(x, y) for x, y in zip(ours, same, strict=True))


@compiled
@pytest.mark.parametrize("index", range(4))
def test_nan_reaches_what_depends_on_it(index: int) -> None:
    inputs = _inputs((1, 40, 2, 1, 16))
    inputs[index][0, 20, 0, 3] = float("nan")
    out, dq, dk, dv = _all_results(attend, inputs, None)
    if index < 3:
        # A query concerns its own row, a key or value every row from its own on.
        touched = out[0, 20:21, 0] if index == 0 else out[0, 20:]
        assert touched.isnan().any(dim=-1).all()
        assert not out[0, :16].isnan().any()
    for gradient in (dq, dk):
        assert gradient.isnan().any()
    assert dv.isnan().any() or index == 2


@compiled
@pytest.mark.parametrize("documents", ["one document", "random"])
def test_threads_do_not_change_a_bit(documents: str) -> None:
    inputs = _inputs((3, 90, 6, 2, 32))
    starts_BT = _starts(documents, 3, 90)
    before = torch.get_num_threads()
    results = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(_all_results(attend, inputs, starts_BT))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(x, y) for x, y in zip(*results, strict=True))


def test_other_dtypes_take_the_plain_path() -> None:
    inputs = [x.double() for x in _inputs((1, 12, 2, 1, 8))]
    ours, plain = (_all_results(f, inputs, None) for f in (attend, plain_attend))
    assert all(torch.equal(x, y) for x, y in zip(ours, plain, strict=True))


def test_plain_attention_with_documents_is_plain_attention_of_each() -> None:
    q, k, v, _ = (x.double() for x in _inputs((1, 9, 2, 1, 8)))
    starts_BT = torch.tensor([[0, 0, 0, 0, 4, 4, 4, 4, 4]], dtype=torch.int32)
    with plain_kernels():
        whole = attend(q, k, v, starts_BT)
        parts = [attend(q[:, s], k[:, s], v[:, s], None) for s in (slice(4), slice(4, None))]
    torch.testing.assert_close(whole, torch.cat(parts, dim=1))


def test_documents_start_at_their_marker() -> None:
    tokens_BT = torch.tensor([[0, 5, 6, 0, 7, 0], [5, 5, 5, 5, 5, 5]])
    starts_BT = document_starts(tokens_BT, end_of_text=0)
    assert starts_BT is not None
    assert starts_BT.dtype == torch.int32
    assert starts_BT.tolist() == [[0, 0, 0, 3, 3, 5], [0] * 6]


def test_a_marker_at_the_front_opens_the_only_document() -> None:
    assert document_starts(torch.tensor([[0, 5, 6], [5, 5, 5]]), end_of_text=0) is None


Q, K = (2, 20, 4, 16), (2, 20, 2, 16)


@pytest.mark.parametrize(
    ("q", "k", "v", "starts", "match"),
    [
        (Q, (2, 20, 2, 8), (2, 20, 2, 8), None, "heads of one width"),
        (Q, (2, 20, 3, 16), (2, 20, 3, 16), None, "a whole number for each key head"),
        (Q, (2, 20, 0, 16), (2, 20, 0, 16), None, "a whole number for each key head"),
        (Q, K, (2, 20, 4, 16), None, "keys and values alike"),
        (Q, (2, 19, 2, 16), (2, 19, 2, 16), None, "sequences, positions"),
        (Q[1:], K[1:], K[1:], None, "sequences, positions"),
        (Q, K, K, torch.zeros(2, 19).int(), r"whole numbers of shape \(2, 20\)"),
        (Q, K, K, torch.zeros(2, 20), "starts of torch.float32"),
    ],
    ids=["width", "heads", "no heads", "values", "positions", "dimensions", "starts", "dtype"],
)
def test_sizes_that_do_not_fit_are_refused(
    q: tuple[int, ...],
    k: tuple[int, ...],
    v: tuple[int, ...],
    starts: Tensor | None,
    match: str,
) -> None:
    with pytest.raises(ValueError, match=match):
        attend(torch.ones(q), torch.ones(k), torch.ones(v), starts)


@compiled
def test_a_start_before_the_first_key_means_the_first_key() -> None:
    inputs = _inputs((1, 40, 2, 1, 16))
    before = torch.full((1, 40), -1000, dtype=torch.int32)
    ours, same = (_all_results(attend, inputs, starts) for starts in (before, before * 0))
    assert all(torch.equal(x, y) for x, y in zip(ours, same, strict=True))

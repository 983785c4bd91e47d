"""The compiled SwiGLU against torch's operators in float64."""

import pytest
import torch

from farthing.model.kernels.swiglu import plain_swiglu, swiglu

pytestmark = pytest.mark.usefixtures("compiled", "poison")

WIDTHS = [1, 7, 16, 17, 48, 100]
ROWS = [(), (1,), (5,), (2, 3)]
# A handful of roundings of 2**-24 and the exponential's own error.
FLOAT32 = 1e-6
# One rounding to 8 bits, at the end.
BFLOAT16 = 2**-8


@pytest.mark.parametrize("rows", ROWS, ids=str)
@pytest.mark.parametrize("inner", WIDTHS)
def test_swiglu_matches_float64(draw, results, exact_results, assert_near, inner, rows):
    inputs, grad = [3 * draw(*rows, 2 * inner)], draw(*rows, inner, seed=1)
    exact = exact_results(plain_swiglu, inputs, grad)
    assert_near(results(swiglu, inputs, grad), exact, FLOAT32)


@pytest.mark.parametrize("inner", WIDTHS)
@pytest.mark.parametrize("autocast", [False, True], ids=["alone", "under autocast"])
def test_bfloat16_is_rounded_once(draw, results, exact_results, assert_near, inner, autocast):
    inputs = [3 * draw(9, 2 * inner, dtype=torch.bfloat16)]
    grad = draw(9, inner, seed=1, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        ours = results(swiglu, inputs, grad)
    assert all(x.dtype == torch.bfloat16 for x in ours)
    exact = exact_results(plain_swiglu, inputs, grad)
    assert_near(ours, exact, BFLOAT16)
    # Element by element: half of the last of 8 bits, and the float32 error.
    torch.testing.assert_close(ours[0].double(), exact[0], rtol=1.001 * 2**-8, atol=1e-30)


@pytest.mark.parametrize("count", [7, 64])
def test_gates_near_and_far_are_all_accurate(draw, count):
    gates = torch.linspace(-86, 86, 20 * count).view(20, count)
    up = 1 + draw(20, count).abs()
    ours = swiglu(torch.cat((gates, up), dim=1)).double()
    exact = plain_swiglu(torch.cat((gates, up), dim=1).double())
    # Every element relative to itself; far from 0 as if the gate had been rounded once more.
    error = (ours - exact).abs() / exact.abs()
    assert (error < 7e-7 + gates.abs() * 2**-24).all()


@pytest.mark.parametrize("gate", [-3e38, -1e4, -100.0, -88.0, 0.0, 88.0, 100.0, 1e4, 3e38])
@pytest.mark.parametrize("inner", [3, 16])
def test_gates_beyond_the_exponential_are_cut_off_cleanly(results, exact_results, inner, gate):
    inputs = [torch.tensor([gate, 0.5]).repeat_interleave(inner)[None]]
    grad = torch.ones(1, inner)
    ours, exact = results(swiglu, inputs, grad), exact_results(plain_swiglu, inputs, grad)
    for x, y in zip(ours, exact, strict=True):
        # The smallest sigmoid is 2**-127 instead of 0.
        torch.testing.assert_close(x.double(), y, rtol=1e-6, atol=abs(gate) * 2**-126)


@pytest.mark.parametrize("inner", [3, 16])
def test_infinite_gates_are_never_finite(inner):
    for gate in (float("inf"), -float("inf"), float("nan")):
        gate_up = torch.tensor([gate, 0.5]).repeat_interleave(inner)
        assert not swiglu(gate_up).isfinite().any()


def test_no_rows_give_no_rows(results, assert_equal):
    ours = results(swiglu, [torch.zeros(0, 34)], torch.zeros(0, 17))
    assert_equal(ours, [torch.zeros(0, 17), torch.zeros(0, 34)])


def test_how_tensors_lie_in_memory_changes_nothing(draw, results, assert_equal):
    whole = draw(6, 4, 40), draw(6, 4, 20, seed=1)
    apart = [t.transpose(0, 2).contiguous().transpose(0, 2) for t in whole]
    assert_equal(*(results(swiglu, [x], grad) for x, grad in (whole, apart)))


def test_broadcast_inputs_and_gradients_are_what_they_stand_for(draw, results, assert_equal):
    broadcast = draw(1, 40).expand(6, 40), draw(6, 1, seed=1).expand(6, 20)
    whole = [t.contiguous() for t in broadcast]
    assert_equal(*(results(swiglu, [x], grad) for x, grad in (broadcast, whole)))


@pytest.mark.parametrize("place", [2, 18, 22, 38])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_nan_reaches_its_own_place_alone(draw, results, place, dtype):
    gate_up = draw(3, 40, dtype=dtype)
    gate_up[1, place] = float("nan")
    hidden, d_gate_up = results(swiglu, [gate_up], draw(3, 20, seed=1, dtype=dtype))
    at = place % 20
    assert hidden.isnan().nonzero().tolist() == [[1, at]]
    gate, up = [1, at], [1, at + 20]
    # silu's slope holds the gate; of `up` the gradient holds the gate alone.
    assert d_gate_up.isnan().nonzero().tolist() == ([gate, up] if place < 20 else [gate])


def test_threads_do_not_change_a_bit(draw, results, assert_threads_agree):
    gate_up, grad = draw(501, 96), draw(501, 48, seed=1)
    assert_threads_agree(lambda: results(swiglu, [gate_up], grad))


def test_other_dtypes_take_the_plain_path(draw, assert_equal):
    for dtype in (torch.float64, torch.float16):
        gate_up = draw(5, 40, dtype=dtype)
        assert_equal([swiglu(gate_up)], [plain_swiglu(gate_up)])


def test_an_odd_width_is_refused(draw):
    with pytest.raises(ValueError, match="a last dimension of 7"):
        swiglu(draw(5, 7))


def test_no_width_stays_no_width(results):
    ours = results(swiglu, [torch.zeros(5, 0)], torch.zeros(5, 0))
    assert [x.shape for x in ours] == [(5, 0), (5, 0)]

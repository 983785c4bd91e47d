"""The compiled RMSNorm against torch's operators in float64."""

from functools import partial

import pytest
import torch

from farthing.model.kernels.native import plain_kernels
from farthing.model.kernels.norm import plain_rms_norm, rms_norm

pytestmark = pytest.mark.usefixtures("compiled", "poison")

EPS = 1e-5
WIDTHS = [1, 7, 16, 17, 48, 100]
# One row, several, more than two blocks of the weight's gradient.
ROWS = [(), (1,), (5,), (2, 3), (600,)]
# A dozen roundings of 2**-24, and sums of hundreds of terms in sixteen or more partial sums.
FLOAT32 = 2e-6
# One rounding to 8 bits at the end; the weight's gradient is not rounded, but its incoming
# gradients are, and they are given to both.
BFLOAT16 = 2**-8

norm, plain_norm = partial(rms_norm, eps=EPS), partial(plain_rms_norm, eps=EPS)


@pytest.fixture
def make(draw):
    """Input, weight, and the gradient of the output."""

    def inputs(*shape, dtype=torch.float32, out=None):
        x, weight = draw(*shape, dtype=dtype), 1 + 0.3 * draw(shape[-1], seed=1)
        return x, weight, draw(*shape, seed=2, dtype=out or torch.float32)

    return inputs


@pytest.mark.parametrize("rows", ROWS, ids=str)
@pytest.mark.parametrize("width", WIDTHS)
def test_norm_matches_float64(make, results, exact_results, assert_near, width, rows):
    *inputs, grad = make(*rows, width)
    exact = exact_results(plain_norm, inputs, grad)
    # In one dimension the norm is all but constant: its gradient is a difference of equals.
    assert_near(results(norm, inputs, grad), exact, FLOAT32, least=1.0)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_under_autocast_the_output_is_rounded_once(
    make, results, exact_results, assert_near, width, dtype
):
    *inputs, grad = make(9, width, dtype=dtype, out=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        ours = results(norm, inputs, grad)
    assert [x.dtype for x in ours] == [torch.bfloat16, dtype, torch.float32]
    exact = exact_results(plain_norm, inputs, grad)
    assert_near(ours[:2], exact[:2], BFLOAT16)
    assert_near(ours[2:], exact[2:], FLOAT32)


@pytest.mark.parametrize("width", WIDTHS)
def test_bfloat16_rows_give_float32_under_a_float32_weight(
    make, results, exact_results, assert_near, width
):
    *inputs, grad = make(9, width, dtype=torch.bfloat16)
    ours = results(norm, inputs, grad)
    assert [x.dtype for x in ours] == [torch.float32, torch.bfloat16, torch.float32]
    exact = exact_results(plain_norm, inputs, grad)
    assert_near([ours[0], ours[2]], [exact[0], exact[2]], FLOAT32)
    assert_near([ours[1]], [exact[1]], BFLOAT16)


def test_a_constant_row_is_the_weight(make):
    _, weight, _ = make(4, 33)
    x = torch.tensor([[1e-6], [1.0], [-1.0], [1e15]]).expand(4, 33)
    y = rms_norm(x, weight, 1e-20)
    torch.testing.assert_close(y, x.sign() * weight)


@pytest.mark.parametrize("width", [1, 17])
def test_no_rows_give_no_rows_and_a_gradient_of_zeros(make, results, assert_equal, width):
    *inputs, grad = make(0, width)
    empty = torch.zeros(0, width)
    assert_equal(results(norm, inputs, grad), [empty, empty, torch.zeros(width)])


def test_how_tensors_lie_in_memory_changes_nothing(make, results, assert_equal):
    x, weight, grad = make(6, 4, 20)
    apart = [t.transpose(0, 2).contiguous().transpose(0, 2) for t in (x, grad)]
    every_second = torch.stack((weight, weight), dim=1)[:, 0]
    assert not any(t.is_contiguous() for t in (*apart, every_second))
    same = results(norm, [x, weight], grad)
    assert_equal(results(norm, [apart[0], every_second], apart[1]), same)


def test_broadcast_inputs_weights_and_gradients_are_what_they_stand_for(
    draw, results, assert_equal
):
    broadcast = [draw(1, 20).expand(6, 20), draw(1, seed=1).expand(20), draw(6, 1).expand(6, 20)]
    whole = [t.contiguous() for t in broadcast]
    assert_equal(*(results(norm, inputs[:2], inputs[2]) for inputs in (broadcast, whole)))


def test_nan_spoils_its_row_and_no_other(make, results):
    x, weight, grad = make(5, 40)
    x[3, 37] = float("nan")
    y, dx, d_weight = results(norm, [x, weight], grad)
    for out in (y, dx):
        assert out[3].isnan().all()
        assert not out[[0, 1, 2, 4]].isnan().any()
    assert d_weight.isnan().all()


def test_nan_in_the_weight_or_the_gradient_reaches_what_depends_on_it(make, results):
    x, weight, grad = make(5, 40)
    weight[37] = float("nan")
    y, dx, _ = results(norm, [x, weight], grad)
    assert y[:, 37].isnan().all()
    assert not y[:, :37].isnan().any()
    assert dx.isnan().all()
    x, weight, grad = make(5, 40)
    grad[2, 0] = float("nan")
    _, dx, d_weight = results(norm, [x, weight], grad)
    assert dx[2].isnan().all()
    assert not dx[3].isnan().any()
    assert d_weight.isnan().tolist() == [True] + [False] * 39


def test_threads_do_not_change_a_bit(make, results, assert_threads_agree):
    *inputs, grad = make(1000, 48)
    assert_threads_agree(lambda: results(norm, inputs, grad))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_a_weight_of_another_dtype_takes_the_plain_path(make, results, assert_equal, dtype):
    *inputs, grad = (x.to(dtype) for x in make(5, 40))
    ours = results(norm, inputs, grad)
    assert_equal(ours, results(plain_norm, inputs, grad))


def test_under_autocast_to_float16_the_plain_path_is_taken(make):
    x, weight, _ = make(5, 40)
    with torch.autocast("cpu", torch.float16):
        ours = rms_norm(x, weight, EPS)
        with plain_kernels():
            assert torch.equal(ours, rms_norm(x, weight, EPS))
    assert ours.dtype == torch.float16


@pytest.mark.parametrize("size", [39, 41, 0, 80])
def test_a_weight_of_another_length_is_refused(make, size):
    x, _, _ = make(5, 40)
    with pytest.raises(ValueError, match=rf"weight of shape \({size},\) for rows of \(5, 40\)"):
        rms_norm(x, torch.ones(size), EPS)


def test_rows_of_no_width_stay_what_they_are(results):
    inputs = [torch.zeros(5, 0), torch.zeros(0)]
    assert [x.shape for x in results(norm, inputs, torch.zeros(5, 0))] == [(5, 0), (5, 0), (0,)]


# Rounding its bits as if they were a number would make these 0.
@pytest.mark.parametrize("bits", [0x7FFFFFFF, -1, 0x7F800001, 0x7FC00000])
@pytest.mark.parametrize("width", [16, 5], ids=["a vector", "a part of one"])
def test_every_nan_is_one_in_bfloat16(bits, width):
    x = torch.full((1, width), bits, dtype=torch.int32).view(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert rms_norm(x, torch.ones(width), EPS).isnan().all()

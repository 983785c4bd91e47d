"""FP8 products: what rounding to 8 bits gives, near the plain product, in both directions."""

import shutil

import pytest
import torch
import torch.nn.functional as F

from farthing.model.kernels import fp8
from farthing.model.kernels.fp8 import (
    FORWARD,
    GRADIENT_FORMATS,
    fp8_grouped,
    fp8_linear,
    fp8_reason,
    plain_scaled_grouped_product,
    plain_scaled_product,
    quantize,
    scaled_grouped_product,
    scaled_product,
    use_fp8,
)

# Relative error of one rounding, root mean square: half a step is 2**-4 (e4m3) or 2**-3 (e5m2).
E4M3_ERROR, E5M2_ERROR = 0.04, 0.08


def _random(*sizes, seed=0):
    """Rows of very different sizes, as activations and gradients have them."""
    source = torch.Generator().manual_seed(seed)
    x = torch.randn(sizes, generator=source)
    return x * torch.logspace(-3, 2, sizes[-2]).unsqueeze(-1)


def _relative(actual, expected):
    actual, expected = actual.detach().double(), expected.detach().double()
    return float((actual - expected).norm() / expected.norm())


@pytest.mark.parametrize("name", GRADIENT_FORMATS)
def test_rounding_meets_the_format_and_says_what_it_divided_by(name):
    dtype = GRADIENT_FORMATS[name]
    x = torch.cat([_random(8, 32), torch.zeros(1, 32)])
    eight_bits, scale = quantize(x, dtype)
    assert (eight_bits.dtype, scale.dtype, scale.shape) == (dtype, torch.float32, (9, 1))
    assert (eight_bits[:8].float().abs().amax(dim=1) == torch.finfo(dtype).max).all()
    error = E4M3_ERROR if name == "e4m3" else E5M2_ERROR
    for row in range(8):
        assert _relative(eight_bits[row].float() * scale[row], x[row]) < error
    assert not eight_bits[8].float().any()


def test_a_transposed_operand_is_laid_out_anew():
    """Accelerators refuse the other layout; torch's CPU kernel would take both."""
    eight_bits, scale = quantize(_random(16, 32).t(), FORWARD)
    assert eight_bits.shape == (32, 16)
    assert eight_bits.is_contiguous()
    assert scale.is_contiguous()
    stack, _ = quantize(torch.randn(3, 16, 32).mT, FORWARD)
    assert stack.mT.stride() == (16 * 32, 1, 16)


@pytest.mark.parametrize("name", GRADIENT_FORMATS)
def test_torchs_scaled_product_is_the_product_of_the_rounded_values(name):
    left, right = _random(48, 64), _random(32, 64, seed=1)
    expected = plain_scaled_product(left, right, GRADIENT_FORMATS[name])
    actual = scaled_product(left, right, GRADIENT_FORMATS[name])
    assert actual.dtype == torch.bfloat16
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("gradient", GRADIENT_FORMATS)
def test_a_linear_layer_is_near_the_plain_one_with_its_gradients(gradient):
    x, weight = _random(2, 24, 64).requires_grad_(), torch.randn(32, 64, requires_grad=True)
    exact_x, exact_weight = (w.detach().double().requires_grad_() for w in (x, weight))
    out, exact = fp8_linear(x, weight, gradient), F.linear(exact_x, exact_weight)
    incoming = torch.randn(exact.shape)
    out.backward(incoming)
    exact.backward(incoming.double())
    assert (out.shape, out.dtype, weight.grad.dtype) == (exact.shape, x.dtype, torch.float32)
    assert _relative(out, exact) < 2 * E4M3_ERROR
    error = E4M3_ERROR + (E4M3_ERROR if gradient == "e4m3" else E5M2_ERROR)
    assert _relative(x.grad, exact_x.grad) < error
    assert _relative(weight.grad, exact_weight.grad) < error


def test_an_odd_number_of_tokens_keeps_the_weights_gradient_out_of_fp8():
    x, weight = torch.randn(7, 32), torch.randn(16, 32, requires_grad=True)
    fp8_linear(x, weight).sum().backward()
    torch.testing.assert_close(weight.grad, torch.ones(7, 16).t() @ x)


def test_under_autocast_the_result_is_autocasts():
    x, weight = torch.randn(16, 32), torch.randn(16, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert fp8_linear(x, weight).dtype == torch.bfloat16
        expected = plain_scaled_product(x.bfloat16(), weight, FORWARD)
        torch.testing.assert_close(fp8_linear(x, weight), expected)


def _groups():
    ends_E = torch.tensor([0, 5, 5, 39, 48], dtype=torch.int32)
    return _random(48, 32), torch.randn(5, 16, 32), ends_E


def test_grouped_products_are_near_one_plain_product_per_expert():
    rows, weight, ends_E = _groups()
    rows.requires_grad_()
    weight.requires_grad_()
    out = fp8_grouped(rows, weight, ends_E)
    exact_rows, exact_weight = (w.detach().double().requires_grad_() for w in (rows, weight))
    parts = torch.tensor_split(exact_rows, ends_E[:-1].tolist())
    exact = torch.cat([part @ w.t() for part, w in zip(parts, exact_weight, strict=True)])
    incoming = torch.randn(exact.shape)
    out.backward(incoming)
    exact.backward(incoming.double())
    assert _relative(out, exact) < 2 * E4M3_ERROR
    assert _relative(rows.grad, exact_rows.grad) < 2 * E4M3_ERROR
    # An exact product of the unrounded operands.
    torch.testing.assert_close(weight.grad.double(), exact_weight.grad, atol=1e-4, rtol=1e-4)
    assert not weight.grad[[0, 2]].any()


def test_why_a_matrix_stays_in_bf16_names_the_width_first():
    assert fp8_reason(torch.empty(32, 24)) == "its width 24 is no multiple of 16"
    assert fp8_reason(torch.empty(8, 40, 32)) == "its width 40 is no multiple of 16"
    assert fp8_reason(torch.empty(32, 16)) == "this CPU has no FP8 matrix unit"
    assert "never tested" in fp8_reason(torch.empty(32, 16, device="meta"))


class _Block(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.product = F.linear
        self.up, self.norm = torch.nn.Linear(width, 32, bias=False), torch.nn.RMSNorm(width)


def test_a_model_uses_it_where_every_matrix_allows_and_says_where_not(monkeypatch):
    model = torch.nn.Sequential(_Block(16), _Block(24), torch.nn.Linear(16, 16))
    assert use_fp8(model) == {
        "0": "this CPU has no FP8 matrix unit",
        "1": "its width 24 is no multiple of 16",
    }
    assert [block.product for block in model[:2]] == [F.linear, F.linear]
    alike = "its width 24 is no multiple of 16"
    monkeypatch.setattr(fp8, "fp8_reason", lambda weight: alike if 24 in weight.shape else None)
    assert use_fp8(model) == {"1": alike}
    assert [block.product for block in model[:2]] == [fp8_linear, F.linear]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on CPU")
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_layer_can_hold_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    results = []
    for linear in (fp8_linear, torch.compile(fp8_linear, fullgraph=True)):
        x, weight = _random(32, 64).requires_grad_(), _random(16, 64, seed=1).requires_grad_()
        linear(x, weight).square().sum().backward()
        results.append((x.grad, weight.grad))
    torch._dynamo.reset()
    for actual, expected in zip(*results, strict=True):
        # Where fusion changes a last bit before the rounding, the rounding may turn it into a step.
        assert _relative(actual, expected) < 5e-3


@pytest.mark.gpu
def test_on_an_accelerator_dense_products_are_those_of_the_rounded_values():
    device = torch.accelerator.current_accelerator()
    left, right = _random(256, 128).to(device), _random(64, 128, seed=1).to(device)
    if reason := fp8_reason(right):
        pytest.skip(reason)
    for dtype in GRADIENT_FORMATS.values():
        expected = plain_scaled_product(left.cpu(), right.cpu(), dtype)
        assert _relative(scaled_product(left, right, dtype).cpu(), expected) < 5e-3
    x = left.bfloat16().requires_grad_()
    weight = right.clone().requires_grad_()
    fp8_linear(x, weight).square().sum().backward()
    assert torch.isfinite(weight.grad).all()


@pytest.mark.gpu
def test_on_an_accelerator_grouped_products_are_those_of_the_rounded_values():
    device = torch.accelerator.current_accelerator()
    rows, weight, ends_E = _groups()
    if reason := fp8_reason(weight.to(device)):
        pytest.skip(reason)
    expected = plain_scaled_grouped_product(rows, weight, ends_E)
    actual = scaled_grouped_product(rows.to(device), weight.to(device), ends_E.to(device))
    assert _relative(actual.cpu(), expected) < 5e-3
    weight = weight.to(device).requires_grad_()
    fp8_grouped(rows.to(device).bfloat16(), weight, ends_E.to(device)).sum().backward()
    assert torch.isfinite(weight.grad).all()

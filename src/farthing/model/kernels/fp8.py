"""Matrix products in FP8: half the bytes and twice the rate of bf16 where the hardware has them.

Each operand is divided by one scale per row of the dimension that is kept, so that its largest
value meets the format's, rounded to 8 bits, multiplied with fp32 accumulation, and scaled back
(dynamic row-wise scaling). Master weights stay fp32: they are rounded anew in each forward pass.
e4m3 throughout; the gradient may be e5m2 (wider range, one bit less) in dense products.

`scaled_product` and `scaled_grouped_product` are the two that run on FP8 units; the plain version
of each (round, scale back, multiply) defines them.

Shapes: M rows (tokens), K inputs, N outputs, E experts.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from farthing.model.kernels.precision import product_dtype

FORWARD = torch.float8_e4m3fn
GradientFormat = Literal["e4m3", "e5m2"]
GRADIENT_FORMATS: dict[GradientFormat, torch.dtype] = {
    "e4m3": torch.float8_e4m3fn,
    "e5m2": torch.float8_e5m2,
}
# The units take 16 bytes at a time.
ALIGNMENT = 16
# A row of zeros keeps a finite scale.
_SMALLEST_PEAK = 1e-12
# First compute capabilities with FP8 products, and with grouped ones in torch.
_DENSE_SINCE = (8, 9)
_GROUPED_SINCE = (9, 0)


def fp8_reason(weight: Tensor) -> str | None:
    """Why products with this weight, (N, K) or (E, N, K), stay in bf16; None if FP8 takes them.

    A caller that leaves a matrix in bf16 for this reason says so in its log.
    """
    odd = [size for size in weight.shape[-2:] if size % ALIGNMENT]
    if odd:
        return f"its width {odd[0]} is no multiple of {ALIGNMENT}"
    if weight.device.type == "cpu":
        return "this CPU has no FP8 matrix unit"
    if weight.device.type != "cuda" or torch.version.cuda is None:
        return f"FP8 on {weight.device.type} was never tested"
    since = _DENSE_SINCE if weight.ndim == 2 else _GROUPED_SINCE
    has = torch.cuda.get_device_capability(weight.device)
    if has < since:
        return f"it needs compute capability {since[0]}.{since[1]}, this device has {has}"
    return None


def fp8_linear(x: Tensor, weight_NK: Tensor, gradient: GradientFormat = "e4m3") -> Tensor:
    """The product x @ weight.T in FP8, (..., N), in autocast's dtype; its gradients in FP8 too.

    Args:
        x: (..., K).
        weight_NK: fp32 master weight, of which `fp8_reason` has nothing to say.
        gradient: format of the incoming gradient.
    """
    x_MK = x.reshape(-1, x.shape[-1]).to(product_dtype(x))
    out_MN: Tensor = _Linear.apply(x_MK, weight_NK, GRADIENT_FORMATS[gradient])  # type: ignore[no-untyped-call]
    return out_MN.view(*x.shape[:-1], -1)


def fp8_grouped(rows_MK: Tensor, weight_ENK: Tensor, ends_E: Tensor) -> Tensor:
    """Each expert's rows times its weight, (M, N), in FP8; rows are sorted by expert.

    The weight's gradient is a bf16 product: its groups run along the summed dimension, where FP8
    units want every group padded to 16 rows, and rounding hurts most.

    Args:
        rows_MK: of all experts.
        weight_ENK: fp32 master weights, of which `fp8_reason` has nothing to say.
        ends_E: int32, where each expert's rows end; the last is M.
    """
    rows_MK = rows_MK.to(product_dtype(rows_MK))
    out_MN: Tensor = _Grouped.apply(rows_MK, weight_ENK, ends_E)  # type: ignore[no-untyped-call]
    return out_MN


def use_fp8(model: nn.Module) -> dict[str, str]:
    """Let a model's products run in FP8 wherever they can.

    A module that has an attribute `product` (for dense products, `F.linear` until now) or
    `grouped_product` (for experts) gets that of this file, if `fp8_reason` has nothing to say of
    any matrix that it or its parts hold.

    Returns:
        The other modules by name, each with the reason why it stays as it is.
    """
    left: dict[str, str] = {}
    for name, module in model.named_modules():
        for attribute, product in (("product", fp8_linear), ("grouped_product", fp8_grouped)):
            if not hasattr(module, attribute):
                continue
            reasons = [fp8_reason(weight) for weight in module.parameters() if weight.ndim > 1]
            if reason := next(filter(None, reasons), None):
                left[name] = reason
            else:
                setattr(module, attribute, product)
    return left


def uses_fp8(model: nn.Module) -> bool:
    """Whether any product of the model runs in FP8."""
    return any(
        getattr(module, "product", None) is fp8_linear
        or getattr(module, "grouped_product", None) is fp8_grouped
        for module in model.modules()
    )


def quantize(x: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """`x` in 8 bits and the fp32 scale of each row of its last dimension, (..., 1)."""
    largest = torch.finfo(dtype).max
    peak = x.abs().amax(dim=-1, keepdim=True).float().clamp_min(_SMALLEST_PEAK)
    scaled = x.float() * (largest / peak)
    # Casting does not saturate: what rounds past the largest value would be NaN or infinite.
    eight_bits = scaled.clamp(-largest, largest).to(dtype)
    # A transposed operand is laid out anew: the units read along the summed dimension only.
    return eight_bits.contiguous(), (peak / largest).contiguous()


def scaled_product(
    left_MK: Tensor, right_NK: Tensor, left_format: torch.dtype, *, fast: bool = False
) -> Tensor:
    """The product left @ right.T through 8 bits, (M, N), bf16.

    Args:
        left_MK: rounded to `left_format`.
        right_NK: rounded to e4m3.
        left_format: of `left_MK`.
        fast: let the unit add up in fewer bits where it can; for forward passes.
    """
    left_MK, left_M1 = quantize(left_MK, left_format)
    right_NK, right_N1 = quantize(right_NK, FORWARD)
    # torch's CPU kernel is made of products that autocast would lower.
    with torch.autocast(left_MK.device.type, enabled=False):
        return _scaled_mm(left_MK, right_NK.t(), left_M1, right_N1.t(), fast=fast)


def plain_scaled_product(left_MK: Tensor, right_NK: Tensor, left_format: torch.dtype) -> Tensor:
    """The same in fp32 products of the rounded values."""
    with torch.autocast(left_MK.device.type, enabled=False):
        product_MN = _rounded(left_MK, left_format) @ _rounded(right_NK, FORWARD).mT
    return product_MN.to(torch.bfloat16)


def scaled_grouped_product(
    rows_MK: Tensor, right_ENK: Tensor, ends_E: Tensor, *, fast: bool = False
) -> Tensor:
    """Each group of rows times its right.T through 8 bits, (M, N), bf16."""
    if rows_MK.device.type == "cpu":
        return plain_scaled_grouped_product(rows_MK, right_ENK, ends_E)
    rows_MK, rows_M1 = quantize(rows_MK, FORWARD)
    right_ENK, right_EN1 = quantize(right_ENK, FORWARD)
    return _scaled_grouped_mm(
        rows_MK, right_ENK.mT, rows_M1.squeeze(-1), right_EN1.squeeze(-1), ends_E, fast=fast
    )


def plain_scaled_grouped_product(rows_MK: Tensor, right_ENK: Tensor, ends_E: Tensor) -> Tensor:
    """The same, one group after the other, in fp32 products of the rounded values."""
    products = [
        plain_scaled_product(rows_RK, right_NK, FORWARD)
        for rows_RK, right_NK in zip(_split(rows_MK, ends_E), right_ENK, strict=True)
    ]
    return torch.cat(products)


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_MK: Tensor, weight_NK: Tensor, gradient: torch.dtype) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(x_MK, weight_NK)
        ctx.gradient = gradient
        return scaled_product(x_MK, weight_NK, FORWARD, fast=True).to(x_MK.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_MN: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        x_MK, weight_NK = ctx.saved_tensors
        # Scales belong to the dimension that a product keeps: every operand is rounded once more,
        # along its other dimension.
        dx_MK = scaled_product(grad_MN, weight_NK.t(), ctx.gradient).to(x_MK.dtype)
        if len(x_MK) % ALIGNMENT:
            dw_NK = grad_MN.t() @ x_MK
        else:
            dw_NK = scaled_product(grad_MN.t(), x_MK.t(), ctx.gradient)
        return dx_MK, dw_NK.to(weight_NK.dtype), None


class _Grouped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows_MK: Tensor, weight_ENK: Tensor, ends_E: Tensor) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(rows_MK, weight_ENK, ends_E)
        out_MN = scaled_grouped_product(rows_MK, weight_ENK, ends_E, fast=True)
        return out_MN.to(rows_MK.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_MN: Tensor) -> tuple[Tensor, Tensor, None]:  # noqa: ANN401
        rows_MK, weight_ENK, ends_E = ctx.saved_tensors
        dx_MK = scaled_grouped_product(grad_MN, weight_ENK.mT, ends_E).to(rows_MK.dtype)
        dw_ENK = _grouped_weight_gradient(grad_MN, rows_MK, ends_E)
        return dx_MK, dw_ENK.to(weight_ENK.dtype), None


def _grouped_weight_gradient(grad_MN: Tensor, rows_MK: Tensor, ends_E: Tensor) -> Tensor:
    if grad_MN.device.type != "cpu":
        grad_MN, rows_MK = grad_MN.to(torch.bfloat16), rows_MK.to(torch.bfloat16)
        return F.grouped_mm(grad_MN.t(), rows_MK, offs=ends_E)
    pairs = zip(_split(grad_MN, ends_E), _split(rows_MK, ends_E), strict=True)
    return torch.stack([grad_RN.t() @ rows_RK for grad_RN, rows_RK in pairs])


def _split(rows_MK: Tensor, ends_E: Tensor) -> tuple[Tensor, ...]:
    return torch.tensor_split(rows_MK, ends_E[:-1].tolist())


def _rounded(x: Tensor, dtype: torch.dtype) -> Tensor:
    eight_bits, scale = quantize(x, dtype)
    return eight_bits.float() * scale


# The older names, where they are there: in torch 2.13 the public grouped product has no shape
# function, so that no compiled layer could hold it.
def _scaled_mm(
    left_MK: Tensor, right_KN: Tensor, left_M1: Tensor, right_1N: Tensor, *, fast: bool
) -> Tensor:
    if hasattr(torch, "_scaled_mm"):
        return torch._scaled_mm(
            *(left_MK, right_KN, left_M1, right_1N),
            out_dtype=torch.bfloat16,
            use_fast_accum=fast,
        )
    row = F.ScalingType.RowWise
    return F.scaled_mm(left_MK, right_KN, left_M1, row, right_1N, row, use_fast_accum=fast)


def _scaled_grouped_mm(
    rows_MK: Tensor,
    right_EKN: Tensor,
    rows_M: Tensor,
    right_EN: Tensor,
    ends_E: Tensor,
    *,
    fast: bool,
) -> Tensor:
    if hasattr(torch, "_scaled_grouped_mm"):
        return torch._scaled_grouped_mm(
            *(rows_MK, right_EKN, rows_M, right_EN),
            offs=ends_E,
            out_dtype=torch.bfloat16,
            use_fast_accum=fast,
        )
    row = F.ScalingType.RowWise
    product: Tensor = F.scaled_grouped_mm(  # type: ignore[attr-defined]
        rows_MK, right_EKN, rows_M, row, right_EN, row, offs=ends_E, use_fast_accum=fast
    )
    return product

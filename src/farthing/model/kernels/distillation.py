"""In-place distillation: cross-entropy mixed with the distance to the full shape's predictions.

Both read the same output matrix, so that what a teacher hands on is its hidden rows; the logits of
all tokens never exist at once, of neither. Shapes: N tokens, D hidden width, V vocabulary, R rows
of one chunk.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from farthing.model.kernels.cross_entropy import add_product, check_rows
from farthing.model.kernels.precision import product_dtype

# Logits of one chunk: for a core's cache, and for an accelerator, which is slow at short products.
_CHUNK_BYTES = {"cpu": 1 << 21}
_CHUNK_BYTES_ELSEWHERE = 1 << 27
_LEAST_ROWS = 64


def linear_distillation(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    teacher_ND: Tensor,
    *,
    share: float,
    temperature: float,
    teacher_weight_VD: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The mixed loss and its cross-entropy part alone, both means per token in nats, float32.

    (1 - share) x cross-entropy + share x temperature**2 x KL(teacher || student), the
    distributions of the divergence being softmax(logits / temperature): Hinton et al., arXiv
    1503.02531, whose temperature**2 keeps the gradient's size. Gradients reach `hidden_ND` and
    `weight_VD` through the student's logits only, and from the first result only.

    Args:
        hidden_ND: the student's rows.
        weight_VD: the output matrix, of both unless the teacher has its own.
        targets_N: int64 ids, each below V.
        teacher_ND: the teacher's rows.
        share: of the divergence, 0 to 1.
        temperature: above 0.
        teacher_weight_VD: the teacher's output matrix, where it is another model; no gradient
            reaches it.

    Raises:
        IndexError: a target is no id.
        ValueError: the sizes or dtypes do not fit each other.
    """
    check_rows(hidden_ND, weight_VD, targets_N)
    if teacher_ND.shape != hidden_ND.shape:
        raise ValueError(
            f"teacher rows {tuple(teacher_ND.shape)} beside hidden rows {tuple(hidden_ND.shape)}: "
            "each token has one of both, of the same width"
        )
    if teacher_weight_VD is not None and teacher_weight_VD.shape != weight_VD.shape:
        raise ValueError(
            f"a teacher's output matrix {tuple(teacher_weight_VD.shape)} beside the student's "
            f"{tuple(weight_VD.shape)}: both predict the same tokens, from rows of the same width"
        )
    taught_by = weight_VD if teacher_weight_VD is None else teacher_weight_VD
    return _LinearDistillation.apply(  # type: ignore[no-any-return, no-untyped-call]
        hidden_ND, weight_VD, targets_N, teacher_ND.detach(), taught_by.detach(), share, temperature
    )


class _LinearDistillation(torch.autograd.Function):
    """The gradients are made with the loss, chunk by chunk, as in `linear_cross_entropy`."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        hidden_ND: Tensor,
        weight_VD: Tensor,
        targets_N: Tensor,
        teacher_ND: Tensor,
        taught_by_VD: Tensor,
        share: float,
        temperature: float,
    ) -> tuple[Tensor, Tensor]:
        dtype = product_dtype(hidden_ND)
        taught_by = taught_by_VD.to(dtype)
        weight, hidden, teacher = (x.to(dtype) for x in (weight_VD, hidden_ND, teacher_ND))
        d_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        d_weight = torch.zeros_like(weight_VD) if ctx.needs_input_grad[1] else None
        tokens = len(hidden)
        totals = torch.zeros(2, dtype=torch.float64, device=hidden.device)
        for begin in range(0, tokens, rows := _chunk_rows(weight)):
            part = slice(begin, begin + rows)
            losses_R, nats_R, d_logits_RV = _chunk(
                hidden[part] @ weight.T,
                teacher[part] @ taught_by.T,
                targets_N[part],
                share,
                temperature,
            )
            totals += torch.stack((losses_R.double().sum(), nats_R.double().sum()))
            d_logits_RV = d_logits_RV.div_(tokens).to(dtype)
            if d_hidden is not None:
                torch.mm(d_logits_RV, weight, out=d_hidden[part])
            if d_weight is not None:
                add_product(d_weight, d_logits_RV.T, hidden[part])
        ctx.save_for_backward(d_hidden, d_weight)
        ctx.hidden_dtype = hidden_ND.dtype
        loss, nats = (totals / max(tokens, 1)).float().unbind()
        ctx.mark_non_differentiable(nats)
        return loss, nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, _nats: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        d_hidden, d_weight = ctx.saved_tensors
        return (
            None if d_hidden is None else (d_hidden * grad).to(ctx.hidden_dtype),
            None if d_weight is None else d_weight * grad,
            *(None, None, None, None, None),
        )


def _chunk(
    logits_RV: Tensor, teacher_RV: Tensor, targets_R: Tensor, share: float, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Mixed losses and cross-entropies of some tokens, and the gradient of the sum of the first."""
    precise = torch.promote_types(logits_RV.dtype, torch.float32)
    logits_RV, teacher_RV = logits_RV.to(precise), teacher_RV.to(precise)
    log_text_RV = F.log_softmax(logits_RV, -1)
    nats_R = F.nll_loss(log_text_RV, targets_R, reduction="none")
    log_student_RV = log_text_RV
    if temperature != 1:
        log_student_RV = F.log_softmax(logits_RV / temperature, -1)
    log_teacher_RV = F.log_softmax(teacher_RV / temperature, -1)
    teacher_probability_RV = log_teacher_RV.exp()
    distance_R = (teacher_probability_RV * (log_teacher_RV - log_student_RV)).sum(-1)
    losses_R = (1 - share) * nats_R + share * temperature**2 * distance_R
    # Of the divergence by the logits: (student - teacher) / temperature, times temperature**2.
    d_logits_RV = (log_student_RV.exp() - teacher_probability_RV) * (share * temperature)
    d_logits_RV += log_text_RV.exp_() * (1 - share)
    every_R = torch.arange(len(targets_R), device=targets_R.device)
    d_logits_RV[every_R, targets_R] -= 1 - share
    return losses_R, nats_R, d_logits_RV


def _chunk_rows(weight_VD: Tensor) -> int:
    limit = _CHUNK_BYTES.get(weight_VD.device.type, _CHUNK_BYTES_ELSEWHERE)
    return max(_LEAST_ROWS, limit // max(1, len(weight_VD) * weight_VD.element_size()))

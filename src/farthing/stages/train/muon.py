"""Muon for 2-D and 3-D weights (torch's own takes no 3-D expert stacks).

Keller Jordan's optimizer (https://kellerjordan.github.io/posts/muon/): Nesterov momentum whose
update is replaced by the nearest half-orthogonal matrix. A stack (E, m, n) is E matrices. What
differs: a matrix of the stack whose gradient is all zero took no part in the step (an expert that
elastic width left out, or that no token chose) and is left alone, its momentum too. And where
orthogonalising would cost too much of a step (narrow matrices, small batches), each matrix has its
turn every n-th step only and then goes n times as far, while its momentum advances in every step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from farthing.cost.flops import newton_schulz_flops

# The quintic of the source above: steepest at zero, hence fast rather than exact.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_SMALLEST_NORM = 1e-7


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; `flops` counts the matrix products of the last step."""

    def __init__(
        self,
        weights: Iterable[nn.Parameter],
        *,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        iterations: int,
        every: int = 1,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Take charge of `weights`.

        Args:
            weights: matrices (m, n) or stacks of them (E, m, n).
            learning_rate: of the first steps; a schedule sets it for each.
            momentum: share of the old momentum that stays.
            weight_decay: decoupled, times the rate.
            iterations: of Newton-Schulz.
            every: steps between two turns of a matrix.
            dtype: of the Newton-Schulz products; None for that of the weights.
        """
        # As a group: torch refuses a bare list that is empty, and Muon may have nothing to do.
        super().__init__([{"params": list(weights)}], {"lr": learning_rate})
        self.every = every
        self.turn = 0
        self.dtype = dtype
        self._first_matrix: dict[Tensor, int] = {}
        matrices = 0
        for weight in self.param_groups[0]["params"]:
            self._first_matrix[weight] = matrices
            matrices += len(weight) if weight.ndim == 3 else 1
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.iterations = iterations
        self.flops = 0

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient, and its turn."""
        del closure
        self.flops = 0
        for group in self.param_groups:
            by_size: dict[tuple[int, ...], list[tuple[Tensor, Tensor, Tensor]]] = defaultdict(list)
            weights = [weight for weight in group["params"] if weight.grad is not None]
            for weight, active_A in zip(weights, _active(weights), strict=True):
                taking_part = self._advance(weight, active_A)
                by_size[tuple(taking_part[1].shape[1:])].append(taking_part)
            for taking_parts in by_size.values():
                self._update(taking_parts, group["lr"])

    def _advance(self, weight: nn.Parameter, active_A: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Advance momentum; return the stack, the updates (A, m, n) and their indices (A,).

        Args:
            weight: a matrix or a stack of them, with a gradient.
            active_A: on the host, which matrices took part; those whose turn it is are updated.
        """
        grad = weight.grad
        assert grad is not None
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        stack_Emn, grad_Emn, momentum_Emn = (
            tensor if weight.ndim == 3 else tensor[None]
            for tensor in (weight, grad, state["momentum"])
        )
        if len(active_A) == len(stack_Emn):
            momentum_Emn.lerp_(grad_Emn, 1 - self.momentum)
        else:
            place_A = active_A.to(weight.device, non_blocking=True)
            momentum_Emn[place_A] = momentum_Emn[place_A].lerp_(
                grad_Emn[place_A], 1 - self.momentum
            )
        if self.every > 1:
            number_A = active_A + self._first_matrix[weight]
            active_A = active_A[number_A % self.every == self.turn % self.every]
        place_A = active_A.to(weight.device, non_blocking=True)
        if len(active_A) < len(stack_Emn):
            grad_Emn, momentum_Emn = grad_Emn[place_A], momentum_Emn[place_A]
        return stack_Emn, grad_Emn.lerp(momentum_Emn, self.momentum), place_A

    def _update(self, taking_parts: list[tuple[Tensor, Tensor, Tensor]], rate: float) -> None:
        """Orthogonalise all updates of one size in one batch, then apply them."""
        updates_Smn = torch.cat([update for _, update, _ in taking_parts])
        count, rows, columns = updates_Smn.shape
        if not count:
            return
        self.flops += count * newton_schulz_flops(rows, columns, iterations=self.iterations)
        # A tall matrix maps few inputs to many outputs: the factor keeps the size of its effect.
        rate *= self.every
        scale = rate * max(1.0, rows / columns) ** 0.5
        steps_Smn = orthogonalise(updates_Smn, self.iterations, self.dtype).mul_(-scale)
        sizes = [len(active) for _, _, active in taking_parts]
        for (stack_Emn, _, active_A), step_Amn in zip(
            taking_parts,
            torch.split(steps_Smn, sizes),
            strict=True,
        ):
            kept = 1 - rate * self.weight_decay
            if len(active_A) == len(stack_Emn):
                if self.weight_decay:
                    stack_Emn *= kept
                stack_Emn += step_Amn
            else:
                if self.weight_decay:
                    stack_Emn[active_A] = stack_Emn[active_A] * kept
                stack_Emn.index_add_(0, active_A, step_Amn)


def _active(weights: Sequence[nn.Parameter]) -> list[Tensor]:
    """Of each weight, the matrices whose gradient is not all zeros, as indices on the host.

    All weights together: the host waits for the device once.
    """
    if not weights:
        return []
    grads = [weight.grad for weight in weights if weight.grad is not None]
    # By far the fastest test for zeros; a gradient too small to be squared counts as none.
    norms = [
        (grad.flatten(1) if grad.ndim == 3 else grad.reshape(1, -1)).norm(dim=1) for grad in grads
    ]
    found = torch.split(torch.cat(norms).cpu(), [len(norm) for norm in norms])
    return [part.nonzero().flatten() for part in found]


def orthogonalise(
    matrices_Smn: Tensor, iterations: int, dtype: torch.dtype | None = None
) -> Tensor:
    """The nearest half-orthogonal matrix of each (singular values 0.7 to 1.2), (S, m, n).

    Newton-Schulz in `dtype` (None for that of the matrices); the result is in theirs.
    """
    tall = matrices_Smn.shape[1] > matrices_Smn.shape[2]
    x_Smn = matrices_Smn.mT if tall else matrices_Smn
    # Normed before it is rounded: gradients can be smaller than a low precision tells apart.
    x_Smn = x_Smn / x_Smn.norm(dim=(1, 2), keepdim=True).clamp_min(_SMALLEST_NORM)
    x_Smn = x_Smn.to(dtype or x_Smn.dtype)
    for _ in range(iterations):
        gram_Smm = x_Smn @ x_Smn.mT
        x_Smn = torch.baddbmm(
            x_Smn, torch.baddbmm(gram_Smm, gram_Smm, gram_Smm, beta=_B, alpha=_C), x_Smn, beta=_A
        )
    return (x_Smn.mT if tall else x_Smn).to(matrices_Smn.dtype)

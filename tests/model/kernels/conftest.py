"""What the tests of the kernels share: poisoned memory, and the plain functions in float64."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from farthing.model.kernels.native import kernels_in_use, usable

# No id, count or place: where it is used as one, the test ends.
GARBAGE = -77_777


@pytest.fixture
def compiled() -> None:
    if not usable(torch.zeros(1)):
        pytest.skip(f"no compiled kernels here: {kernels_in_use()}")


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a kernel leaves unwritten, or reads before writing, shows as NaN or garbage."""

    def filled(allocate: Callable[..., Tensor]) -> Callable[..., Tensor]:
        def poisoned(*args: Any, **kwargs: Any) -> Tensor:
            tensor = allocate(*args, **kwargs)
            return tensor.fill_(float("nan") if tensor.is_floating_point() else GARBAGE)

        return poisoned

    monkeypatch.setattr(torch, "empty", filled(torch.empty))
    monkeypatch.setattr(torch, "empty_like", filled(torch.empty_like))
    monkeypatch.setattr(Tensor, "new_empty", filled(Tensor.new_empty))


@pytest.fixture
def draw() -> Callable[..., Tensor]:
    """Normal numbers of a shape, the same for the same seed."""

    def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        source = torch.Generator().manual_seed(1000 * seed + sum(shape))
        return torch.randn(shape, generator=source).to(dtype)

    return normal


@pytest.fixture
def results() -> Callable[..., list[Tensor]]:
    """Outputs of a function, then the gradients of its inputs, laid out as they are given."""

    def compute(
        function: Callable[..., Any], inputs: Sequence[Tensor], *incoming: Tensor
    ) -> list[Tensor]:
        leaves = [x.detach().requires_grad_() for x in inputs]
        outputs = function(*leaves)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        gradients = torch.autograd.grad(outputs, leaves, incoming or None)
        return [*(out.detach() for out in outputs), *gradients]

    return compute


@pytest.fixture
def exact_results(results: Callable[..., list[Tensor]]) -> Callable[..., list[Tensor]]:
    """The same in float64, of what the inputs hold after their own rounding."""

    def compute(
        function: Callable[..., Any], inputs: Sequence[Tensor], *incoming: Tensor
    ) -> list[Tensor]:
        return results(function, [x.double() for x in inputs], *(x.double() for x in incoming))

    return compute


@pytest.fixture
def assert_near() -> Callable[..., None]:
    """Errors relative to the largest number of each tensor: sums cancel, roundings do not.

    `least` is the size of the terms, where the largest number may itself be all but cancelled.
    """

    def check(
        ours: Sequence[Tensor], exact: Sequence[Tensor], tolerance: float, least: float = 1e-30
    ) -> None:
        for x, y in zip(ours, exact, strict=True):
            assert x.shape == y.shape
            scale = max(y.abs().max().item() if y.numel() else 0.0, least)
            torch.testing.assert_close(x.double() / scale, y / scale, rtol=0, atol=tolerance)

    return check


@pytest.fixture
def assert_equal() -> Callable[..., None]:
    """To the last bit; a NaN equals nothing."""

    def check(left: Sequence[Tensor], right: Sequence[Tensor]) -> None:
        for x, y in zip(left, right, strict=True):
            assert x.dtype == y.dtype
            assert torch.equal(x, y)

    return check


@pytest.fixture
def assert_threads_agree(assert_equal: Callable[..., None]) -> Callable[..., None]:
    """One and two threads compute the same bits."""

    def check(compute: Callable[[], list[Tensor]]) -> None:
        before = torch.get_num_threads()
        computed = []
        try:
            for threads in (1, 2):
                torch.set_num_threads(threads)
                computed.append(compute())
        finally:
            torch.set_num_threads(before)
        assert_equal(*computed)

    return check

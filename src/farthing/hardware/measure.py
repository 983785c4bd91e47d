"""What this machine's processor or accelerator can do: matrix products and copies, measured.

Peaks drift with temperature and neighbours. So a probe is asked for samples again and again,
between the steps that its peaks are compared with, and every sample is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil
import torch
import torch.nn.functional as F
from torch import Tensor

# A product that starts small and doubles finds its best size without ever taking long, even where
# a dtype has no fast path.
_SMALLEST, _LARGEST = 256, 16384
_LONGEST_SECONDS = 0.06
_TRIES = 5
_COPY_BYTES = (1 << 20, 1 << 24, 1 << 28)
_MEMORY_SHARE = 8
# Below this a clock measures itself.
_SHORTEST_SECONDS = 0.001

DTYPES = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp8": torch.float8_e4m3fn,
}


def synchronize(device: torch.device) -> None:
    """Wait until `device` has done everything that was asked of it."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def device_name(device: torch.device, processor: str) -> str:
    """What the accelerator's driver calls it; `processor` for the CPU."""
    if device.type == "cpu":
        return processor
    ask = getattr(torch.get_device_module(device), "get_device_name", None)
    return str(ask(device)) if ask else device.type


class MachineProbe:
    """Measures products and copies; `sample` adds one figure to each.

    Attributes:
        sizes: dtype -> edge of the square product that was fastest.
        products: dtype -> FLOP/s, one for each sample.
        refused: dtype -> why the device takes no product of it.
        copies: bytes touched -> B/s, one for each sample.
    """

    def __init__(
        self, device: torch.device, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """Find the fastest size of each dtype, which takes a second or two on a CPU.

        Args:
            device: what to measure, on the threads that torch has now.
            clock: in seconds.
        """
        self._device = device
        self._clock = clock
        self.sizes: dict[str, int] = {}
        self.products: dict[str, list[float]] = {}
        self.refused: dict[str, str] = {}
        self._runs: dict[str, Callable[[], object]] = {}
        for name in DTYPES:
            try:
                self.sizes[name], self._runs[name] = self._fastest_size(name)
            except (RuntimeError, NotImplementedError, AttributeError, ValueError) as error:
                self.refused[name] = str(error).splitlines()[0]
            else:
                self.products[name] = []
        self.copies: dict[int, list[float]] = {
            size: [] for size in _COPY_BYTES if size < _free_bytes(device) / _MEMORY_SHARE
        }

    def sample(self) -> None:
        """Measure everything once more: the fastest of a few tries of each."""
        for name, run in self._runs.items():
            self.products[name].append(2 * self.sizes[name] ** 3 / self._seconds(run))
        for size, rates in self.copies.items():
            source = torch.ones(size // 2, dtype=torch.uint8, device=self._device)
            target = torch.empty_like(source)
            rates.append(size / self._seconds(_copying(source, target)))

    def _fastest_size(self, name: str) -> tuple[int, Callable[[], object]]:
        best, best_rate, size = _SMALLEST, 0.0, _SMALLEST
        best_run = _product(name, size, self._device)
        while size <= _LARGEST:
            run = _product(name, size, self._device)
            seconds = self._seconds(run)
            if (rate := size**3 / seconds) > best_rate:
                best, best_rate, best_run = size, rate, run
            if seconds * 8 > _LONGEST_SECONDS:
                break
            size *= 2
        return best, best_run

    def _seconds(self, run: Callable[[], object]) -> float:
        """The fastest of a few tries, each long enough for the clock; the first call left out."""
        run()
        repeats = 1
        while True:
            fastest = float("inf")
            for _ in range(_TRIES):
                synchronize(self._device)
                began = self._clock()
                for _ in range(repeats):
                    run()
                synchronize(self._device)
                fastest = min(fastest, self._clock() - began)
            if fastest >= _SHORTEST_SECONDS:
                return fastest / repeats
            repeats *= 4


def _product(name: str, size: int, device: torch.device) -> Callable[[], object]:
    left, right = (torch.randn(size, size, device=device).to(DTYPES[name]) for _ in range(2))
    if name != "fp8":
        return lambda: left @ right
    if not hasattr(F, "scaled_mm"):
        raise NotImplementedError("this build of torch has no scaled_mm")
    one = torch.ones((), device=device)
    scaling = F.ScalingType.TensorWise

    def scaled() -> Tensor:
        return F.scaled_mm(left, right.t(), one, scaling, one, scaling, output_dtype=torch.bfloat16)

    return scaled


def _copying(source: Tensor, target: Tensor) -> Callable[[], object]:
    return lambda: target.copy_(source)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cpu":
        return int(psutil.virtual_memory().available)
    return int(torch.accelerator.get_memory_info(device)[0])

"""What the measurements on an accelerator share: models, text, one training step, and the peak."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch

from farthing.errors import FarthingError
from farthing.hardware.measure import MachineProbe
from farthing.model.config import ModelConfig
from farthing.model.kernels.native import plain_kernels
from farthing.stages.train.assemble import assemble
from farthing.stages.train.compiled import expected_graphs, graphs_compiled
from farthing.stages.train.config import CompileSetting, TrainConfig
from farthing.stages.train.guard import LossGuard
from farthing.stages.train.step import StepResult
from farthing.text.batches import Batch

SEED = 0
END_OF_TEXT = 0
VOCAB = 32768
_MANY_STEPS = 1 << 20
_FOLLOWERS = 8
_DOCUMENT_TOKENS = 512
_POOL = 256

# FLOP/s of dense matrix products as the maker prints them, without sparsity: the NVIDIA data
# sheets "H100 Tensor Core GPU" (SXM5, PCIe), "H200" and "A100". By a part of the device's name.
PEAKS = {
    "H100 PCIe": {"bf16": 756e12, "fp8": 1513e12},
    "H100 80GB HBM3": {"bf16": 989.4e12, "fp8": 1978.9e12},
    "H200": {"bf16": 989.4e12, "fp8": 1978.9e12},
    "A100": {"bf16": 312e12},
}


@dataclass(frozen=True)
class Subject:
    """One way to train one model.

    Attributes:
        sequences: of one optimizer step.
        micro: sequences of one forward pass.
        plain: torch's own operators for everything, nothing compiled: what the others compare to.
    """

    name: str
    sizes: ModelConfig
    sequences: int
    micro: int
    precision: str = "bf16"
    fp8: bool = False
    mode: CompileSetting = "blocks"
    plain: bool = False

    def as_plain(self) -> Subject:
        """The same in fp32 on the plain path."""
        return replace(self, precision="fp32", fp8=False, mode="off", plain=True, micro=1)


@dataclass(frozen=True)
class Timing:
    """Wall time of some steps, after warm-up.

    Attributes:
        seconds: median of a step.
        flops: of the model in one step, forward and backward, nothing recomputed.
        optimizer_flops: of the optimizer in one step.
    """

    seconds: float
    tokens: int
    flops: int
    optimizer_flops: int
    losses: tuple[float, ...]
    load_ratio: float | None
    graphs: int
    refusals: dict[str, str]


class ChainText:
    """Text that can be learned: each token has a few followers; documents of random length."""

    def __init__(self, context: int, vocab: int = VOCAB) -> None:
        source = np.random.default_rng(SEED)
        followers = source.integers(1, vocab, (vocab, _FOLLOWERS))
        self._pool = np.empty((_POOL, context + 1), dtype=np.int64)
        self._pool[:, 0] = END_OF_TEXT
        for place in range(1, context + 1):
            picks = source.integers(0, _FOLLOWERS, _POOL)
            drawn = followers[self._pool[:, place - 1], picks]
            ends = source.random(_POOL) < 1 / _DOCUMENT_TOKENS
            self._pool[:, place] = np.where(ends, END_OF_TEXT, drawn)

    def batch(self, first: int, count: int) -> Batch:
        """Sequences `first` to `first + count - 1`, over and over."""
        rows = np.arange(first, first + count) % _POOL
        return Batch(tokens=self._pool[rows], end_of_text=END_OF_TEXT)


def accelerator() -> torch.device:
    """The accelerator of this machine; without one, a kind word and the end."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if found is None:
        raise SystemExit(
            "torch finds no accelerator here, and this script measures nothing else.\n"
            "For the CPU there is: farthing bench"
        )
    return found


def peak_flops(device: torch.device, dtype: str, given: float | None) -> tuple[float, str]:
    """FLOP/s to divide by, and where the figure is from."""
    if given is not None:
        return given * 1e12, "given by --peak-tflops"
    name = device_name(device)
    for part, peaks in PEAKS.items():
        if part in name and dtype in peaks:
            return peaks[dtype], f"the maker's figure for {part}, {dtype}, dense"
    raise SystemExit(f"no peak is known for {name!r} in {dtype}: give --peak-tflops")


def measured_peaks(device: torch.device) -> dict[str, float]:
    """FLOP/s of the best square product of each dtype."""
    probe = MachineProbe(device)
    probe.sample()
    return {dtype: max(rates) for dtype, rates in probe.products.items()}


def device_name(device: torch.device) -> str:
    """What the driver calls it."""
    ask = getattr(torch.get_device_module(device), "get_device_name", None)
    return str(ask(device)) if ask else device.type


def train(subject: Subject, device: torch.device, *, warmup: int, steps: int) -> Timing:
    """Run farthing's own training step, `warmup` times and then `steps` times under the clock."""
    # Outside of autocast, products may use TF32, as nanochat's do; the plain path is fp32.
    torch.set_float32_matmul_precision("highest" if subject.plain else "high")
    results: list[StepResult] = []
    laps: list[float] = []
    before = graphs_compiled()
    with _step_of(subject, device, warmup + steps) as (run, refusals):
        for step in range(warmup + steps):
            _wait(device)
            began = time.perf_counter()
            results.append(run(step))
            _wait(device)
            laps.append(time.perf_counter() - began)
    last = results[-1]
    return Timing(
        seconds=sorted(laps[warmup:])[steps // 2],
        tokens=last.tokens,
        flops=last.flops,
        optimizer_flops=last.optimizer_flops,
        losses=tuple(result.loss for result in results),
        load_ratio=last.load_ratio,
        graphs=graphs_compiled() - before,
        refusals=refusals,
    )


@contextmanager
def _step_of(
    subject: Subject, device: torch.device, steps: int
) -> Iterator[tuple[Callable[[int], StepResult], dict[str, str]]]:
    """Takes step 0 to `steps - 1` in their order; and what FP8 was refused, with the reason."""
    config = TrainConfig.model_validate(
        {
            "steps": _MANY_STEPS,
            "batch_sequences": subject.sequences,
            "micro_sequences": subject.micro,
            "precision": "fp8" if subject.fp8 else subject.precision,
            "compile": subject.mode,
            # The rates are at their peak from the first step on.
            "schedule": {"warmup_share": 0.0, "decay_share": 0.0},
        }
    )
    text = ChainText(subject.sizes.context)
    made = assemble(config, subject.sizes, text, device, rows=VOCAB, end_of_text=END_OF_TEXT)
    if subject.fp8 and made.precision != "fp8":
        raise SystemExit(f"no product of {subject.name} can run in FP8 here: {made.refusals}")
    guard = LossGuard(config.max_loss_jump_nats)
    with (
        plain_kernels() if subject.plain else nullcontext(),
        expected_graphs(config, subject.sizes),
        made.step.feed(range(steps)) as feed,
    ):
        yield lambda number: _good(made.step.run(number, guard, feed)), made.refusals


def _good(result: StepResult) -> StepResult:
    if result.complaint is not None:
        raise FarthingError(f"step {result.step}: {result.complaint}", remedy="see bench/gpu")
    return result


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)

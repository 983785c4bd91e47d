"""Two programs side by side: each in a process of its own, asked for one step at a time.

A process of its own, because each side then has the memory allocator, the threads and the caches
that its users have. Steps alternate, so that whatever else the machine does hits both alike.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from measure import Figure
from torch import Tensor

from farthing.model.kernels.memory import keep_freed_memory

# What the rows of every training bench mean.
ROW_NOTES = (
    "memory kept: the C library told to keep freed memory in the process, as `farthing train` "
    "does; farthing's rows have it unless they say that it is given back.",
    "own optimizers: Muon and AdamW as `farthing train` uses them.",
)
CLIP_NORM = 1.0
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Step:
    """CPU-seconds of one training step by phase, and what came out of it."""

    forward: float
    backward: float
    clip: float
    optimizer: float
    loss: float
    grad_norm: float


class TrainingSide:
    """A model that trains. Subclasses say what it is and how its loss comes about.

    Attributes:
        precision: "fp32", or "bf16" for autocast.
        steps_taken: since the batches were given.
    """

    model: torch.nn.Module
    precision: str
    batches: Tensor

    def __init__(self, precision: str = "fp32", *, memory_kept: bool = False) -> None:
        torch.set_num_threads(1)
        self.precision = precision
        # What farthing's training does in its process; a rival's users would have to know of it.
        if memory_kept:
            keep_freed_memory()
        self.steps_taken = 0

    def loss(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """Mean nats per token."""
        raise NotImplementedError

    def update(self) -> None:
        """Take the optimizer's step and drop the gradients."""
        raise NotImplementedError

    def take(self, batches: np.ndarray) -> None:
        """The batches to train on in turn, (number, rows, context + 1)."""
        self.batches = torch.from_numpy(batches)
        self.steps_taken = 0

    def parameters(self) -> int:
        """How many there are."""
        return sum(weight.numel() for weight in self.model.parameters())

    def step(self) -> Step:
        """One training step, timed."""
        tokens_BW = self.batches[self.steps_taken % len(self.batches)]
        self.steps_taken += 1
        inputs_BT, targets_BT = tokens_BW[:, :-1].contiguous(), tokens_BW[:, 1:].contiguous()
        times = [time.process_time()]
        with self.autocast():
            loss = self.loss(inputs_BT, targets_BT)
        times.append(time.process_time())
        loss.backward()
        times.append(time.process_time())
        norm = self.clip()
        times.append(time.process_time())
        self.update()
        times.append(time.process_time())
        phases = [after - before for before, after in pairwise(times)]
        return Step(*phases, loss=float(loss.detach()), grad_norm=norm)

    def first_step(self) -> tuple[Step, float]:
        """The first step, and the CPU-seconds that it took in all, compilers included."""
        began = _all_cpu_seconds()
        return self.step(), _all_cpu_seconds() - began

    def clip(self) -> float:
        """Clip the gradients; their norm."""
        return float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP_NORM))

    def autocast(self) -> Any:  # noqa: ANN401
        """What the forward pass runs under."""
        if self.precision == "bf16":
            return torch.autocast("cpu", dtype=torch.bfloat16)
        return nullcontext()


class Worker:
    """One side, in a process of its own."""

    def __init__(self, make: Callable[..., Any], **settings: Any) -> None:  # noqa: ANN401
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, make, settings), daemon=True)
        self._process.start()

    def ask(self, method: str, *given: Any) -> Any:  # noqa: ANN401
        """Call a method there, wait, and return what it returned."""
        self._pipe.send((method, given))
        kind, answer = self._pipe.recv()
        if kind == "error":
            raise RuntimeError(f"the other process failed:\n{answer}")
        return answer

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.terminate()


def typical_seconds(steps: Sequence[Step]) -> float:
    """CPU-seconds of a step: the sum of its typical phases."""
    return sum(_typical_phases(steps))


def phase_milliseconds(of_seeds: Sequence[Sequence[Step]]) -> list[Figure]:
    """CPU-milliseconds of forward, backward, clipping, optimizer."""
    by_phase = zip(*(_typical_phases(steps) for steps in of_seeds), strict=True)
    return [Figure.of(1e3 * seconds for seconds in phase) for phase in by_phase]


def _typical_phases(steps: Sequence[Step]) -> tuple[float, float, float, float]:
    """Medians; but the mean of the optimizer, since Muon's matrices may take turns."""
    return (
        statistics.median(step.forward for step in steps),
        statistics.median(step.backward for step in steps),
        statistics.median(step.clip for step in steps),
        statistics.fmean(step.optimizer for step in steps),
    )


def interleave(
    workers: Mapping[str, Worker], rounds: int, method: str = "step", warm_up: int = 1
) -> dict[str, list[Any]]:
    """Ask every worker once per round, forwards and backwards in turn; warm-up rounds are left out.

    Returns:
        What each answered, in order.
    """
    answers: dict[str, list[Any]] = {name: [] for name in workers}
    for turn in range(warm_up + rounds):
        for name in list(workers)[:: -1 if turn % 2 else 1]:
            answer = workers[name].ask(method)
            if turn >= warm_up:
                answers[name].append(answer)
    return answers


def zipf_tokens(seed: int, vocab: int, shape: Sequence[int], first: int = 2) -> np.ndarray:
    """Tokens as text has them, few often and many rarely; none below `first`, the special ones."""
    random = np.random.default_rng(seed)
    share = 1.0 / np.arange(1, vocab - first + 1)
    ranked = random.permutation(np.arange(first, vocab))
    return random.choice(ranked, size=tuple(shape), p=share / share.sum()).astype(np.int64)


def _serve(pipe: Connection, make: Callable[..., Any], settings: dict[str, Any]) -> None:
    side = None
    while True:
        try:
            method, given = pipe.recv()
        except EOFError:
            return
        try:
            side = side or make(**settings)
            pipe.send(("answer", getattr(side, method)(*given)))
        except Exception:  # noqa: BLE001
            pipe.send(("error", traceback.format_exc()))


def _all_cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)

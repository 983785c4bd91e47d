"""What a person sees of a run while it goes: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from farthing.artifacts.work import Work

if TYPE_CHECKING:
    from farthing.stages.train.step import StepResult

SpendingText = Callable[[Work], str]

_PLAIN_LINE_SECONDS = 15.0
_SMOOTHING = 0.9


class Watch(Protocol):
    """Sees every step and what the attempt used so far."""

    def __call__(self, result: StepResult, work: Work) -> None:
        """One more step is done."""


class StepWatch:
    """Prints speed, loss, money and energy so far, and the time left, to stderr."""

    def __init__(self, steps: int, first: int, spending: SpendingText, console: Console) -> None:
        """Watch steps `first` to `steps - 1`.

        Args:
            steps: of the whole run.
            first: where this attempt begins.
            spending: words for the money and energy of some work, such as "$0.0012  0.003 kWh".
            console: where to print.
        """
        self._steps = steps
        self._first = first
        self._spending = spending
        self._console = console
        self._began = self._printed = time.monotonic()
        self._loss: float | None = None
        self._bar = Progress(
            TextColumn("train"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID = self._bar.add_task("train", total=steps, completed=first, text="")

    def __enter__(self) -> StepWatch:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def __call__(self, result: StepResult, work: Work) -> None:
        """Show one more step."""
        old = self._loss if self._loss is not None else result.loss
        self._loss = _SMOOTHING * old + (1 - _SMOOTHING) * result.loss
        done = result.step + 1
        elapsed = time.monotonic() - self._began
        speed = (done - self._first) * result.tokens / elapsed
        text = (
            f"step {done}/{self._steps}  loss {self._loss:.3f}  {speed:,.0f} tokens/s  "
            f"{self._spending(work)}"
        )
        self._bar.update(self._task, completed=done, text=text)
        due = time.monotonic() - self._printed >= _PLAIN_LINE_SECONDS or done == self._steps
        if due and not self._console.is_terminal:
            self._printed = time.monotonic()
            left = elapsed / (done - self._first) * (self._steps - done)
            self._console.print(f"train  {text}  {left:,.0f} s left", highlight=False)

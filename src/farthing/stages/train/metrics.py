"""One line of JSON per step: the source of truth for every curve."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from farthing.artifacts.storage import disk_errors
from farthing.artifacts.work import Work
from farthing.stages.train.step import StepResult

METRICS_NAME = "metrics.jsonl"


class MetricsFile:
    """Appends to `metrics.jsonl`. Steps done twice, after a kill, stand there twice: see `run`."""

    def __init__(self, directory: Path, run: int) -> None:
        self._path = directory / METRICS_NAME
        self._run = run
        with disk_errors(self._path):
            # Line by line: a killed process loses no step that it finished.
            self._file = self._path.open("a", encoding="utf-8", buffering=1)

    def __enter__(self) -> MetricsFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            # What stopped the run matters more than a last line that could not be written.
            with suppress(OSError):
                self._file.close()
            return
        with disk_errors(self._path):
            self._file.close()

    def write(self, result: StepResult, work: Work) -> None:
        """Append one step."""
        line = {
            "run": self._run,
            "step": result.step,
            "loss_nats": result.loss,
            "shapes": [str(shape) for shape in result.shapes],
            "tokens": result.tokens,
            "attended_pairs": result.attended_pairs,
            "flops": result.flops,
            "recomputed_flops": result.recomputed_flops,
            "optimizer_flops": result.optimizer_flops,
            "rate_share": result.rate_share,
            "grad_norm": result.grad_norm,
            "load_ratio": result.load_ratio,
            "wall_seconds": work.wall_seconds,
        }
        with disk_errors(self._path):
            self._file.write(json.dumps(line) + "\n")

"""`farthing bench`: this machine's peaks, a recipe's training step by part, and their distance."""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch

from farthing import __version__
from farthing.artifacts.measurement import Measurement, load_measurement, save_measurement
from farthing.artifacts.storage import PARTIAL_MARK, disk_errors, make_directory
from farthing.artifacts.workspace import Workspace
from farthing.bench.observe import observe
from farthing.bench.result import make_measurement
from farthing.bench.subject import make_subject
from farthing.bench.text import sample_corpus
from farthing.bench.threads import read_threads
from farthing.errors import ArtifactError, UsageError
from farthing.flow import RunConfig
from farthing.model.device import choose_device
from farthing.stages.train.compiled import expected_graphs
from farthing.stages.train.threads import thread_count_restored


def run_bench(
    run: RunConfig,
    *,
    command: str,
    threads: str | None,
    seconds: float,
    out: Path | None,
    workspace: Workspace,
    say: Callable[[str], None],
) -> tuple[Measurement, Path]:
    """Measure this machine and the training step of `run` on it, and write the result.

    Args:
        run: the recipe; its `train.device` is where.
        command: what the user typed, for the record.
        threads: numbers of threads to try, as `1,2`; None for 1, 2, 4, ... all.
        seconds: about how long to measure, preparations apart.
        out: the file to write; None for a new one under the workspace's `measurements/`.
        workspace: where that is.
        say: prints a line of progress.

    Returns:
        What was measured, and the file that holds it.

    Raises:
        UsageError, ConfigError: threads or a device that are not here, sizes that do not fit; `out`
            is a folder, or a file that is no measurement.
        WorkspaceError: it cannot be written there.
        DivergedError: the recipe's step gives no finite loss.
    """
    began, date = time.perf_counter(), datetime.now(UTC)
    device = choose_device(run.train.device)
    counts = read_threads(threads, device)
    place = _checked_place(out, workspace, run.name)
    with thread_count_restored(), tempfile.TemporaryDirectory() as folder:
        torch.set_num_threads(max(counts))
        say("prepare   a slice of the embedded sample, the model, the machine's peaks")
        corpus = sample_corpus(run.corpus, run.model.context, Path(folder) / "corpus")
        subject = make_subject(run, corpus, device)
        with expected_graphs(run.train, run.model):
            seen = observe(subject, counts, seconds, say)
    made = make_measurement(
        subject,
        seen,
        command=command,
        date=date.isoformat(timespec="seconds"),
        versions={
            "farthing": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            "system": platform.platform(),
        },
        taken_seconds=time.perf_counter() - began,
    )
    save_measurement(made, place)
    return made, place


def _checked_place(out: Path | None, workspace: Workspace, name: str) -> Path:
    """Where the measurement will be written; asked before minutes are spent on it."""
    if out is None:
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        out = workspace.measurements / f"{name}-{moment}.json"
    if out.is_dir():
        raise UsageError(
            f"--out {out} is a folder", remedy=f"name a file, such as {out / f'{name}.json'}"
        )
    if out.exists():
        try:
            load_measurement(out)
        except ArtifactError as error:
            raise UsageError(
                f"--out {out} is no measurement, and stays as it is",
                remedy="name another file, or move that one away",
            ) from error
    make_directory(out.parent)
    trial = out.with_name(f".{out.name}{PARTIAL_MARK}-trial")
    with disk_errors(out):
        trial.touch()
        trial.unlink()
    return out

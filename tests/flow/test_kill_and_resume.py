"""A run that is killed at any step ends with the same bytes, and the bill keeps the lost work."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

TRAIN = ("train", "--recipe", "tiny.yaml", "--workspace", "w")
STEPS = 240
# The steps of so small a model take milliseconds: a longer run leaves time to hit it.
LONG = ("--set", f"train.steps={STEPS}", "--set", "train.checkpoint_every=20")
DEADLINE_SECONDS = 120


def weights(workspace: Path, run: str = "*") -> bytes:
    (path,) = workspace.glob(f"runs/{run}/supernet/model.safetensors")
    return path.read_bytes()


def steps_done(workspace: Path, run: str = "*") -> int:
    return sum(
        len(path.read_bytes().splitlines()) for path in workspace.glob(f"runs/{run}/metrics.jsonl")
    )


@pytest.fixture
def start_and_signal(tmp_path: Path, environment, command):
    """Start training, send a signal once some steps are done, return the exit code."""

    def start(step: int, number: int, *further: str, run: str = "*") -> int:
        process = subprocess.Popen(
            command(*TRAIN, *LONG, *further),
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + DEADLINE_SECONDS
        while steps_done(tmp_path / "w", run) < step and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read().decode()
            time.sleep(0.005)
        os.kill(process.pid, number)
        process.communicate(timeout=60)
        return process.returncode

    return start


@pytest.fixture
def uninterrupted(farthing, tmp_path: Path) -> bytes:
    farthing("train", "--recipe", "tiny.yaml", "--workspace", "whole", *LONG)
    return weights(tmp_path / "whole")


@pytest.mark.parametrize("threads", ["1", "2"], ids=["1 thread", "2 threads"])
def test_killed_at_a_random_step_the_weights_are_byte_identical_and_the_lost_work_is_billed(
    farthing, tmp_path: Path, recipe: Path, environment, start_and_signal, threads: str
):
    environment["OMP_NUM_THREADS"] = threads
    # Two runs to compare: their number of threads is given, not raced for.
    given = recipe.read_text(encoding="utf-8").replace("train:", f"train:\n  threads: {threads}")
    recipe.write_text(given, encoding="utf-8")
    farthing("train", "--recipe", "tiny.yaml", "--workspace", "whole", *LONG)
    uninterrupted = weights(tmp_path / "whole")
    step = random.SystemRandom().randrange(5, 100)
    code = start_and_signal(step, signal.SIGKILL)
    assert code == -signal.SIGKILL, f"not killed in time (step {step})"
    lost_steps = steps_done(tmp_path / "w")
    farthing(*TRAIN, *LONG)

    assert weights(tmp_path / "w") == uninterrupted, f"killed after step {step}"
    bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
    whole = json.loads(farthing("bill", "--workspace", "whole", "--json").stdout)
    attempts = [line for line in bill["runs"] if line["purpose"] == "training"]
    assert [line["status"] for line in attempts] == ["aborted", "completed"]
    # Every step of both attempts is billed: those since the last checkpoint were done twice. The
    # kill may fall between a step's heartbeat and its line in the metrics.
    redone = steps_done(tmp_path / "w") - STEPS
    billed = [attempt["tokens"]["value"] / (4 * 128) for attempt in attempts]
    assert billed[0] in (lost_steps, lost_steps + 1)
    assert billed[1] == STEPS + redone - lost_steps
    flops = {
        name: each["purposes"]["training"]["flops"]["value"]
        for name, each in (("killed", bill), ("whole", whole))
    }
    assert (flops["killed"] > flops["whole"]) == (redone > 0)
    assert attempts[0]["wall_hours"]["value"] > 0
    assert farthing("verify", "--workspace", "w").returncode == 0


@pytest.mark.parametrize(
    "start",
    [
        ("--shape", "3L-4E-1K", "--set", "start.optimizer=carried"),
        ("--set", "model.num_experts=8", "--set", "start.grow.experts=copy"),
    ],
    ids=["a member", "grown"],
)
def test_a_continued_run_that_is_killed_ends_with_the_same_bytes(
    farthing, tmp_path: Path, start_and_signal, start: tuple[str, ...]
):
    words = ("--from", "tiny", "--set", "train.threads=1", *start)
    for workspace in ("whole", "w"):
        place = ("train", "--recipe", "tiny.yaml", "--workspace", workspace)
        farthing(*place, "--set", "train.threads=1")
        if workspace == "whole":
            farthing(*place, *LONG, *words)
    step = random.SystemRandom().randrange(5, 100)
    code = start_and_signal(step, signal.SIGKILL, *words, run="continued-*")
    assert code == -signal.SIGKILL, f"not killed in time (step {step})"
    resumed = farthing(*TRAIN, *LONG, *words)
    assert "resume" in resumed.stderr or step < 21
    killed, whole = (weights(tmp_path / name, "continued-*") for name in ("w", "whole"))
    assert killed == whole, f"killed after step {step}"
    farthing("verify", "--workspace", "w")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_polite_stop_saves_first_exits_with_75_and_loses_no_step(
    farthing, tmp_path: Path, start_and_signal, uninterrupted: bytes, number: int
):
    code = start_and_signal(33, number)
    assert code == 75
    farthing(*TRAIN, *LONG)
    assert weights(tmp_path / "w") == uninterrupted
    assert steps_done(tmp_path / "w") == STEPS, "a step was done twice"
    bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
    statuses = [line["status"] for line in bill["runs"] if line["purpose"] == "training"]
    assert statuses == ["aborted", "completed"]


def test_a_second_writer_of_the_same_run_is_refused_by_name(
    farthing, tmp_path: Path, environment, command
):
    process = subprocess.Popen(
        command(*TRAIN, "--set", "train.steps=100000"),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not steps_done(tmp_path / "w") and time.monotonic() < deadline:
            time.sleep(0.02)
        refused = farthing(*TRAIN, "--set", "train.steps=100000", check=3)
        assert str(process.pid) in refused.stderr
    finally:
        process.kill()
        process.wait()


def test_an_artifact_that_was_finished_but_not_recorded_is_made_again_with_the_same_bytes(
    farthing, tmp_path: Path
):
    """As after a kill between the last rename and the last line of the book."""
    farthing(*TRAIN)
    before = weights(tmp_path / "w")
    book, home = tmp_path / "w/book.jsonl", tmp_path / "home"
    lines = book.read_bytes().splitlines(keepends=True)
    assert b'"run.end"' in lines[-1]
    book.write_bytes(b"".join(lines[:-1]))
    for head in home.glob("heads/*.json"):
        head.unlink()
    again = farthing(*TRAIN)
    assert "reuse" in again.stderr.splitlines()[0], "the corpus was recorded"
    assert weights(tmp_path / "w") == before
    bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
    statuses = [line["status"] for line in bill["runs"] if line["purpose"] == "training"]
    assert statuses == ["aborted", "completed"]
    farthing("verify", "--workspace", "w")


def test_cutting_the_journal_of_a_killed_run_shows_and_saves_no_money(
    farthing, tmp_path: Path, start_and_signal
):
    start_and_signal(50, signal.SIGKILL)
    (journal,) = tmp_path.glob("w/journals/1.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:4]))

    def billed_tokens() -> float:
        bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
        return next(run for run in bill["runs"] if run["run"] == 1)["tokens"]["value"]

    # Two checkpoints, at steps 20 and 40, were entered into the book.
    assert billed_tokens() >= 40 * 4 * 128
    assert "its tail was cut off" in farthing("verify", "--workspace", "w", check=1).stdout
    farthing(*TRAIN, *LONG)
    assert billed_tokens() >= 40 * 4 * 128
    assert "its tail was cut off" in farthing("verify", "--workspace", "w", check=1).stdout

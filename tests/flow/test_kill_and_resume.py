"""A run that is killed at any step ends with the same bytes, and the bill keeps the lost work."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest

from farthing.hardware.machine import available_threads

TRAIN = ("train", "--recipe", "tiny.yaml", "--workspace", "w")
STEPS = 150
# The steps of so small a model take milliseconds: a longer run leaves time to hit it.
LONG = ("--set", f"train.steps={STEPS}", "--set", "train.checkpoint_every=20")
DEADLINE_SECONDS = 120


def given(threads: str) -> tuple[str, str]:
    """Two runs to compare: their number of threads is given, not raced for."""
    return "--set", f"train.threads={threads}"


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


def on(threads: str) -> dict[str, str]:
    """Threads for an interpreter; those that wait do not spin, as other tests run beside."""
    return {"OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "passive"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, family: Path, command):
    """Trains without an interruption on so many threads, once; the workspace, to be read only."""

    @cache
    def train(threads: str) -> Path:
        folder = tmp_path_factory.mktemp("whole")
        shutil.copy(family / "tiny.yaml", folder)
        subprocess.run(
            command(*TRAIN, *LONG, *given(threads)),
            cwd=folder,
            env={**os.environ, **on(threads), "FARTHING_HOME": str(folder / "home")},
            check=True,
            capture_output=True,
        )
        return folder / "w"

    return train


two_threads = pytest.mark.skipif(available_threads() < 2, reason="one hardware thread")


@pytest.mark.parametrize(
    "threads", ["1", pytest.param("2", marks=two_threads)], ids=["1 thread", "2 threads"]
)
def test_killed_at_a_random_step_the_weights_are_byte_identical_and_the_lost_work_is_billed(
    *, farthing, fresh_farthing, tmp_path: Path, environment, whole, start_and_signal, threads: str
):
    uninterrupted = whole(threads)
    step = random.SystemRandom().randrange(5, 100)
    with patch.dict(environment, on(threads)):
        code = start_and_signal(step, signal.SIGKILL, *given(threads))
        assert code == -signal.SIGKILL, f"not killed in time (step {step})"
        lost_steps = steps_done(tmp_path / "w")
        fresh_farthing(*TRAIN, *LONG, *given(threads))

    assert weights(tmp_path / "w") == weights(uninterrupted), f"killed after step {step}"
    bill = json.loads(farthing("bill", "--workspace", "w", "--json").stdout)
    bill_of_whole = json.loads(farthing("bill", "--workspace", str(uninterrupted), "--json").stdout)
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
        for name, each in (("killed", bill), ("whole", bill_of_whole))
    }
    assert (flops["killed"] > flops["whole"]) == (redone > 0)
    assert attempts[0]["wall_hours"]["value"] > 0
    for attempt in attempts:
        phases = {
            line["phase"]: line["wall_hours"]["value"]
            for line in bill["phases"]["runs"]
            if line["run"] == attempt["run"]
        }
        assert {"start-up", "compile", "training"} <= set(phases)
        assert ("wind-down" in phases) == (attempt["status"] == "completed")
        assert sum(phases.values()) == pytest.approx(attempt["wall_hours"]["value"], rel=1e-9)
    assert farthing("verify", "--workspace", "w").returncode == 0


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    "start",
    [
        ("--shape", "3L-4E-1K", "--set", "start.optimizer=carried"),
        ("--set", "model.num_experts=8", "--set", "start.grow.experts=copy"),
    ],
    ids=["a member", "grown"],
)
def test_a_continued_run_that_is_killed_ends_with_the_same_bytes(
    *, farthing, fresh_farthing, tmp_path: Path, environment, start_and_signal, start
):
    words = ("--from", "tiny", *given("1"), *start)
    # Two copies of one book: each has a home of its own that remembers how far it goes.
    shutil.copytree(tmp_path / "w", tmp_path / "whole")
    shutil.copytree(tmp_path / "home", tmp_path / "home of whole")
    with patch.dict(environment, {"FARTHING_HOME": str(tmp_path / "home of whole")}):
        fresh_farthing("train", "--recipe", "tiny.yaml", "--workspace", "whole", *LONG, *words)
    step = random.SystemRandom().randrange(5, 100)
    code = start_and_signal(step, signal.SIGKILL, *words, run="continued-*")
    assert code == -signal.SIGKILL, f"not killed in time (step {step})"
    resumed = fresh_farthing(*TRAIN, *LONG, *words)
    assert "resume" in resumed.stderr or step < 21
    killed, unbroken = (weights(tmp_path / name, "continued-*") for name in ("w", "whole"))
    assert killed == unbroken, f"killed after step {step}"
    farthing("verify", "--workspace", "w")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_a_polite_stop_saves_first_exits_with_75_and_loses_no_step(
    farthing, tmp_path: Path, start_and_signal, whole, number: int
):
    code = start_and_signal(33, number)
    assert code == 75
    farthing(*TRAIN, *LONG)
    assert weights(tmp_path / "w") == weights(whole("1"))
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


@pytest.mark.usefixtures("trained")
def test_an_artifact_that_was_finished_but_not_recorded_is_made_again_with_the_same_bytes(
    farthing, fresh_farthing, tmp_path: Path
):
    """As after a kill between the last rename and the last line of the book."""
    before = weights(tmp_path / "w")
    book, home = tmp_path / "w/book.jsonl", tmp_path / "home"
    lines = book.read_bytes().splitlines(keepends=True)
    assert b'"run.end"' in lines[-1]
    book.write_bytes(b"".join(lines[:-1]))
    for head in home.glob("heads/*.json"):
        head.unlink()
    again = fresh_farthing(*TRAIN)
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

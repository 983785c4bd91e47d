"""Processes that are killed or told to stop: at most one piece a worker is lost, and none half."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import piece_functions as functions
import psutil
import pytest
from piece_functions import PIECES, work

from farthing.errors import InterruptedRunError, WorkspaceError
from farthing.execution.run import run_pieces
from farthing.execution.workers import Workers

# A run of its own: what happens to it when it is killed, and to its workers.
RUN = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import piece_functions as functions
from farthing.errors import FarthingError
from farthing.execution.run import run_pieces
from farthing.execution.workers import Workers

if __name__ == "__main__":
    made = functions.work(functions.slow, trace=Path(sys.argv[2]), bad=(4, 15))
    try:
        with Workers(int(sys.argv[4])) as workers:
            run_pieces(made, functions.PIECES, Path(sys.argv[3]), workers)
    except FarthingError as error:
        print(error)
        sys.exit(error.exit_code)
"""


@pytest.fixture
def trace(tmp_path):
    folder = tmp_path / "trace"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made"


def _run(made, folder, count):
    with Workers(count) as workers:
        return run_pieces(made, PIECES, folder, workers)


def _digests(tmp_path):
    return [r.digest for r in _run(work(functions.multiply), tmp_path / "expected", 1)]


def _begun(trace):
    return [int(p.name.split("-")[0]) for p in trace.iterdir() if not p.name.startswith("slow")]


def _wait_for(condition):
    last = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < last, "waited for a minute"
        time.sleep(0.02)


def test_a_worker_that_is_killed_once_costs_one_piece_more(tmp_path, folder, trace):
    results = _run(work(functions.killed, trace=trace, bad=(3,), once=True), folder, 2)
    assert [result.digest for result in results] == _digests(tmp_path)
    assert sorted(_begun(trace)) == sorted([*range(20), 3])
    assert not list(folder.rglob(".*"))


def test_a_piece_that_kills_twice_ends_the_run_and_finished_pieces_are_kept(
    tmp_path, folder, trace
):
    with pytest.raises(WorkspaceError, match=r"killed by signal 9 \(memory\?\) at piece 2 ") as e:
        _run(work(functions.killed, trace=trace, bad=(2,)), folder, 2)
    assert "fewer workers" in e.value.remedy
    assert _begun(trace).count(2) == 2
    kept = {int(path.name) for path in (folder / "multiply").glob("[0-9]*")}
    assert {0, 1} <= kept
    assert 2 not in kept
    # The same again, where there is room: no finished piece is touched, and nothing is missing.
    before = len(_begun(trace))
    results = _run(work(functions.multiply, trace=trace), folder, 2)
    assert [result.digest for result in results] == _digests(tmp_path)
    assert len(_begun(trace)) - before == 20 - len(kept)
    assert not list(folder.rglob(".*"))


def test_a_worker_that_is_killed_between_phases_is_replaced(tmp_path, folder):
    with Workers(2) as workers:
        run_pieces(work(functions.loads_torch), PIECES[:2], folder / "before", workers)
        killed = psutil.Process(workers.process_ids[0])
        killed.kill()
        _wait_for(lambda: killed.status() == psutil.STATUS_ZOMBIE)
        results = run_pieces(work(functions.multiply), PIECES, folder, workers)
    assert [result.digest for result in results] == _digests(tmp_path)


def test_workers_that_die_at_ever_new_pieces_end_the_run(folder, trace):
    made = work(functions.killed, trace=trace, bad=tuple(range(20)), once=True)
    with pytest.raises(WorkspaceError, match="after 2 others that were replaced"):
        _run(made, folder, 2)


def test_a_signal_ends_the_workers_and_leaves_no_half_piece(tmp_path, folder, trace):
    slow = work(functions.slow, trace=trace, bad=(2, 12))

    def interrupt():
        _wait_for(lambda: len(list(trace.glob("slow-*"))) == 2)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(InterruptedRunError, match="interrupted at multiply, with 4 of 20") as told:
        _run(slow, folder, 2)
    assert told.value.exit_code == 75
    at_work = list(trace.glob("slow-*"))
    assert len(at_work) == 2
    assert not any(psutil.pid_exists(int(path.name.split("-")[2])) for path in at_work)
    assert sorted(path.name for path in (folder / "multiply").iterdir()) == [
        f"{number:06d}" for number in (0, 1, 10, 11)
    ]
    results = _run(work(functions.multiply), folder, 1)
    assert sum(result.reused for result in results) == 4
    assert [result.digest for result in results] == _digests(tmp_path)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_run_that_is_killed_goes_on_and_redoes_a_piece_a_worker(
    tmp_path, folder, trace, count, by
):
    script = tmp_path / "run.py"
    script.write_text(RUN)
    here = Path(__file__).parent
    process = subprocess.Popen(
        [sys.executable, script, here, trace, folder, str(count)],
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        _wait_for(lambda: len(list(trace.glob("slow-*"))) == count)
        # Its children are the workers, and Python's tracker of shared resources.
        workers = {int(path.name.split("-")[2]) for path in trace.glob("slow-*")}
        process.send_signal(by)
        said = process.stdout.read()
    assert process.returncode == (-9 if by == signal.SIGKILL else 75), said
    # Nobody waits for their results: they leave in the middle of a piece.
    _wait_for(lambda: not any(psutil.pid_exists(worker) for worker in workers))
    finished = len(list((folder / "multiply").glob("[0-9]*")))
    assert finished >= 4
    begun = len(list(trace.iterdir())) - len(list(trace.glob("slow-*")))
    lost = begun + count - finished
    assert 0 <= lost <= count
    results = _run(work(functions.multiply), folder, count)
    assert sum(result.reused for result in results) == finished
    assert [result.digest for result in results] == _digests(tmp_path)
    assert not list(folder.rglob(".*"))

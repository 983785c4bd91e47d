"""The runner: every task once, on hardware threads of its own, and what went wrong is told."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass

import psutil
import pytest
import torch

from farthing.artifacts.entries import RunEnd
from farthing.errors import ConfigError, CorpusError, InterruptedRunError
from farthing.hardware.sensors.find import find_loads
from farthing.ledger.bill import make_bill
from farthing.ledger.meter import Meter
from farthing.quantity import Provenance
from farthing.session import Show, open_session
from farthing.studies import runner
from farthing.studies.runner import _run_in, _shares, run_tasks

SHOW = Show(line=lambda _: None, training=lambda *_: nullcontext(lambda *_: None))


@dataclass(frozen=True)
class Look:
    """Says where it ran and what its session bills."""

    number: int

    lane_name: str = ""

    @property
    def title(self):
        return f"look {self.number}"

    @property
    def lane(self):
        return self.lane_name or self.title

    def run(self, session):
        place = tuple(sorted(os.sched_getaffinity(0)))
        return self.number, os.getpid(), place, session.meter.machine.devices


@dataclass(frozen=True)
class Fail(Look):
    def run(self, _session):
        raise CorpusError("no text", remedy="add some")


@dataclass(frozen=True)
class Spend(Look):
    """A run in the book that does nothing."""

    def run(self, session):
        with session.book.start_run(
            "evaluation",
            f"spend-{self.number}",
            input_key=str(self.number),
            meter=session.meter,
            torch_version="",
            threads=1,
            directory=session.workspace.root / "spent" / str(self.number),
        ) as recorder:
            recorder.end()
        return recorder.number


@pytest.fixture
def session(workspace):
    return open_session(workspace.root, SHOW)


needs_two = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one hardware thread")


def test_one_job_runs_here_in_order(session):
    done = list(run_tasks([Look(2), Look(1)], session, jobs=1))
    assert [each.result[0] for each in done] == [2, 1]
    assert {each.result[1] for each in done} == {os.getpid()}


@needs_two
def test_several_jobs_have_threads_of_their_own_and_are_billed_for_those(session):
    before = os.sched_getaffinity(0), torch.get_num_threads()
    done = list(run_tasks([Look(number) for number in range(4)], session, jobs=2))
    assert sorted(each.result[0] for each in done) == [0, 1, 2, 3]
    assert os.getpid() not in {each.result[1] for each in done}
    places = {each.result[1]: each.result[2] for each in done}
    held = [thread for place in places.values() for thread in place]
    assert len(held) == len(set(held)), "no thread is shared"
    assert all(each.result[3] == len(each.result[2]) for each in done)
    assert (os.sched_getaffinity(0), torch.get_num_threads()) == before


def test_more_jobs_than_threads_are_refused(session):
    there = len(os.sched_getaffinity(0))
    with pytest.raises(ConfigError, match=f"--jobs {there + 1}: there are {there}"):
        list(run_tasks([Look(0)], session, jobs=there + 1))


@pytest.mark.parametrize("jobs", [1, pytest.param(2, id="two")])
def test_what_a_task_raises_reaches_the_caller(session, jobs):
    if jobs > len(os.sched_getaffinity(0)):
        pytest.skip("one hardware thread")
    with pytest.raises(CorpusError, match="no text"):
        list(run_tasks([Fail(0)], session, jobs=jobs))


@dataclass(frozen=True)
class Wait(Look):
    """Says that it has begun, and goes on for longer than the test."""

    def run(self, session):
        (session.workspace.root / "begun").touch()
        time.sleep(300)


@needs_two
def test_a_signal_counts_while_a_failed_study_finishes_what_had_begun(session):
    began = session.workspace.root / "begun"
    failed = threading.Event()

    def interrupt():
        while not (began.exists() and failed.is_set()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    shutdown = ProcessPoolExecutor.shutdown

    def shut(pool, *args, **kwargs):
        failed.set()
        shutdown(pool, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ProcessPoolExecutor, "shutdown", shut)
        with pytest.raises(InterruptedRunError, match="interrupted"):
            list(run_tasks([Wait(0), Fail(1)], session, jobs=2))
    # Told to end; when they have is up to them.
    deadline = time.monotonic() + 60
    while multiprocessing.active_children():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class Pool:
    """An executor whose tasks end when the test says so."""

    def __init__(self):
        self.begun = {}

    def submit(self, _function, task):
        self.begun[task.number] = Future()
        return self.begun[task.number]


def test_tasks_of_one_lane_take_turns_and_others_do_not_wait(session):
    pool = Pool()
    tasks = [Look(0, "shared"), Look(1, "shared"), Look(2), Look(3)]
    going = _run_in(pool, list(tasks), session, jobs=2)
    results = []
    with ThreadPoolExecutor(1) as beside:
        for ended, begun in ((2, {0, 2}), (0, {0, 2, 3}), (1, {0, 1, 2, 3}), (3, {0, 1, 2, 3})):
            answer = beside.submit(next, going)
            while set(pool.begun) != begun:
                assert not answer.done()
            pool.begun[ended].set_result(ended)
            results.append(answer.result(timeout=30).result)
    assert results == [2, 0, 1, 3]


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=needs_two)], ids=["one", "two"])
def test_every_moment_of_a_process_is_billed_once(session, jobs):
    """One meter for each process: a later run is not billed what earlier ones were."""
    began = time.time()
    list(run_tasks([Spend(number) for number in range(6)], session, jobs=jobs))
    elapsed = time.time() - began + time.time() - psutil.Process().create_time()
    session.book.refresh()
    bodies = (record.body for record in session.book.records)
    ends = [body for body in bodies if isinstance(body, RunEnd)]
    assert len(ends) == 6
    # This process is older than the test: its age is billed, once.
    assert sum(end.work.wall_seconds for end in ends) <= jobs * elapsed
    assert sum(end.work.wall_seconds < 5 for end in ends) >= 6 - jobs


@needs_two
def test_accelerators_are_dealt_out_and_never_billed_twice():
    shares = _shares(2, ("GPU-a", "GPU-b", "GPU-c"))
    assert [share.accelerators for share in shares] == [("GPU-a", "GPU-c"), ("GPU-b",)]
    held = [thread for share in shares for thread in share.threads]
    assert sorted(held) == sorted(os.sched_getaffinity(0))
    with pytest.raises(ConfigError, match="sees 1 of the accelerators"):
        _shares(2, ("GPU-a",))


@dataclass(frozen=True)
class MeterPackage(Look):
    """A run whose meter reads a processor package that the test plays in files."""

    def run(self, session):
        root = session.workspace.root / "package"
        machine = session.meter.machine
        loads = find_loads(machine, powercap=root / "powercap", cpus=root / "cpus")
        meter = Meter(machine, loads, from_process_start=False)
        with session.book.start_run(
            "search", self.title, input_key=self.title, meter=meter
        ) as recorder:
            (root / f"begun-{self.number}").touch()
            while not (root / "spent").exists():
                time.sleep(0.02)
            recorder.beat("search", None)
            recorder.end()
        return recorder.number


def _play_package(root, threads):
    """A package with one energy counter; its threads are `threads`."""
    zone = root / "powercap" / "intel-rapl:0"
    zone.mkdir(parents=True)
    for name, text in (("name", "package-0"), ("max_energy_range_uj", "262143328850")):
        (zone / name).write_text(f"{text}\n")
    (zone / "energy_uj").write_text("5000000\n")
    for thread in threads:
        topology = root / "cpus" / f"cpu{thread}" / "topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text("0\n")
    return zone / "energy_uj"


def test_two_workers_on_one_package_are_not_billed_more_than_it_drew(session, monkeypatch):
    threads = sorted(os.sched_getaffinity(0))
    if len(threads) == 1:
        # Both workers on the one there is; the package has another that nobody holds.
        monkeypatch.setattr(runner, "_shares_of_threads", lambda jobs: [tuple(threads)] * jobs)
        threads = [*threads, 1000]
    root = session.workspace.root / "package"
    energy = _play_package(root, threads)

    def spend():
        while len(list(root.glob("begun-*"))) < 2:
            time.sleep(0.02)
        energy.write_text("85000000\n")
        (root / "spent").touch()

    threading.Thread(target=spend, daemon=True).start()
    list(run_tasks([MeterPackage(0), MeterPackage(1)], session, jobs=2))
    bill = make_bill(session.workspace, session.settings)
    drawn = [line.figures.kwh for line in bill.lines]
    assert len(drawn) == 2
    # What the package drew while both held it, between them by their threads; less of it where a
    # container's quota leaves them less.
    assert 0 < sum(each.value for each in drawn) * 3.6e6 <= 80.0 * (1 + 1e-9)
    # Nobody measured how much of it was whose: anything up to the whole.
    assert all(each.provenance is Provenance.ESTIMATED for each in drawn)
    assert [each.low for each in drawn] == [0.0, 0.0]
    assert [each.high * 3.6e6 for each in drawn] == pytest.approx([80.0, 80.0])


@needs_two
def test_a_process_is_not_billed_for_what_its_workers_held(session):
    session.meter.lap()
    began = time.monotonic()
    list(run_tasks([Spend(number) for number in range(2)], session, jobs=2))
    waited = time.monotonic() - began
    assert session.meter.lap().wall_seconds < waited / 2

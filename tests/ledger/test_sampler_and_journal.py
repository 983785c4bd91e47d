from __future__ import annotations

import subprocess
import sys
import time

import pytest

from farthing.artifacts.chain import ChainFile
from farthing.artifacts.entries import Event, Heartbeat, RunEnd, read_records
from farthing.errors import SensorLostError, WorkspaceError
from farthing.hardware.sensors.counter import read_exactly
from farthing.hardware.sensors.find import Load
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter
from farthing.ledger.sampler import Sampler


class _Dying:
    """A sensor that says 100 J more at every look, and nothing after some of them."""

    method = "board_counter"
    covers = "accelerator X"

    def __init__(self, looks):
        self.looks = looks
        self.joules = 0.0

    def energy(self):
        if self.looks == 0:
            raise SensorLostError("the sensor cannot be read: gone", remedy="look")
        self.looks -= 1
        self.joules += 100.0
        return read_exactly(self.joules)


def _journal(book, run):
    chain = ChainFile(
        book.workspace.journals / f"{run.number}.jsonl",
        first_prev=run.digest,
        public_key=book._signer.public,
        torn_tail=True,
    )
    return [record.body for record in read_records(chain)]


def _wait_for(condition):
    until = time.monotonic() + 60
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    assert condition()


@pytest.fixture
def quick(monkeypatch):
    """Signs of life every few hundredths of a second."""
    monkeypatch.setattr("farthing.ledger.sampler.SAMPLE_SECONDS", 0.01)
    monkeypatch.setattr("farthing.ledger.journal.SILENT_SECONDS", 0.02)


def test_a_sampler_calls_until_it_is_stopped():
    calls = []
    sampler = Sampler(lambda: calls.append(1), seconds=0.005)
    _wait_for(lambda: len(calls) >= 3)
    assert 0 < sampler.processor_seconds < 60
    sampler.stop()
    before = len(calls)
    time.sleep(0.05)
    assert len(calls) == before
    sampler.stop()


def test_a_sampler_whose_call_raises_says_so_once_and_goes_on(monkeypatch):
    calls, told = [], []
    monkeypatch.setattr("threading.excepthook", told.append)

    def call():
        calls.append(1)
        if 2 <= len(calls) <= 4:
            raise OverflowError("too large")

    sampler = Sampler(call, seconds=0.005)
    _wait_for(lambda: len(calls) >= 6)
    sampler.stop()
    (said,) = told
    assert (said.exc_type, str(said.exc_value)) == (OverflowError, "too large")
    assert said.thread.name == "farthing-sampler"


@pytest.mark.usefixtures("quick")
def test_a_long_operation_has_heartbeats_of_its_own_phase(book, meter):
    with book.start_run("training", "n", input_key="k", meter=meter) as run:
        run.beat("evaluate", 3, tokens=7)
        _wait_for(lambda: len(_journal(book, run)) >= 5)
        beats = _journal(book, run)
        run.end()
    later = beats[2:]
    assert {(beat.phase, beat.step, beat.work.tokens) for beat in later} == {("evaluate", 3, 7)}
    seconds = [beat.work.wall_seconds for beat in beats]
    assert seconds == sorted(seconds)


def test_short_steps_share_heartbeats_and_lose_nothing(book, meter, monkeypatch):
    monkeypatch.setattr("farthing.ledger.journal._WRITING_SECONDS", 0.0)
    monkeypatch.setattr("farthing.ledger.journal._WRITING_SHARE", 0.0)
    with book.start_run("training", "n", input_key="k", meter=meter) as run:
        for step in range(50):
            work = run.beat("train", step, tokens=2, flops=3.0)
        assert (work.tokens, work.flops) == (100, 150.0)
        assert len(_journal(book, run)) < 25
        # The sampler writes what waits.
        _wait_for(lambda: _journal(book, run)[-1].work.tokens == 100)
        assert _journal(book, run)[-1].step == 49
        whole = run.end()
    assert (whole.tokens, whole.flops) == (100, 150.0)


def test_while_writing_is_cheap_every_step_has_its_heartbeat(book, meter):
    with book.start_run("training", "n", input_key="k", meter=meter) as run:
        for step in range(20):
            run.beat("train", step)
        steps = [beat.step for beat in _journal(book, run) if isinstance(beat, Heartbeat)]
        run.end()
    assert [step for step in dict.fromkeys(steps) if step is not None] == list(range(20))


def test_a_sensor_that_vanishes_is_noted_and_the_run_goes_on(book, machine):
    sensor = _Dying(looks=2)
    watts = machine.watts_per_device
    meter = Meter(machine, [Load("accelerator X", sensor, watts)], from_process_start=False)
    # The first look is the start's heartbeat, and the second one this beat.
    with book.start_run("training", "n", input_key="k", meter=meter) as run:
        run.beat("train", 1, tokens=1)
        time.sleep(0.05)
        run.beat("evaluate", None)
        work = run.end()
        entries = _journal(book, run)
    (event,) = [entry for entry in entries if isinstance(entry, Event)]
    assert event.event == "sensor lost"
    assert "accelerator X: the sensor cannot be read: gone; measured for" in event.detail
    parts = {part.method: part for part in work.energy_parts}
    assert parts["board_counter"].joules == 200.0
    assert parts["board_counter"].measured
    assert 0.05 * 5.0 <= parts["tdp_model"].joules <= work.wall_seconds * 5.0
    assert isinstance(book.records[-1].body, RunEnd)
    assert book.records[-1].body.work == work
    meter._sampler and meter._sampler.stop()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("allowed", [0.2, 0.0], ids=["cheap", "shared"])
@pytest.mark.parametrize("error", [WorkspaceError, OSError])
def test_a_full_disk_is_told_by_the_run_and_not_by_the_thread(
    book, meter, monkeypatch, error, allowed
):
    # Where steps share heartbeats, most beats write nothing by themselves.
    monkeypatch.setattr("farthing.ledger.journal._WRITING_SECONDS", allowed)
    monkeypatch.setattr("farthing.ledger.journal._WRITING_SHARE", 0.0)
    run = book.start_run("training", "n", input_key="k", meter=meter)
    run.beat("train", 0)
    tried = []

    def full(*_, **__):
        tried.append(1)
        if error is OSError:
            raise OSError(5, "the disk is full")
        raise WorkspaceError("the disk is full", remedy="make room")

    with monkeypatch.context() as patch:
        patch.setattr(run._journal, "append", full)
        _wait_for(lambda: len(tried) >= 2)
        with pytest.raises(error, match="full"):
            run.beat("train", 1)
    assert meter._sampler._thread.is_alive()
    run.end()


def test_a_sensor_lost_while_the_disk_was_full_is_still_noted(book, machine, monkeypatch):
    meter = Meter(machine, [Load("accelerator X", _Dying(looks=1), None)], from_process_start=False)
    run = book.start_run("training", "n", input_key="k", meter=meter)
    real = run._journal.append

    def full(*_, **__):
        raise WorkspaceError("the disk is full", remedy="make room")

    monkeypatch.setattr(run._journal, "append", full)
    with pytest.raises(WorkspaceError):
        run.beat("train", 1, flush=True)
    monkeypatch.setattr(run._journal, "append", real)
    run.beat("train", 2, flush=True)
    run.end()
    (event,) = [entry for entry in _journal(book, run) if isinstance(entry, Event)]
    assert "accelerator X: the sensor cannot be read: gone" in event.detail
    meter._sampler and meter._sampler.stop()


_SLOW = """
import sys, time
from pathlib import Path
from farthing.artifacts.workspace import Workspace
from farthing.hardware.machine import Machine
from farthing.ledger import journal
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter
from farthing.quantity import assumed
journal.SILENT_SECONDS = 0.5
machine = Machine("m", "test cpu", "cpu-thread", 2, assumed(5.0, "W", "test"))
book = Book.open(Workspace(Path(sys.argv[1])))
meter = Meter(machine, from_process_start=False)
run = book.start_run("training", "a", input_key="k", meter=meter)
run.beat("train", 1, tokens=100)
print("ready", flush=True)
time.sleep(600)
"""


def test_a_kill_in_a_long_operation_bills_to_the_last_sample(workspace):
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(workspace.root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    began = time.monotonic()
    time.sleep(4)
    process.kill()
    held = time.monotonic() - began
    process.wait()
    process.stdout.close()
    end = Book.open(workspace).records[-1].body
    assert (end.status, end.evidence, end.work.tokens) == ("aborted", "heartbeat", 100)
    # Nothing but the sampler wrote since "ready".
    assert 1.0 < end.work.wall_seconds < held + 5
    assert end.work.joules == pytest.approx(end.work.wall_seconds * 10.0)

"""Energy of which nobody knows all: what a bill makes of it, and what it asks for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from farthing.artifacts import chain as chain_module
from farthing.artifacts.entries import Evaluation
from farthing.artifacts.settings import HardwareFigure, WorkspaceSettings
from farthing.artifacts.work import EnergyPart, joules_of, method_of
from farthing.hardware.machine import Host, Machine
from farthing.ledger import appender
from farthing.ledger.bill import make_bill
from farthing.ledger.book import Book
from farthing.ledger.joules import bounded_energy
from farthing.ledger.meter import NO_WORK, Meter
from farthing.quantity import Provenance, assumed

KWH = 3.6e6
SETTINGS = WorkspaceSettings()


def _part(covers, method, joules, low=None, high=None):
    return EnergyPart(
        covers=covers,
        method=method,
        joules=joules,
        low_joules=joules if low is None else low,
        high_joules=joules if high is None else high,
    )


def _held(hours, devices, *parts):
    work = NO_WORK.model_copy(
        update={
            "wall_seconds": hours * 3600,
            "device_seconds": hours * 3600 * devices,
            "cpu_seconds": hours * 3600,
        }
    )
    return work.with_energy(joules_of(parts), method_of(parts), parts)


def _boards(kind="h100-sxm", watts=700.0):
    return Machine(
        "g",
        "NVIDIA H100 SXM",
        "h100-sxm" if kind else "accelerator",
        8,
        assumed(watts, "W", "TDP") if watts else None,
        accelerator=kind,
        device_ids=tuple(f"GPU-{number}" for number in range(8)),
        host=Host("Odd CPU", 128, None),
    )


def _run(book, machine, work):
    meter = Meter(machine, from_process_start=False)
    run = book.start_run("training", "n", input_key="k", meter=meter)
    run._finish = lambda end: book.append(end.model_copy(update={"work": work, "phases": ()}))
    run.end()


def _said(bill):
    return [note for note in bill.unknown if note.startswith("energy on")]


@pytest.mark.parametrize("kind", ["h100-sxm", None])
def test_boards_that_were_read_are_never_billed_by_the_watts_of_a_processors_thread(
    book, workspace, kind
):
    boards = [_part(f"accelerator GPU-{number}", "board_counter", 2e6) for number in range(8)]
    _run(book, _boards(kind), _held(1, 8, *boards, _part("processors", "none", None)))
    bill = make_bill(workspace, SETTINGS)
    assert bill.total.kwh is None
    (said,) = _said(bill)
    assert "no sensor read processors all the time" in said
    assert "add host_watts_per_thread under hardware" in said
    # 8 GPU-hours at 2.8 W would be 0.02 kWh, and the boards alone took 4.4.
    figure = HardwareFigure(name="Odd CPU", watts_per_device=2.8, source="sheet")
    bill = make_bill(workspace, WorkspaceSettings(hardware=figure))
    assert bill.total.kwh is None
    assert _said(bill) == [said]


def test_boards_that_nobody_read_are_named_by_their_kind(book, workspace):
    boards = [_part(f"accelerator GPU-{number}", "none", None) for number in range(8)]
    _run(book, _boards(None, None), _held(1, 8, *boards, _part("processors", "none", None)))
    (said,) = _said(make_bill(workspace, SETTINGS))
    assert "no sensor read accelerators and processors all the time" in said


def test_accelerators_without_parts_have_no_watts_of_a_processors_thread_either(book, workspace):
    _run(book, _boards(), _held(1, 8).with_energy(None, "none"))
    figure = HardwareFigure(name="Odd CPU", watts_per_device=2.8, source="sheet")
    bill = make_bill(workspace, WorkspaceSettings(hardware=figure))
    assert bill.total.kwh is None
    assert "add host_watts_per_thread under hardware" in _said(bill)[0]


def test_a_processor_that_was_read_in_part_is_told_what_helps_the_runs_to_come(book, workspace):
    machine = Machine("m", "mystery", "cpu-thread", 2, None)
    parts = _part("package-0", "rapl", KWH), _part("package-0", "none", None)
    _run(book, machine, _held(1, 2, *parts))
    (said,) = _said(make_bill(workspace, SETTINGS))
    assert "no sensor read package-0" in said
    assert "for runs to come, add hardware: {name, watts_per_device, source}" in said
    assert "farthing enter reading" in said
    assert "accelerator" not in said


@pytest.fixture
def lost(workspace, monkeypatch):
    """The bill of a run on a machine that was gone half an hour after its evaluation was signed."""

    def bill(machine, work=None, settings=SETTINGS):
        book = Book.open(workspace)
        meter = Meter(machine, from_process_start=False)
        run = book.start_run("evaluation", "n", input_key="k", meter=meter)
        if work is not None:
            book.append(
                Evaluation(run=0, supernet="S", shape="A", split="dev", scores={}, work=work)
            )
        run._journal.close()
        meter.release()
        (workspace.journals / "0.jsonl").unlink()
        now = chain_module.utc_now

        def later():
            then = datetime.fromisoformat(now()) + timedelta(minutes=30)
            return then.isoformat(timespec="milliseconds")

        monkeypatch.setattr(appender, "utc_now", later)
        Book.open(workspace)
        return make_bill(workspace, settings)

    return bill


def test_a_lost_journal_takes_nothing_from_the_energy_that_is_signed(lost, machine):
    energy = lost(machine, _held(0.1, 2, _part("the whole machine", "psu", 5 * KWH))).total.kwh
    # Two devices at 5 W, at most 8 W, for half an hour: some watt-hours.
    assert (energy.low, energy.value, energy.high) == (5.0, 5.0, 5.0)
    assert energy.provenance is Provenance.ESTIMATED


def test_above_what_is_signed_the_energy_of_a_lost_journal_is_the_models(lost, machine):
    signed = _part("package-0", "rapl", 0.001 * KWH, low=0.0005 * KWH, high=0.002 * KWH)
    energy = lost(machine, _held(0.1, 2, signed)).total.kwh
    assert energy.low == pytest.approx(0.0005)
    assert energy.value == pytest.approx(0.005, rel=1e-2)
    assert energy.high == pytest.approx(0.008, rel=1e-2)


def test_watts_of_the_user_bound_a_lost_journal_from_above(lost):
    figure = HardwareFigure(name="mystery", watts_per_device=5.0, source="sheet")
    signed = _held(0.1, 2, _part("package-0", "rapl", KWH), _part("package-0", "none", None))
    settings = WorkspaceSettings(hardware=figure)
    energy = lost(Machine("m", "mystery", "cpu-thread", 2, None), signed, settings).total.kwh
    assert energy.value == pytest.approx(0.005, rel=1e-2)


def test_what_was_read_of_a_lost_journal_counts_beside_a_part_that_nobody_knows(book, meter):
    with book.start_run("training", "n", input_key="k", meter=meter) as run:
        run.end()
    read = _part("package-0", "rapl", KWH)
    least = _held(0.1, 2, read, _part("package-0", "none", None))
    energy = bounded_energy(least, 3600.0, run.start.machine, None)
    # 5 W for a device-hour is less than what was read.
    assert (energy.low, energy.value, energy.high) == (KWH, KWH, KWH)


def test_beside_accelerators_the_energy_of_a_lost_journal_is_unknown_and_the_note_says_so(lost):
    bill = lost(_boards())
    assert bill.total.kwh is None
    assert bill.total.wall_hours.value == pytest.approx(0.5, rel=1e-2)
    (said,) = [note for note in bill.unknown if note.startswith("run 0: ")]
    assert "how much energy it took with the processors beside its accelerators" in said
    assert _said(bill) == []


def test_the_note_of_a_lost_journal_says_what_its_most_leaves_out(lost, machine):
    (said,) = [note for note in lost(machine).unknown if note.startswith("run 0: ")]
    assert "1800 s at most, which is what is billed, without what its process did before" in said
    assert "energy" not in said

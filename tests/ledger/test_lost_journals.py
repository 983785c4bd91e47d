"""Runs that died, and what the bill says when their journals are behind, damaged or gone."""

from __future__ import annotations

import json
import os
from datetime import date, datetime, timedelta

import pytest
from rich.console import Console

from farthing.artifacts import chain as chain_module
from farthing.artifacts.entries import Evaluation, Member, Plan
from farthing.artifacts.settings import HardwareFigure, Price, WorkspaceSettings
from farthing.errors import BookError
from farthing.hardware.machine import Machine
from farthing.ledger import appender
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_text import print_bill
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter
from farthing.quantity import Provenance

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")}
)
HALF_AN_HOUR = timedelta(minutes=30)


@pytest.fixture
def passes(monkeypatch):
    """Makes time pass by the clock that entries are dated with."""
    shift = timedelta()
    real = chain_module.utc_now

    def later() -> str:
        return (datetime.fromisoformat(real()) + shift).isoformat(timespec="milliseconds")

    def advance(by: timedelta) -> None:
        nonlocal shift
        shift += by

    monkeypatch.setattr(appender, "utc_now", later)
    return advance


def _kill(run, meter):
    """What the kernel does when the process dies."""
    run._journal.close()
    meter.release()


def _family(book, meter):
    members = (Member(shape="A", share=1.0),)
    plan = book.append(
        Plan(name="p", recipe={}, recipe_digest="d", corpus_digest=None, members=members)
    ).entry.digest
    with book.start_run("training", "n", input_key="k", meter=meter, plan=plan) as run:
        run.end(artifact_kind="supernet", artifact_digest="S")
    return plan


def _evaluated(book, run, tokens):
    """A shape is scored: the heartbeat, then the "of which" entry."""
    before = run.work()
    work = run.beat("evaluate", None, tokens=tokens, flush=True) - before
    work = work.model_copy(update={"wall_seconds": 60.0, "device_seconds": 120.0})
    book.append(
        Evaluation(run=run.number, supernet="S", shape="A", split="dev", scores={}, work=work)
    )


def _text(bill):
    console = Console(width=200)
    with console.capture() as captured:
        print_bill(bill, console)
    json.dumps(bill.to_json())
    return captured.get()


def test_a_heartbeat_before_an_of_which_entry_is_on_the_disk_first(book, meter, monkeypatch):
    flushed = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (flushed.append(fd), real(fd)))
    run = book.start_run("evaluation", "n", input_key="k", meter=meter)
    journal = run._journal.descriptor
    assert journal in flushed  # from the first moment there is something to bill
    flushed.clear()
    run.beat("evaluate", None)
    assert journal not in flushed
    run.beat("evaluate", None, flush=True)
    assert journal in flushed
    run.end()


@pytest.mark.parametrize("closed", [False, True])
def test_a_journal_behind_its_members_is_billed_at_their_sum(book, meter, workspace, closed):
    _family(book, meter)
    run = book.start_run("evaluation", "n", input_key="k", meter=meter)
    _evaluated(book, run, 500)
    _kill(run, meter)
    journal = workspace.journals / "1.jsonl"
    journal.write_bytes(journal.read_bytes().splitlines(keepends=True)[0])
    if closed:
        Book.open(workspace)
    bill = make_bill(workspace, SETTINGS)
    line = bill.lines[1]
    assert line.status == ("aborted" if closed else "open")
    assert line.figures.wall_hours.value == pytest.approx(1 / 60)
    assert line.figures.tokens.value == 500
    (member,) = bill.families[0].members
    assert member.marginal.wall_hours.value == pytest.approx(1 / 60)
    (note,) = bill.notes
    assert "run 1: its journal lost its end" in note
    assert note[:40] in _text(bill)


def test_a_run_that_read_its_own_meter_is_still_refused_if_its_members_claim_more(
    book, meter, workspace
):
    _family(book, meter)
    with book.start_run("evaluation", "n", input_key="k", meter=meter) as run:
        _evaluated(book, run, 500)
        run.end("aborted", reason="Ctrl-C")
    with pytest.raises(BookError, match="claim more"):
        make_bill(workspace, SETTINGS)


def _lose(journal, how):
    data = journal.read_bytes()
    lines = data.splitlines(keepends=True)
    if how == "missing":
        journal.unlink()
    elif how == "empty":
        journal.write_bytes(b"")
    elif how == "damaged at once":
        journal.write_bytes(b"x" + data)
    else:
        journal.write_bytes(lines[0] + lines[1] + lines[2].replace(b"train", b"trail", 1))


@pytest.mark.parametrize("how", ["missing", "empty", "damaged at once", "damaged later"])
def test_a_lost_journal_leaves_an_interval_and_never_a_measured_zero(
    book, meter, workspace, passes, how
):
    run = book.start_run("training", "n", input_key="k", meter=meter)
    known = run.beat("train", 1, tokens=100)
    run.beat("train", 2, tokens=100)
    _kill(run, meter)
    _lose(workspace.journals / "0.jsonl", how)
    passes(HALF_AN_HOUR)
    Book.open(workspace)
    bill = make_bill(workspace, SETTINGS)
    (line,) = bill.lines
    hours = line.figures.wall_hours
    assert hours.provenance is Provenance.ESTIMATED
    assert hours.value == hours.high == pytest.approx(0.5, rel=1e-2)
    assert hours.low == (known.wall_seconds / 3600 if how == "damaged later" else 0.0)
    # Two devices at 5 W, at most 8 W; USD 0.5 per device-hour.
    assert line.figures.device_hours.value == pytest.approx(1.0, rel=1e-2)
    assert line.figures.cpu_hours.high == pytest.approx(1.0, rel=1e-2)
    assert line.figures.usd["spot"].high == pytest.approx(0.5, rel=1e-2)
    assert line.figures.usd["spot"].low < 0.01
    assert line.figures.kwh.value == pytest.approx(0.005, rel=1e-2)
    assert line.figures.kwh.high == pytest.approx(0.008, rel=1e-2)
    assert (line.figures.tokens, line.figures.flops) == (None, None)
    assert (bill.total.tokens, bill.purposes["training"].flops) == (None, None)
    (said,) = [note for note in bill.unknown if note.startswith("run 0: ")]
    assert "its journal" in said
    assert "1800 s at most" in said
    text = _text(bill)
    assert "~0.5" in text
    assert "unknown" in text


def test_a_lost_journal_of_a_run_that_nobody_closed_is_unknown(book, meter, workspace):
    run = book.start_run("training", "n", input_key="k", meter=meter)
    _kill(run, meter)
    (workspace.journals / "0.jsonl").unlink()
    bill = make_bill(workspace, SETTINGS)
    figures = bill.lines[0].figures
    assert (figures.wall_hours, figures.usd["spot"], figures.kwh) == (None, None, None)
    assert bill.total.wall_hours is None
    assert any("nobody knows until" in note for note in bill.unknown)
    _text(bill)


def test_what_members_took_is_the_least_of_a_run_without_journal(book, meter, workspace, passes):
    _family(book, meter)
    run = book.start_run("evaluation", "n", input_key="k", meter=meter)
    _evaluated(book, run, 500)
    _kill(run, meter)
    (workspace.journals / "1.jsonl").unlink()
    passes(HALF_AN_HOUR)
    Book.open(workspace)
    bill = make_bill(workspace, SETTINGS)
    hours = bill.lines[1].figures.wall_hours
    assert (hours.low, hours.high) == (pytest.approx(1 / 60), pytest.approx(0.5, rel=1e-2))
    (family,) = bill.families
    assert family.members[0].marginal.wall_hours.value == pytest.approx(1 / 60)
    assert family.parent.wall_hours.high == pytest.approx(0.5 - 1 / 60, rel=1e-2)
    assert family.parent.tokens is None


def test_energy_without_watts_says_how_to_give_them_and_a_lost_journal_is_not_to_blame(workspace):
    machine = Machine("m", "mystery", "cpu-thread", 2, None)
    meter = Meter(machine, from_process_start=False)
    with Book.open(workspace).start_run("training", "n", input_key="k", meter=meter) as run:
        run.end()
    (said,) = [note for note in make_bill(workspace, SETTINGS).unknown if "mystery" in note]
    assert "TDP divided by its hardware threads" in said
    figure = HardwareFigure(name="mystery", watts_per_device=5.0, source="data sheet")
    settings = WorkspaceSettings(hardware=figure)
    assert not [note for note in make_bill(workspace, settings).unknown if "mystery" in note]


def test_the_bill_says_that_the_last_bytes_are_no_whole_entry(book, workspace):
    with workspace.book_file.open("ab") as file:
        file.write(b'{"body":{"half')
    bill = make_bill(workspace, SETTINGS)
    assert bill.head == book.head
    assert any("the last 14 bytes of the book are no whole entry" in note for note in bill.notes)
    assert "no whole entry" in _text(bill)
    assert "no whole entry" in " ".join(bill.to_json()["notes"])


def test_the_bill_refuses_a_last_entry_whose_newline_was_changed(
    book, meter, workspace, monkeypatch, tmp_path
):
    with book.start_run("training", "n", input_key="k", meter=meter) as run:
        run.end()
    workspace.book_file.write_bytes(workspace.book_file.read_bytes()[:-1] + b"x")
    # Where the head is not known, nothing else would miss the entry.
    monkeypatch.setenv("FARTHING_HOME", str(tmp_path / "elsewhere"))
    with pytest.raises(BookError, match="no newline"):
        make_bill(workspace, SETTINGS)


def test_the_bill_names_the_key_as_entries_do(book, workspace):
    line = json.loads(workspace.book_file.read_bytes().splitlines()[0])
    assert make_bill(workspace, SETTINGS).key == line["key"]
    assert book.head == make_bill(workspace, SETTINGS).head

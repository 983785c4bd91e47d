"""What each step of a curation cost: its part of the run by processor time, and never twice."""

from __future__ import annotations

import io
from datetime import date

import pytest
from pydantic import ValidationError
from rich.console import Console

from farthing.artifacts.curation_step import CurationStep
from farthing.artifacts.entries import read_book
from farthing.artifacts.settings import Price, WorkspaceSettings
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_csv import csv_text
from farthing.ledger.bill_text import print_bill
from farthing.ledger.step_lines import REST
from farthing.quantity import Provenance
from farthing.report.bill_page import bill_page
from farthing.stages.verify.run import verify_workspace
from tests.ledger.entering import work_of

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")}
)


def _step(run, step, seconds, *, documents=(10, 8), size=(1000, 700), tokens=None):
    return CurationStep(
        run=run,
        step=step,
        documents_in=documents[0],
        documents_out=documents[1],
        bytes_in=size[0],
        bytes_out=size[1],
        tokens=tokens,
        cpu_seconds=seconds,
    )


@pytest.fixture
def curated(book, meter):
    """Enters a curation of one hour, 3,600 CPU-seconds, with steps of so many."""

    def enter(*steps):
        run = book.start_run("curation", "n", input_key="k", meter=meter)
        for step, seconds, *more in steps:
            book.append(_step(run.number, step, seconds, **(more[0] if more else {})))
        run._finish = lambda end: book.append(end.model_copy(update={"work": work_of(1.0)}))
        run.end("completed")
        return run.number

    return enter


def _lines(workspace):
    return {line.step: line for line in make_bill(workspace, SETTINGS).steps.lines}


def test_each_has_its_share_of_hours_energy_and_money_as_an_estimate(workspace, curated):
    curated(("rules", 900.0), ("near", 1800.0, {"tokens": 55}))
    lines = _lines(workspace)
    assert list(lines) == ["rules", "near", REST]
    # Two devices for one hour at 0.5 dollars, and at 5 W each: 1 dollar, 10 Wh.
    assert lines["rules"].figures.usd["spot"].value == pytest.approx(0.25)
    assert lines["near"].figures.kwh.value == pytest.approx(0.005)
    assert lines[REST].share == pytest.approx(0.25)
    near = lines["near"].figures
    assert near.kwh.provenance == Provenance.ESTIMATED
    assert near.usd["spot"].provenance == Provenance.ASSUMED
    assert "CPU-seconds" in near.kwh.source
    assert (near.cpu_hours.value, near.cpu_hours.provenance) == (0.5, Provenance.MEASURED)
    assert (near.tokens.value, lines["rules"].figures.tokens) == (55, None)


def test_they_add_up_to_the_run_and_to_no_more_of_the_bill(workspace, curated):
    curated(("rules", 900.0), ("near", 1800.0))
    bill = make_bill(workspace, SETTINGS)
    (run,) = bill.lines
    for name in ("wall_hours", "device_hours", "kwh"):
        parts = sum(getattr(line.figures, name).value for line in bill.steps.lines)
        assert parts == pytest.approx(getattr(run.figures, name).value)
        assert getattr(bill.total, name).value == pytest.approx(parts)
    assert bill.total.device_hours.provenance == Provenance.MEASURED


def test_a_step_with_two_entries_is_one_line_with_the_text_of_the_later(workspace, curated):
    before, after = {"documents": (10, 9)}, {"documents": (10, 4), "size": (1000, 90)}
    curated(("near", 360.0, before), ("rules", 900.0), ("near", 720.0, after))
    near = _lines(workspace)["near"]
    assert near.said.cpu_seconds == pytest.approx(1080.0)
    assert (near.said.documents_out, near.said.bytes_out) == (4, 90)
    assert len(near.entries) == 2


def test_steps_that_claim_more_than_the_run_are_its_shares_all_the_same(workspace, curated):
    curated(("rules", 3600.0), ("near", 3600.0))
    lines = _lines(workspace)
    assert [line.share for line in lines.values()] == [0.5, 0.5, 0.0]


def test_runs_without_steps_have_no_lines(workspace, curated):
    curated()
    second = curated(("rules", 360.0))
    assert {line.run for line in make_bill(workspace, SETTINGS).steps.lines} == {second}


def test_a_step_cannot_make_documents():
    with pytest.raises(ValidationError, match="went out"):
        _step(0, "rules", 1.0, documents=(3, 4))


def test_every_form_of_the_bill_shows_them_and_csv_still_adds_up(workspace, curated):
    curated(("rules", 900.0), ("\x1b[31mnear", 1800.0))
    bill = make_bill(workspace, SETTINGS)
    file = io.StringIO()
    print_bill(bill, Console(file=file, width=80))
    assert "Of which, by steps of curation" in file.getvalue()
    assert "rules" in file.getvalue()
    assert "\x1b" not in file.getvalue()
    assert [each["step"] for each in bill.to_json()["steps"]] == ["rules", "\x1b[31mnear", REST]
    page = bill_page(bill)
    assert "run 0, of which rules" in page
    assert "\x1b" not in page
    rows = [row.split(",") for row in csv_text(bill).splitlines()]
    place, name = rows[0].index("value"), rows[0].index("quantity")
    hours = [float(row[place]) for row in rows[1:] if row[name] == "device_hours"]
    assert sum(hours) == pytest.approx(bill.total.device_hours.value)


def test_the_book_verifies_and_reads_back(workspace, curated):
    curated(("rules", 900.0))
    verdict = verify_workspace(workspace)
    chain = [finding for finding in verdict.findings if finding.check == "chain"]
    assert all(finding.ok for finding in chain)
    bodies = [record.body for record in read_book(workspace.book_file).records]
    assert _step(0, "rules", 900.0) in bodies

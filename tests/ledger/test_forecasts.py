"""What was foreseen of a run stands in the book before it, and is compared with what came."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from farthing.artifacts.entries import read_book
from farthing.artifacts.forecast import Forecast, Foreseen
from farthing.artifacts.settings import Price, WorkspaceSettings
from farthing.ledger.bill import read_accounts
from farthing.ledger.foresight import compare_forecast, forecast_of
from farthing.stages.verify.run import verify_workspace
from tests.ledger.entering import Enter

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")}
)
CORPUS, SUPERNET, OTHER = "c" * 64, "5" * 64, "6" * 64


def foreseen(what, of, value, low=None, high=None):
    low, high = value if low is None else low, value if high is None else high
    return Foreseen(what=what, of=of, value=value, low=low, high=high, source="a law")


def forecast(*figures, recipe="d", basis=None):
    return Forecast(name="n", recipe_digest=recipe, basis=basis, figures=figures)


@pytest.fixture
def enter(book, meter):
    return Enter(book, meter)


def compared(workspace, supernet=SUPERNET):
    accounts = read_accounts(workspace, SETTINGS, hours_may_lack=True)
    records = read_book(workspace.book_file).records
    found = compare_forecast(records, accounts.tree.runs, accounts.pricing, supernet)
    return {(each.foreseen.what, each.foreseen.of): each for each in found}


def test_hours_money_energy_and_loss_are_compared(workspace, book, enter):
    book.append(
        forecast(
            foreseen("seconds", "training", 9000.0, 8000.0, 10_000.0),
            foreseen("seconds", "everything", 15_000.0),
            foreseen("usd", "training", 3.0),
            foreseen("kwh", "training", 0.02),
            foreseen("bits_per_byte", "A", 1.1, 1.05, 1.2),
            foreseen("bits_per_byte", "B", 1.3),
            basis="spot",
        )
    )
    enter.run("curation", 1.0, made=CORPUS, key="corpus")
    plan = enter.plan("n")
    enter.run("training", 2.0, plan=plan, made=SUPERNET, reads=(("corpus", CORPUS),), key="t")
    enter.run("evaluation", 0.5, scored=((SUPERNET, "A", 0.1),), reads=(("supernet", SUPERNET),))
    # Questions, which nobody foresaw.
    enter.run("evaluation", 9.0, reads=(("supernet", SUPERNET),))
    found = compared(workspace)
    training = found["seconds", "training"]
    assert training.found == pytest.approx(7200.0)
    assert training.off == pytest.approx(0.25)
    assert training.inside is False
    assert found["seconds", "everything"].found == pytest.approx(3.5 * 3600)
    # Two devices for two hours at half a dollar, and at 5 W each.
    assert found["usd", "training"].found == pytest.approx(2.0)
    assert found["kwh", "training"].found == pytest.approx(0.02)
    assert found["bits_per_byte", "A"].found == pytest.approx(1.0)
    assert found["bits_per_byte", "A"].inside is False
    assert found["bits_per_byte", "B"].found is None
    assert found["bits_per_byte", "B"].off is None


def test_a_failed_attempt_counts_and_a_corpus_that_was_there_does_not(workspace, book, enter):
    enter.run("curation", 1.0, made=CORPUS, key="corpus")
    book.append(
        forecast(foreseen("seconds", "training", 1.0), foreseen("seconds", "curation", 60.0))
    )
    plan = enter.plan("n")
    reads = (("corpus", CORPUS),)
    enter.run("training", 0.5, plan=plan, status="failed", reads=reads, key="t")
    enter.run("training", 2.0, plan=plan, made=SUPERNET, reads=reads, key="t")
    found = compared(workspace)
    assert found["seconds", "training"].found == pytest.approx(2.5 * 3600)
    assert found["seconds", "curation"].found is None


def test_the_last_forecast_before_the_run_counts_and_none_after_it(workspace, book, enter):
    plan = enter.plan("n")
    book.append(forecast(foreseen("seconds", "training", 1.0)))
    book.append(forecast(foreseen("seconds", "training", 2.0), recipe="another"))
    book.append(forecast(foreseen("seconds", "training", 3.0)))
    enter.run("training", 1.0, plan=plan, made=SUPERNET, key="t")
    book.append(forecast(foreseen("seconds", "training", 4.0)))
    enter.run("training", 1.5, plan=plan, made=OTHER, key="t")
    assert compared(workspace)["seconds", "training"].foreseen.value == 3.0
    assert compared(workspace)["seconds", "training"].found == pytest.approx(3600.0)
    assert compared(workspace, OTHER)["seconds", "training"].foreseen.value == 4.0
    assert compared(workspace, OTHER)["seconds", "training"].found == pytest.approx(1.5 * 3600)


def test_without_a_forecast_there_is_nothing_to_compare(workspace, enter):
    enter.run("training", 1.0, plan=enter.plan("n"), made=SUPERNET)
    accounts = read_accounts(workspace, SETTINGS, hours_may_lack=True)
    records = read_book(workspace.book_file).records
    assert forecast_of(records, accounts.tree.runs, SUPERNET) is None
    assert compared(workspace) == {}
    assert compared(workspace, OTHER) == {}


def test_a_book_with_forecasts_verifies_and_its_bill_is_the_same(workspace, book, enter):
    enter.run("training", 1.0, plan=enter.plan("n"), made=SUPERNET)
    before = read_accounts(workspace, SETTINGS, hours_may_lack=True).tree.runs
    book.append(forecast(foreseen("seconds", "training", 1.0)))
    assert read_accounts(workspace, SETTINGS, hours_may_lack=True).tree.runs == before
    entries = [record.entry.kind for record in read_book(workspace.book_file).records]
    assert entries[-1] == "forecast"
    assert all(finding.ok for finding in verify_workspace(workspace).findings)


@pytest.mark.parametrize(
    ("figures", "basis", "message"),
    [
        ((("seconds", "training", 2.0, 3.0, 4.0),), None, "outside"),
        ((("seconds", "training", 2.0), ("seconds", "training", 3.0)), None, "twice"),
        ((("usd", "training", 2.0),), None, "basis"),
        ((("seconds", "training", 2.0),), "spot", "basis"),
    ],
)
def test_a_forecast_that_cannot_be_is_refused(figures, basis, message):
    with pytest.raises(ValidationError, match=message):
        forecast(*(foreseen(*figure) for figure in figures), basis=basis)

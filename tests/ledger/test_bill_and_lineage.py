from __future__ import annotations

import json
from datetime import date

import pytest
from pydantic import ValidationError
from rich.console import Console

from farthing.artifacts.entries import (
    ArtifactRef,
    Evaluation,
    Extraction,
    Member,
    Plan,
    RunEnd,
)
from farthing.artifacts.settings import GridFigure, Price, PueFigure, WorkspaceSettings
from farthing.artifacts.work import Work
from farthing.errors import BookError, UnknownHardwareError
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_text import print_bill
from farthing.quantity import Provenance

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")},
    grid_grams_per_kwh=GridFigure(grams_per_kwh=100, source="supplier"),
    pue=PueFigure(value=1.5, source="site"),
)


def _work(hours: float, tokens: int = 0) -> Work:
    """`hours` held of 2 devices at 5 W (the test machine), half of it busy."""
    return Work(
        wall_seconds=hours * 3600,
        device_seconds=hours * 7200,
        cpu_seconds=hours * 3600,
        tokens=tokens,
        flops=tokens * 10.0,
        optimizer_flops=0.0,
        joules=hours * 7200 * 5.0,
        energy_method="tdp_model",
    )


def _run(book, meter, purpose, work, *, plan=None, status="completed", artifact=None, entries=()):
    """A run whose recorded work is chosen, not measured."""
    run = book.start_run(purpose, "n", input_key="k", meter=meter, plan=plan)
    for entry in entries:
        book.append(entry(run.number))
    run._finish = lambda end: book.append(
        end.model_copy(
            update={
                "work": work,
                "artifact": ArtifactRef(kind="x", digest=artifact) if artifact else None,
            }
        )
    )
    run.end(status, reason=None if status == "completed" else "why")


def _plan(book, name="p", shares=(("A", 0.7), ("B", 0.3))):
    members = tuple(Member(shape=shape, share=share) for shape, share in shares)
    plan = Plan(name=name, recipe={}, recipe_digest="d", corpus_digest=None, members=members)
    return book.append(plan).entry.digest


def _evaluation(supernet, shape, work):
    return lambda run: Evaluation(
        run=run, supernet=supernet, shape=shape, split="dev", scores={"en": 1.0}, work=work
    )


@pytest.fixture
def family(book, meter):
    """Curation 1 h, failed 2 h, training 8 h, evaluation 1 h (A 0.2, B 0.1, other C 0.3)."""
    plan = _plan(book)
    _run(book, meter, "curation", _work(1), plan=plan, artifact="corpus")
    _run(book, meter, "training", _work(2, 1000), plan=plan, status="failed")
    _run(book, meter, "training", _work(8, 4000), plan=plan, artifact="S")
    shapes = (("A", 0.2), ("B", 0.1), ("C", 0.3))
    entries = [_evaluation("S", shape, _work(hours)) for shape, hours in shapes]
    _run(book, meter, "evaluation", _work(1), plan=plan, entries=entries)
    extraction = lambda run: Extraction(  # noqa: E731
        run=run, supernet="S", shape="A", artifact_digest="M", work=_work(0.5)
    )
    _run(book, meter, "extraction", _work(0.5), plan=plan, entries=[extraction])
    return book


@pytest.mark.usefixtures("family")
def test_the_bill_adds_up_to_sums_made_by_hand(workspace):
    bill = make_bill(workspace, SETTINGS)
    total = bill.total
    assert total.wall_hours.value == pytest.approx(12.5)
    assert total.device_hours.value == pytest.approx(25)
    assert total.cpu_hours.value == pytest.approx(12.5)
    assert total.tokens.value == 5000
    assert total.flops.value == 50_000
    # 25 device-hours x 5 W = 125 Wh; x PUE 1.5; x 100 g; range 2 W busy half .. 8 W held.
    assert total.kwh.value == pytest.approx(0.1875)
    assert (total.kwh.low, total.kwh.high) == (
        pytest.approx(12.5 * 2 * 1.5e-3),
        pytest.approx(25 * 8 * 1.5e-3),
    )
    assert total.kg_co2e.value == pytest.approx(0.01875)
    assert total.usd["spot"].value == pytest.approx(12.5)
    assert total.usd["on_demand"] is None
    assert bill.purposes["training"].wall_hours.value == pytest.approx(10)
    assert [line.status for line in bill.lines].count("failed") == 1


@pytest.mark.usefixtures("family")
def test_marginal_amortised_and_fully_loaded_match_the_numbers_by_hand(workspace):
    (costs,) = make_bill(workspace, SETTINGS).families
    a, b = costs.members
    # own: A 0.2 + 0.5 h, B 0.1 h; parent: 12.5 - 0.8 = 11.7 h.
    assert costs.parent.wall_hours.value == pytest.approx(11.7)
    assert a.marginal.wall_hours.value == pytest.approx(0.7)
    assert a.amortised.wall_hours.value == pytest.approx(0.7 + 0.7 * 11.7)
    assert a.fully_loaded.wall_hours.value == pytest.approx(12.4)
    assert b.marginal.wall_hours.value == pytest.approx(0.1)
    assert b.amortised.wall_hours.value == pytest.approx(0.1 + 0.3 * 11.7)
    assert b.fully_loaded.usd["spot"].value == pytest.approx(11.8 * 2 * 0.5)
    # Shares of 1 in all: the members together carry the whole bill, no more and no less.
    assert a.amortised.kwh.value + b.amortised.kwh.value == pytest.approx(0.1875)


def test_a_given_up_plan_cannot_hide_its_failures(book, meter, workspace):
    first = _plan(book, "given up")
    _run(book, meter, "training", _work(5), plan=first, status="failed")
    second = _plan(book, "shipped")
    _run(book, meter, "training", _work(1), plan=second, artifact="S")
    (costs,) = make_bill(workspace, SETTINGS).families
    assert costs.name == "shipped"
    assert costs.parent.wall_hours.value == pytest.approx(6)


def test_a_family_does_not_pay_for_another_that_shipped(book, meter, workspace):
    for name, hours in (("one", 1), ("two", 2)):
        plan = _plan(book, name)
        _run(book, meter, "training", _work(hours), plan=plan, artifact=name)
        # Without a plan of its own, an evaluation follows the supernet that it scored.
        _run(book, meter, "evaluation", _work(4), entries=[_evaluation(name, "A", _work(1))])
    parents = {f.name: f.parent.wall_hours.value for f in make_bill(workspace, SETTINGS).families}
    assert parents == {"one": pytest.approx(1 + 3), "two": pytest.approx(2 + 3)}


def test_parts_larger_than_their_run_are_refused(book, meter, workspace):
    plan = _plan(book)
    _run(book, meter, "training", _work(1), plan=plan, artifact="S")
    entries = [_evaluation("S", "A", _work(2))]
    _run(book, meter, "evaluation", _work(1), plan=plan, entries=entries)
    with pytest.raises(BookError, match="claim more"):
        make_bill(workspace, SETTINGS)


def test_shares_beyond_the_whole_parent_are_refused():
    with pytest.raises(ValidationError, match="more than the whole"):
        Plan(
            name="p",
            recipe={},
            recipe_digest="d",
            corpus_digest=None,
            members=(Member(shape="A", share=0.6), Member(shape="B", share=0.5)),
        )


@pytest.mark.usefixtures("family")
def test_what_nobody_set_is_unknown_and_says_how_to_set_it(workspace):
    bill = make_bill(workspace, WorkspaceSettings())
    assert all(value is None for value in bill.total.usd.values())
    assert bill.total.kg_co2e is None
    low, high = bill.total.kg_co2e_range
    assert 0 < low < high
    text = " ".join(bill.unknown)
    assert "set prices in farthing.yaml" in text
    assert "set grid in farthing.yaml" in text
    assert any("PUE is not set" in item for item in bill.left_out)
    assert bill.total.kwh.value == pytest.approx(0.125)


@pytest.mark.usefixtures("family")
def test_a_modelled_energy_is_never_called_measured(workspace):
    bill = make_bill(workspace, WorkspaceSettings())
    assert bill.total.kwh.provenance is Provenance.ESTIMATED
    assert bill.total.wall_hours.provenance is Provenance.MEASURED
    assert make_bill(workspace, SETTINGS).total.usd["spot"].provenance is Provenance.ASSUMED


@pytest.mark.usefixtures("family")
def test_an_unknown_grid_is_an_error(workspace):
    with pytest.raises(UnknownHardwareError, match="Atlantis"):
        make_bill(workspace, WorkspaceSettings(grid="Atlantis"))


@pytest.mark.usefixtures("family")
def test_the_same_book_gives_the_same_bill(workspace):
    first = json.dumps(make_bill(workspace, SETTINGS).to_json())
    assert first == json.dumps(make_bill(workspace, SETTINGS).to_json())


def test_an_open_run_is_billed_to_its_last_heartbeat(book, meter, workspace):
    run = book.start_run("training", "n", input_key="k", meter=meter)
    run.beat("train", 7, tokens=123)
    (line,) = make_bill(workspace, SETTINGS).lines
    assert (line.status, line.figures.tokens.value) == ("open", 123)
    run.end()


def test_a_bill_without_a_book_is_an_error(workspace):
    with pytest.raises(BookError, match="no book"):
        make_bill(workspace, SETTINGS)


@pytest.mark.usefixtures("book")
def test_an_empty_book_has_an_empty_bill(workspace):
    bill = make_bill(workspace, SETTINGS)
    assert bill.lines == ()
    assert bill.total.wall_hours.value == 0
    print_bill(bill, Console(quiet=True))


def test_the_printed_bill_shows_everything(family, workspace):
    console = Console(width=200)
    with console.capture() as captured:
        print_bill(make_bill(workspace, SETTINGS), console)
    text = captured.get()
    for part in (
        "failed",
        "marginal (parent excluded)",
        "amortised",
        "fully loaded",
        "USD on_demand",
        "unknown",
        "Not in this bill",
        "staff",
        "baseline: none: this is a bill, not a comparison",
        family.head.digest,
        f"{family.head.count} entries",
    ):
        assert part in text


def test_every_end_counts_once(family):
    ends = [r.body.run for r in family.records if isinstance(r.body, RunEnd)]
    assert ends == sorted(set(ends))

"""What the bill makes of energy that is told apart, by hand."""

from __future__ import annotations

import pytest

from farthing.artifacts.entries import ArtifactRef, Evaluation, Member, Plan
from farthing.artifacts.settings import HardwareFigure, WorkspaceSettings
from farthing.artifacts.work import EnergyPart, Work, joules_of, method_of
from farthing.ledger.bill import make_bill
from farthing.quantity import Provenance

KWH = 3.6e6


def _part(covers, method, joules, low=None, high=None):
    if joules is None:
        return EnergyPart(
            covers=covers, method=method, joules=None, low_joules=None, high_joules=None
        )
    low = joules if low is None else low
    high = joules if high is None else high
    return EnergyPart(covers=covers, method=method, joules=joules, low_joules=low, high_joules=high)


def _work(hours, *parts, joules=None, method="none"):
    return Work(
        wall_seconds=hours * 3600,
        device_seconds=hours * 7200,
        cpu_seconds=hours * 3600,
        tokens=0,
        flops=0.0,
        optimizer_flops=0.0,
        joules=joules_of(parts) if parts else joules,
        energy_method=method_of(parts) if parts else method,
        energy_parts=parts,
    )


@pytest.fixture
def kwh(book, meter, workspace):
    """The energy of a bill of one run with this work."""

    def bill(work, settings=None):
        run = book.start_run("training", "n", input_key="k", meter=meter)
        run._finish = lambda end: book.append(end.model_copy(update={"work": work}))
        run.end()
        return make_bill(workspace, settings or WorkspaceSettings()).total.kwh

    return bill


def test_it_is_measured_if_every_part_is(kwh):
    parts = _part("board-a", "board_counter", 2 * KWH), _part("package-0", "rapl", KWH)
    energy = kwh(_work(1, *parts))
    assert (energy.value, energy.low, energy.high) == (3.0, 3.0, 3.0)
    assert energy.provenance is Provenance.MEASURED
    assert "board-a" in energy.source
    assert "package-0" in energy.source


def test_a_modelled_part_or_a_range_makes_all_of_it_an_estimate(kwh):
    parts = (
        _part("board-a", "board_counter", 2 * KWH),
        _part("package-0", "rapl", KWH, 0.0, 2 * KWH),
        _part("start-up", "tdp_model", KWH, 0.5 * KWH, 1.5 * KWH),
    )
    energy = kwh(_work(1, *parts))
    assert energy.value == pytest.approx(4.0)
    assert (energy.low, energy.high) == (pytest.approx(2.5), pytest.approx(5.5))
    assert energy.provenance is Provenance.ESTIMATED


def test_watts_of_the_user_stand_for_work_that_nothing_metered(kwh):
    figure = HardwareFigure(name="c", watts_per_device=500.0, source="sheet")
    assert kwh(_work(1), WorkspaceSettings(hardware=figure)).value == pytest.approx(1.0)


def test_an_unknown_part_makes_it_unknown_and_no_watts_of_all_the_work_replace_what_was_read(kwh):
    work = _work(1, _part("board-a", "board_counter", KWH), _part("board-a", "none", None))
    assert kwh(work) is None
    figure = HardwareFigure(name="c", watts_per_device=500.0, source="sheet")
    assert kwh(work, WorkspaceSettings(hardware=figure)) is None


@pytest.mark.parametrize(
    ("method", "provenance"),
    [
        ("rapl", Provenance.MEASURED),
        ("board_counter", Provenance.MEASURED),
        ("board_power", Provenance.MEASURED),
        ("psu", Provenance.MEASURED),
        ("cloud", Provenance.MEASURED),
        ("tdp_model", Provenance.ESTIMATED),
        ("mixed", Provenance.ESTIMATED),
    ],
)
def test_every_method_that_is_not_told_apart_has_its_word(kwh, method, provenance):
    energy = kwh(_work(1, joules=KWH, method=method))
    assert energy.value == pytest.approx(1.0)
    assert energy.provenance is provenance


def test_a_member_takes_its_parts_of_the_run_and_leaves_the_rest(book, meter, workspace):
    plan = Plan(
        name="p",
        recipe={},
        recipe_digest="d",
        corpus_digest=None,
        members=(Member(shape="A", share=1.0),),
    )
    run = book.start_run(
        "training", "n", input_key="k", meter=meter, plan=book.append(plan).entry.digest
    )
    board, package = ("board-a", "board_counter"), ("package-0", "rapl")
    own = _work(1, _part(*board, 2 * KWH), _part(*package, KWH, 0.0, 2 * KWH))
    whole = _work(4, _part(*board, 9 * KWH), _part(*package, 3 * KWH, 0.0, 7 * KWH))
    book.append(
        Evaluation(
            run=run.number, supernet="S", shape="A", split="dev", scores={"en": 1.0}, work=own
        )
    )
    made = ArtifactRef(kind="x", digest="S")
    run._finish = lambda end: book.append(end.model_copy(update={"work": whole, "artifact": made}))
    run.end()
    bill = make_bill(workspace, WorkspaceSettings())
    (family,) = bill.families
    (member,) = family.members

    def figures(quantity):
        return tuple(round(each, 9) for each in (quantity.low, quantity.value, quantity.high))

    assert figures(member.marginal.kwh) == (2.0, 3.0, 4.0)
    assert figures(family.parent.kwh) == (7.0, 9.0, 12.0)
    assert figures(member.fully_loaded.kwh) == figures(bill.total.kwh) == (9.0, 12.0, 16.0)


def test_a_killed_run_whose_journal_is_behind_its_members_is_billed_by_their_parts(
    book, meter, workspace
):
    run = book.start_run("training", "n", input_key="k", meter=meter)
    own = _work(1, _part("board-a", "board_counter", 2 * KWH))
    book.append(
        Evaluation(
            run=run.number, supernet="S", shape="A", split="dev", scores={"en": 1.0}, work=own
        )
    )
    less = _work(0.5, joules=KWH, method="rapl")
    run._finish = lambda end: book.append(
        end.model_copy(update={"work": less, "evidence": "heartbeat"})
    )
    run.end("aborted")
    energy = make_bill(workspace, WorkspaceSettings()).total.kwh
    assert energy.value == pytest.approx(2.0)
    assert energy.provenance is Provenance.MEASURED
    assert "board-a" in energy.source

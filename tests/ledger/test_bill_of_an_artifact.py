"""The bill of one artifact with its lineage, each line and sum against a sum made by hand."""

from __future__ import annotations

import csv
import io
import json
from datetime import date

import pytest
from entering import Enter
from rich.console import Console

from farthing.artifacts.expense import Expense
from farthing.artifacts.settings import Price, WorkspaceSettings
from farthing.errors import UsageError
from farthing.hardware.machine import Machine
from farthing.ledger.artifact_bill import make_artifact_bill
from farthing.ledger.bill import make_bill
from farthing.ledger.bill_csv import csv_text
from farthing.ledger.bill_text import print_artifact_bill, print_bill
from farthing.ledger.lines import VIEWS
from farthing.ledger.meter import Meter
from farthing.report.bill_page import bill_page

SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=0.5, date=date(2026, 1, 31), source="list")}
)


@pytest.fixture
def enter(book, meter):
    return Enter(book, meter)


@pytest.fixture
def whole(enter):
    """A family with everything: data, a failed and a killed run, a search, scores, a member."""
    plan = enter.plan("family")
    enter.run("curation", 1, made="corpus", key="c")
    enter.run("training", 2, plan=plan, status="failed", reads=[("corpus", "corpus")])
    enter.run("training", 4, plan=plan, status="aborted", reads=[("corpus", "corpus")])
    enter.run("training", 8, plan=plan, made="S", reads=[("corpus", "corpus")], tokens=4000)
    enter.run("search", 16, plan=plan, made="found", reads=[("supernet", "S")])
    enter.run(
        "evaluation", 32, plan=plan, scored=[("S", "A", 3), ("S", "B", 5), ("S", "C", 7)], made="m"
    )
    enter.run("extraction", 0.5, plan=plan, cut=[("S", "A", 0.5, "member A")], made="member A")
    return enter


def _bill(workspace, place, view="fully_loaded", **options):
    return make_artifact_bill(workspace, SETTINGS, place, view, **options)


def _hours(bill):
    found = {}
    for line in bill.lines:
        key = line.relation, line.category, line.shape
        found[key] = found.get(key, 0) + line.figures.wall_hours.value
    return found


@pytest.mark.usefixtures("whole")
def test_the_fully_loaded_bill_of_a_member_has_every_category_by_hand(workspace):
    bill = _bill(workspace, "member A")
    # The evaluation held 32 h: A 3 and B 5 are members', C was never registered, 17 are shared.
    assert _hours(bill) == {
        ("parent", "data", None): 1,
        ("parent", "failed", None): 6,
        ("parent", "training", None): 8,
        ("parent", "search", None): 16,
        ("own", "evaluation", "A"): 3,
        ("parent", "evaluation", "C"): 7,
        ("parent", "evaluation", None): 17,
        ("own", "extraction", "A"): 0.5,
        ("parent", "extraction", None): 0,
    }
    assert bill.total.wall_hours.value == pytest.approx(58.5)
    # Two devices at half a dollar an hour each.
    assert bill.total.usd["spot"].value == pytest.approx(58.5)
    assert {view: bill.views[view].wall_hours.value for view in VIEWS} == {
        "marginal": pytest.approx(3.5),
        "amortised": pytest.approx(3.5 + 0.7 * 55),
        "fully_loaded": pytest.approx(58.5),
    }


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("view", list(VIEWS))
def test_a_members_bill_is_what_the_bill_of_the_workspace_says_of_it(workspace, view):
    (family,) = make_bill(workspace, SETTINGS).families
    cost = getattr(family.members[0], view)
    bill = _bill(workspace, "member A", view)
    for name in ("wall_hours", "device_hours", "kwh"):
        assert getattr(bill.total, name).value == pytest.approx(getattr(cost, name).value)
    assert bill.total.usd["spot"].value == pytest.approx(cost.usd["spot"].value)


@pytest.mark.usefixtures("whole")
def test_what_a_view_leaves_out_is_listed(workspace):
    marginal = " ".join(_bill(workspace, "member A", "marginal").excluded)
    assert "runs 0-6: parent excluded" in marginal
    loaded = " ".join(_bill(workspace, "member A").excluded)
    assert "runs 5: the parts that registered members caused" in loaded
    assert any("prior research" in each for each in _bill(workspace, "member A").left_out)


@pytest.mark.usefixtures("whole")
def test_every_line_names_entries_from_which_it_can_be_reckoned_again(workspace):
    entries = [json.loads(line) for line in workspace.book_file.read_text("utf-8").splitlines()]
    bill = _bill(workspace, "member A", "amortised")
    for line in bill.lines:
        bodies = [
            (entries[each.number]["kind"], entries[each.number]["body"]) for each in line.entries
        ]
        parts = {
            body["shape"]: body["work"]["wall_seconds"]
            for kind, body in bodies
            if kind in ("evaluation", "extraction")
        }
        if line.shape:
            seconds = parts[line.shape]
        else:
            (end,) = (body for kind, body in bodies if kind == "run.end")
            seconds = end["work"]["wall_seconds"] - sum(parts.values())
        share = 1.0
        if line.relation != "own":
            (plan,) = (body for kind, body in bodies if kind == "plan")
            (share,) = (each["share"] for each in plan["members"] if each["shape"] == "A")
        assert line.figures.wall_hours.value == pytest.approx(share * seconds / 3600)
        assert line.share == share


@pytest.mark.usefixtures("whole")
def test_work_for_a_shape_that_nobody_registered_is_shown_and_has_no_share(enter, workspace):
    enter.run("extraction", 1, cut=[("S", "C", 1, "member C")], made="member C")
    (family,) = make_bill(workspace, SETTINGS).families
    assert family.unregistered["C"].wall_hours.value == pytest.approx(8)
    bill = _bill(workspace, "member C", "amortised")
    assert bill.total.wall_hours.value == pytest.approx(8)
    assert any("C was never registered" in note for note in bill.notes)
    assert all("never registered" in line.what for line in bill.lines)
    text = _text(make_bill(workspace, SETTINGS))
    assert "(of which C, never registered)" in " ".join(text.split())


def test_an_inherited_family_is_carried_by_the_signed_share(enter, workspace):
    first = enter.plan("first", (("A", 1.0),))
    enter.run("training", 10, plan=first, made="S1")
    second = enter.plan("second", (("A", 0.5),), "S1", [("S1", "weights", 0.25)])
    enter.run("training", 4, plan=second, made="S2", reads=[("weights", "S1")])
    enter.run("extraction", 1, plan=second, cut=[("S2", "A", 1, "M")], made="M")
    totals = {view: _bill(workspace, "M", view).total.wall_hours.value for view in VIEWS}
    assert totals == {
        "marginal": 1,
        "amortised": 1 + 0.5 * (4 + 0.25 * 10),
        "fully_loaded": 15,
    }
    lines = {
        line.run: line for line in _bill(workspace, "M").lines if line.figures.wall_hours.value
    }
    assert (lines[0].relation, lines[0].what) == ("inherited", "training n, for its weights")
    assert lines[1].category == "post-training"
    (family,) = [each for each in make_bill(workspace, SETTINGS).families if each.name == "second"]
    assert family.members[0].amortised.wall_hours.value == pytest.approx(totals["amortised"])


def test_children_that_state_no_share_carry_their_parent_once_in_all(enter, workspace):
    first = enter.plan("first", (("A", 1.0),))
    enter.run("training", 10, plan=first, made="S1")
    for name in ("left", "right"):
        plan = enter.plan(name, (("A", 1.0),), "S1")
        enter.run("training", 1, plan=plan, made=name)
    carried = {
        name: _bill(workspace, name, "amortised").total.wall_hours.value
        for name in ("left", "right")
    }
    assert carried == {"left": 11, "right": 1}
    loaded = [_bill(workspace, name).total.wall_hours.value for name in ("left", "right")]
    assert loaded == [11, 11]
    assert any("carries 0, by default" in note for note in _bill(workspace, "right").notes)


def test_a_teacher_and_the_writer_of_the_text_are_inherited(enter, workspace):
    for name, hours in (("teacher", 10), ("writer", 20)):
        plan = enter.plan(name, (("A", 1.0),))
        enter.run("training", hours, plan=plan, made=name, key=name)
    enter.run("synthesis", 3, made="text", reads=[("generator", "writer")], key="t")
    plan = enter.plan("pupil", (("A", 1.0),))
    reads = [("corpus", "text"), ("teacher", "teacher")]
    enter.run("training", 1, plan=plan, made="S", reads=reads, key="p")
    bill = _bill(workspace, "S")
    assert {line.run: (line.relation, line.figures.wall_hours.value) for line in bill.lines} == {
        0: ("inherited", 10),
        1: ("inherited", 20),
        2: ("own", 3),
        3: ("own", 1),
    }


def test_a_file_made_of_a_member_carries_the_members_share(whole, workspace):
    whole.run("extraction", 2, made="file", reads=[("weights", "member A")], key="f")
    totals = {view: _bill(workspace, "file", view).total.wall_hours.value for view in VIEWS}
    assert totals == {
        "marginal": 2,
        "amortised": pytest.approx(2 + 3.5 + 0.7 * 55),
        "fully_loaded": pytest.approx(60.5),
    }


def test_expenses_are_in_the_total_and_shared_by_hours(whole, workspace):
    whole.book.append(
        Expense(
            what="storage",
            usd=65.0,
            basis=None,
            date=date(2026, 2, 1),
            source="invoice",
            runs=(3, 4),
        )
    )
    bill = make_bill(workspace, SETTINGS)
    # 63.5 h of two devices at half a dollar, and the invoice.
    assert bill.total.usd["spot"].value == pytest.approx(63.5 + 65)
    assert bill.total.wall_hours.value == pytest.approx(63.5)
    # The sums leave nothing out, and what was lost stands in them.
    assert bill.sums["expense"].usd["spot"].value == 65.0
    assert bill.sums["training"].usd["spot"].value == pytest.approx(2 + 4 + 8)
    assert sum(each.usd["spot"].value for each in bill.sums.values()) == pytest.approx(128.5)
    assert bill.lost.wall_hours.value == pytest.approx(2 + 4)
    lines = [each for each in _bill(workspace, "found").lines if each.category == "expense"]
    assert {line.relation: line.figures.usd["spot"].value for line in lines} == {
        "own": pytest.approx(65 * 16 / 24),
        "inherited": pytest.approx(65 * 8 / 24),
    }
    assert _bill(workspace, "member A", "amortised").total.usd["spot"].value == pytest.approx(
        3.5 + 0.7 * (55 + 65)
    )


@pytest.mark.usefixtures("whole")
@pytest.mark.parametrize("place", ["member A", None], ids=["of a member", "of the workspace"])
def test_text_json_csv_and_page_give_the_same_figures(workspace, place):
    bill = _bill(workspace, place) if place else make_bill(workspace, SETTINGS)
    rows = list(csv.DictReader(io.StringIO(csv_text(bill))))
    total = json.loads(json.dumps(bill.to_json()))["total"]
    for quantity in ("wall_hours", "device_hours", "tokens", "flops", "kwh"):
        found = sum(float(row["value"]) for row in rows if row["quantity"] == quantity)
        assert found == pytest.approx(total[quantity]["value"], rel=1e-9)
    spot = [row for row in rows if (row["quantity"], row["basis"]) == ("usd", "spot")]
    assert sum(float(row["value"]) for row in spot) == pytest.approx(total["usd"]["spot"]["value"])
    assert {row["kind"] for row in rows} == {"measured", "estimated", "assumed", "unknown"}
    assert all(row["entries"] for row in rows)
    text, page = _text(bill), bill_page(bill)
    assert f"{total['usd']['spot']['value']:.3g}" in text
    assert f"{total['usd']['spot']['value']:.3g}" in page
    assert "hours measured, kWh estimated, USD assumed" in " ".join(text.split())


@pytest.mark.usefixtures("whole")
def test_the_text_fits_into_80_columns(workspace):
    for bill in (make_bill(workspace, SETTINGS), _bill(workspace, "member A", "amortised")):
        assert max(len(line.rstrip()) for line in _text(bill).splitlines()) <= 80


def test_something_that_no_run_made_is_refused_with_what_there_is(whole, workspace):
    with pytest.raises(UsageError, match="0 artifacts") as error:
        _bill(workspace, "nothing")
    assert "member A" in error.value.remedy
    assert whole.book.head.count > 0


def test_what_others_wrote_stays_words_on_the_page_and_in_a_spreadsheet(enter, workspace):
    enter.run("curation", 1, made="corpus", name="<b>x</b>")
    whole = make_bill(workspace, SETTINGS)
    assert "<b>x</b>" not in bill_page(whole)
    enter.book.append(
        Expense(what="=1+1", usd=1, basis=None, date=date(2026, 2, 1), source="invoice", runs=(0,))
    )
    rows = list(csv.DictReader(io.StringIO(csv_text(make_bill(workspace, SETTINGS)))))
    assert {row["what"] for row in rows if row["category"] == "expense"} == {"'=1+1"}


def test_the_published_bill_of_deepseek_v3_line_by_line(book, workspace):
    """arXiv 2412.19437, table 1: 2664K + 119K + 5K H800 hours at 2 dollars are 5.576M dollars."""
    cluster = Machine("c", "H800 cluster", "H800", 2048, None)
    enter = Enter(book, Meter(cluster, from_process_start=False))
    plan = enter.plan("DeepSeek-V3", (("whole", 1.0),))
    stages = (("pre-training", 2664e3), ("context extension", 119e3), ("post-training", 5e3))
    before = None
    for name, hours in stages:
        reads = [("weights", before)] if before else []
        enter.run("training", hours / 2048, plan=plan, made=name, name=name, key=name, reads=reads)
        before = name
    price = Price(usd_per_device_hour=2.0, date=date(2024, 12, 27), source="arXiv 2412.19437")
    settings = WorkspaceSettings(prices={"on_demand": price})
    bill = make_artifact_bill(workspace, settings, "post-training")
    assert {line.what: line.figures.usd["on_demand"].value for line in bill.lines} == {
        "training pre-training": pytest.approx(5_328_000),
        "training context extension": pytest.approx(238_000),
        "training post-training": pytest.approx(10_000),
    }
    assert [line.category for line in bill.lines] == ["training", "post-training", "post-training"]
    assert bill.total.device_hours.value == pytest.approx(2.788e6)
    assert bill.total.usd["on_demand"].value == pytest.approx(5.576e6)
    assert str(bill.total.usd["on_demand"].provenance) == "assumed"
    assert any("prior research" in each for each in bill.left_out)
    assert any("2024-12-27" in each for each in bill.basis)


def _text(bill):
    console = Console(width=80)
    with console.capture() as captured:
        (print_bill if hasattr(bill, "families") else print_artifact_bill)(bill, console)
    return captured.get()

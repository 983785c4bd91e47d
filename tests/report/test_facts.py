"""What the page says about a workspace, counted again from the files themselves."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from farthing.artifacts.entries import read_book
from farthing.artifacts.expense import Expense
from farthing.artifacts.rates import PriceRate, Rate, RatesRecord
from farthing.artifacts.settings import WorkspaceSettings, load_settings
from farthing.errors import ArtifactError
from farthing.ledger.accounts import collect_runs
from farthing.ledger.book import Book
from farthing.ledger.rates import make_pricing, record_rates
from farthing.quantity import assumed
from farthing.report.facts.curve import attempts_of, read_curve
from farthing.report.facts.gather import gather
from farthing.report.facts.load import read_load
from farthing.report.facts.samples import choose_members
from farthing.report.page import render
from farthing.report.sections.bill import bill_section
from farthing.report.sections.text import lineage_section
from farthing.text.corpus import DOCUMENTS_NAME

DAY = date(2026, 1, 31)
PRICES = """\
prices:
  on_demand: {usd_per_device_hour: 0.01, date: 2026-01-31, source: "a test"}
"""


def _metrics(workspace) -> Path:
    return next(workspace.runs.glob("*/metrics.jsonl"))


def _curve(workspace, facts, path=None):
    records = read_book(workspace.book_file).records
    attempts = attempts_of(collect_runs(workspace, records), facts.supernet)
    return read_curve(
        path or _metrics(workspace),
        attempts,
        make_pricing(records, WorkspaceSettings(), workspace.root),
        records,
    )


def test_steps_that_a_stop_threw_away_are_on_the_curve_and_marked(facts, tiny):
    every, done = tiny.checkpoint_every, tiny.stopped_after
    curve = facts.curve
    assert [attempt.status for attempt in curve.attempts] == ["aborted", "completed"]
    assert [attempt.steps for attempt in curve.attempts] == [done, tiny.steps - every]
    assert [attempt.lost_steps for attempt in curve.attempts] == [done - every, 0]
    assert [stretch.kept for stretch in curve.stretches] == [True, False, True]
    kept = [p.last_step for stretch in curve.stretches if stretch.kept for p in stretch.points]
    assert kept == list(range(tiny.steps))


def test_amounts_on_the_curve_go_on_over_all_attempts(facts, made):
    lines = [json.loads(line) for line in _metrics(made).read_text().splitlines()]
    end = facts.curve.end
    assert end.tokens == sum(line["tokens"] for line in lines)
    assert end.flops == sum(line["flops"] for line in lines)
    first, second = facts.curve.attempts
    billed = [line.figures.device_hours.value for line in facts.bill.lines]
    trained = [each for each, line in zip(billed, facts.bill.lines, strict=True)
               if line.purpose == "training"]  # fmt: skip
    assert first.ends_device_hours == second.begins_device_hours
    assert second.ends_device_hours == pytest.approx(sum(trained))
    hours = [p.device_hours for stretch in facts.curve.stretches for p in stretch.points]
    assert hours == sorted(hours)


def test_the_losses_are_those_that_the_book_signed(facts, workspace, tiny):
    assert facts.curve.segments == tiny.steps // tiny.checkpoint_every
    assert facts.curve.segments_matching == facts.curve.segments
    path = _metrics(workspace)
    lines = path.read_text().splitlines()
    changed = json.loads(lines[0])
    changed["loss_nats"] -= 1.0
    path.write_text("\n".join([json.dumps(changed), *lines[1:]]) + "\n")
    assert _curve(workspace, facts).segments_matching == facts.curve.segments - 1


def test_lines_that_cannot_be_read_are_counted_not_guessed(facts, workspace):
    path = _metrics(workspace)
    text = path.read_text()
    path.write_text(text[: len(text) // 2] + "\n" + '{"run": 1, "loss_nats": NaN, "step": 3}\n[]\n')
    curve = _curve(workspace, facts)
    assert curve.unreadable_lines == 3
    path.unlink()
    curve = _curve(workspace, facts, path)
    assert (curve.stretches, curve.end) == ((), None)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param({"run": None}, id="no run"),
        pytest.param({"run": "1"}, id="a run that is no number"),
        pytest.param({"step": True}, id="a step that is no number"),
        pytest.param({"step": 3.5}, id="half a step"),
        pytest.param({"tokens": None}, id="no tokens"),
        pytest.param({"tokens": 10**400}, id="tokens beyond any float"),
        pytest.param({"loss_nats": math.nan}, id="a loss that is no number"),
        pytest.param({"flops": math.inf}, id="FLOPs without end"),
        pytest.param({"flops": 1.7e308}, id="FLOPs whose sum has no end"),
        pytest.param({"wall_seconds": math.inf}, id="time without end"),
        pytest.param({"wall_seconds": -1.0}, id="time before the start"),
        pytest.param({"grad_norm": math.inf}, id="a gradient without end"),
    ],
)
def test_a_line_with_a_wrong_figure_is_left_out_and_said_on_the_page(facts, workspace, damage):
    path = _metrics(workspace)
    first, *others = path.read_text().splitlines()
    line = {key: value for key, value in (json.loads(first) | damage).items() if value is not None}
    path.write_text("\n".join([json.dumps(line), *others]) + "\n")
    curve = _curve(workspace, facts)
    assert curve.unreadable_lines == 1
    assert sum(attempt.steps for attempt in curve.attempts) == len(others)
    page = render(replace(facts, curve=curve)).decode()
    assert "damaged lines of the metrics, which the curve leaves out: 1 (cut off" in page
    assert "Damaged lines of the metrics that are left out here: 1." in page


def test_a_line_of_nothing_but_brackets_is_one_more_damaged_line(facts, workspace):
    path = _metrics(workspace)
    path.write_text(path.read_text() + "[" * 200_000 + "\n")
    assert _curve(workspace, facts).unreadable_lines == 1


def test_what_was_made_of_a_member_goes_by_its_kind_and_each_name_stands_once(
    facts, workspace, add_extraction
):
    member = facts.scores.members[0]
    digests = [
        add_extraction(workspace, facts, member.shape, kind) for kind in ("member", "gguf", "gguf")
    ]
    found = gather(workspace, None, ())
    assert [(each.kind, each.digest) for each in found.extracted] == list(
        zip(("member", "gguf", "gguf"), digests, strict=True)
    )
    shown = dict(lineage_section(found).digests)
    assert shown[f"model {member.label}"] == (digests[0],)
    assert shown[f"GGUF file of {member.label}"] == tuple(digests[1:])
    page = render(found).decode()
    assert page.count(f"GGUF file of {member.label}") == 1
    assert all(digest in page for digest in digests)
    assert "1 extracted" in page


def test_an_extraction_that_came_to_nothing_is_not_listed(facts, workspace, add_extraction):
    with pytest.raises(KeyboardInterrupt):
        add_extraction(workspace, facts, facts.scores.members[0].shape, "member", finished=False)
    assert gather(workspace, None, ()).extracted == ()


def test_text_is_added_up_by_domain_source_and_licence(facts, made, tiny):
    corpus = next(made.root.glob("corpora/[!.]*"))
    documents = pq.read_table(corpus / DOCUMENTS_NAME).to_pylist()
    data = facts.data
    assert sum(each.amount.documents for each in data.sources) == len(documents) == 24
    bad = [each for each in data.sources if each.source == tiny.attack]
    assert sum(each.amount.bytes for each in bad) == sum(
        document["bytes"] for document in documents if document["source"] == tiny.attack
    )
    assert {licence for licence, _ in data.licences} == {"MIT", "CC0-1.0"}
    assert data.total("train").tokens == sum(
        document["tokens"] for document in documents if document["split"] == "train"
    )
    assert sum(domain.share for domain in data.domains) == pytest.approx(1.0)


def test_a_corpus_that_is_gone_is_said_and_a_damaged_one_stops_the_page(workspace):
    corpus = next(workspace.root.glob("corpora/[!.]*"))
    file = corpus / DOCUMENTS_NAME
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(ArtifactError, match="corrupted"):
        gather(workspace, None, ())
    (corpus / "manifest.json").unlink()
    facts = gather(workspace, None, ())
    assert facts.data is None
    assert "not in" in facts.data_problem


def test_entropy_and_dead_experts_of_a_known_load(expert_load):
    load = read_load(expert_load)
    english, chinese = load.domains
    three_of_four = -(0.5 * math.log(0.5) + 2 * 0.25 * math.log(0.25)) / math.log(4)
    assert [layer.entropy for layer in english.layers] == pytest.approx([three_of_four, 0.0, 0.0])
    assert english.dead == 1 + 3 + 3
    assert english.busiest == 4.0
    assert (chinese.entropy, chinese.dead, chinese.busiest) == (pytest.approx(1.0), 0, 1.0)
    assert load.dead_everywhere == 0
    assert read_load(None) is None


def test_an_expert_that_the_member_lacks_is_not_dead(expert_load):
    row = (0.5, 0.0, 0.5, 0.0)
    load = expert_load.model_copy(update={"layers": (1,), "shares": {"en": (row,)}})
    (english,) = read_load(load, [[0, 2, 3]]).domains
    (layer,) = english.layers
    assert layer.times_uniform == (1.5, None, 1.5, 0.0)
    assert layer.dead == read_load(load, [[0, 2, 3]]).dead_everywhere == 1
    assert layer.entropy == pytest.approx(math.log(2) / math.log(3))


def test_the_experts_of_the_member_are_taken_from_the_supernet(facts):
    assert facts.load.num_experts == 3 * 4
    assert not facts.load.lacks_experts


def test_members_for_samples_run_from_the_largest_to_the_smallest(facts):
    (member, *_) = facts.scores.members
    family = [member.model_copy(update={"total": size}) for size in (5, 1, 4, 2, 3)]
    assert [each.total for each in choose_members(family)] == [5, 3, 1]
    assert len(choose_members(family[:1])) == 1


def test_samples_are_the_same_each_time(facts, made, tiny):
    assert [sample.prompt for sample in facts.samples] == [
        p for p in tiny.prompts for _ in range(3)
    ]
    again = gather(made, None, tiny.prompts)
    assert again.samples == facts.samples
    assert replace(again, samples=()) == replace(facts, samples=())


def test_the_family_costs_what_the_bill_says(facts, workspace):
    assert facts.cost.device_hours.value == pytest.approx(facts.bill.total.device_hours.value)
    assert facts.money is None
    workspace.settings_file.write_text(PRICES)
    priced = gather(workspace, None, ())
    assert priced.money.usd_per_device_hour == 0.01
    assert "not in the book" in priced.money.source
    assert priced.cost.usd["on_demand"].value == pytest.approx(0.01 * facts.cost.device_hours.value)


def test_the_page_keeps_the_prices_that_the_book_holds(workspace, monkeypatch):
    monkeypatch.setenv("FARTHING_HOME", str(workspace.root.parent / "home"))
    workspace.settings_file.write_text(PRICES)
    record_rates(load_settings(workspace), Book.open(workspace))
    workspace.settings_file.write_text(PRICES.replace("0.01", "7"))
    priced = gather(workspace, None, ())
    assert priced.money.usd_per_device_hour == 0.01
    assert "not in the book" not in priced.money.source
    hours = priced.cost.device_hours.value
    assert priced.cost.usd["on_demand"].value == pytest.approx(0.01 * hours)


def test_attempts_that_are_priced_differently_have_no_one_price(workspace, monkeypatch):
    monkeypatch.setenv("FARTHING_HOME", str(workspace.root.parent / "home"))
    book = Book.open(workspace)
    supernet = gather(workspace, None, ()).supernet
    first, second = attempts_of(collect_runs(workspace, book.records), supernet)
    for run, usd in ((0, 0.5), (second.start.run, 3.0)):
        price = PriceRate(usd_per_device_hour=Rate.of(assumed(usd, "USD/h", "a list")), date=DAY)
        book.append(RatesRecord(from_run=run, prices={"spot": price}, grid=None, pue=None))
    priced = gather(workspace, None, ())
    assert (priced.money.basis, priced.money.usd_per_device_hour) == ("spot", None)
    lines = {line.run: line.figures for line in priced.bill.lines}
    for run, usd in ((first.start.run, 0.5), (second.start.run, 3.0)):
        assert lines[run].usd["spot"].value == pytest.approx(usd * lines[run].device_hours.value)
    assert b"priced differently" in render(priced)


def test_an_expense_is_a_line_of_the_page_and_a_sum_of_its_own(workspace, monkeypatch):
    monkeypatch.setenv("FARTHING_HOME", str(workspace.root.parent / "home"))
    invoice = Expense(what="cold storage", usd=3.0, basis=None, date=DAY, source="invoice 7")
    Book.open(workspace).append(invoice)
    section = bill_section(gather(workspace, None, ()))
    assert "expense" in [row.name for row in section.sums]
    (line,) = [row for row in section.runs if not row.number]
    assert "cold storage" in line.what
    assert not any("expense" in part.kind for part in section.bar_legend), "it held nothing"


def test_every_score_has_its_signed_entry(facts):
    assert facts.scores_in_book == len(facts.scores.members) == 3

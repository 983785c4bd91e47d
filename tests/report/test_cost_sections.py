"""The page's sections on cost to quality and on serving."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farthing.artifacts.measurement import Figure, MachineFacts
from farthing.artifacts.serving import Phase, ServingMeasurement, ServingPoint
from farthing.artifacts.work import Work
from farthing.ledger.serving_price import ServingPrice, TokenPrice
from farthing.quantity import Provenance, Quantity, assumed, measured
from farthing.report.facts.frontier import Frontier, Frontiers
from farthing.report.facts.gather import Money
from farthing.report.facts.serving import ServedMember
from farthing.report.page import render
from farthing.report.sections.frontier import frontier_section
from farthing.report.sections.serving import serving_section


def _point(point, name, dollars, bpb, *, supernet=None):
    kwh = Quantity(
        value=dollars / 10,
        unit="kWh",
        provenance=Provenance.ESTIMATED,
        source="TDP model",
        low=dollars / 20,
        high=dollars / 8,
    )
    cost = replace(
        point.cost,
        usd=point.cost.usd | {"spot": assumed(dollars, "USD", "list")},
        kwh=kwh,
        device_hours=measured(2 * dollars, "h", "clock"),
    )
    return replace(point, run=name, model=name, supernet=supernet or name, bpb=bpb, cost=cost)


@pytest.fixture
def four(facts):
    """This family between a cheaper and a dearer run on the front, and one that they beat."""
    (text,) = facts.frontiers.texts
    first = text.points[0]
    points = (
        _point(first, "large <b>", 12.0, 1.9),
        _point(first, "tiny 1a2b", 4.0, 2.2, supernet=facts.supernet),
        _point(first, "poor", 9.0, 2.5),
        _point(first, "small", 1.0, 2.6),
    )
    frontier = Frontier(text.corpus, text.held_out_bytes, points)
    other = Frontier("another", {"en": 1}, points[:1])
    return replace(facts, frontiers=Frontiers((frontier, other), ("half: step 1 of 2",)))


def _phase(rate):
    work = Work(
        wall_seconds=1.0,
        device_seconds=2.0,
        cpu_seconds=1.0,
        tokens=0,
        flops=0.0,
        optimizer_flops=0.0,
        joules=None,
        energy_method="none",
    )
    figure = Figure.of([rate / 2, rate, rate * 2], "token/s", "a test")
    return Phase(rate=figure, tokens=100, work=work)


@pytest.fixture
def served():
    def make(batch):
        return ServingPoint(batch=batch, prefill=_phase(9e3 * batch), decode=_phase(1e3 * batch))

    found = ServingMeasurement(
        command="farthing bench --serve 4L",
        date="2026-01-31T00:00:00+00:00",
        versions={},
        machine=MachineFacts(
            id="m", name="cpu", hardware_threads=2, device="cpu", device_name="a cpu <i>"
        ),
        held_device="cpu-thread",
        held_devices=2,
        supernet="S",
        shape="4L",
        label="4L-4E-2K",
        active=10,
        total=10,
        dtype="float32",
        text="a test",
        prompt_tokens=8,
        new_tokens=3,
        threads=1,
        neighbours_threads=0.0,
        points=(make(1), make(8)),
    )

    def price(batch):
        read = TokenPrice({"spot": assumed(0.05 / batch, "USD/Mtoken", "list")}, None)
        written = TokenPrice({"spot": assumed(0.55 / batch, "USD/Mtoken", "list")}, None)
        return ServingPrice(batch, read, written)

    return ServedMember(found, (price(1), price(8)))


def test_a_family_alone_is_its_own_end_point_and_has_no_front_to_draw(facts):
    section = frontier_section(facts)
    assert section.charts == ()
    (row,) = section.rows
    best = min(member.mean_bpb for member in facts.scores.members)
    assert (row.bpb, row.is_own, row.on_front, row.cheapest) == (best, True, True, "")
    # Stopped once and resumed: what it cost holds both attempts.
    spent = facts.frontiers.texts[0].points[0].spent("device-hours")
    assert spent.value >= facts.curve.attempts[-1].ends_device_hours


def test_runs_stand_by_their_loss_with_cost_and_front(four):
    section = frontier_section(four)
    assert [(row.run, row.on_front, row.is_own) for row in section.rows] == [
        ("large <b>", True, False),
        ("tiny 1a2b", True, True),
        ("poor", False, False),
        ("small", True, False),
    ]
    assert section.headings == ("US dollars, spot", "kWh", "device-hours")
    assert [figure.text for figure in section.rows[0].figures] == ["$12.00", "1.20", "24.0"]
    assert (section.rows[0].figures[0].kind, section.rows[0].figures[1].kind) == (
        "assumed",
        "estimated",
    )
    # The loss of the poor run is to be had for less than half of its price.
    assert section.rows[2].cheapest.startswith("at most $4.00: ")
    assert section.rows[2].cheapest.endswith(" of tiny 1a2b")
    assert section.elsewhere == 1
    (dollars, first), (kwh, second) = section.charts
    assert (dollars, kwh) == ("US dollars, spot", "kWh")
    assert "4 runs; US dollars, spot across" in first
    assert "4 runs; kWh across" in second


def test_both_sections_are_on_the_page_with_everything_escaped(four, served, tmp_path):
    money = Money("spot", 0.5, "list")
    page = render(replace(four, money=money, serving=(served,)))
    (tmp_path / "page.html").write_bytes(page)
    text = page.decode()
    for words in ('id="frontier"', 'id="serving"', "half: step 1 of 2", "busy all the time"):
        assert words in text
    assert "<b>" not in text
    assert "<i>" not in text
    section = serving_section(replace(four, money=money, serving=(served,)))
    first, second = section.rows
    assert [figure.text for figure in first.figures] == [
        *("9,000", "1,000", "$0.050", "$0.55", "unknown", "unknown")
    ]
    assert (second.batch, second.figures[3].text) == (8, "$0.069")
    assert all(row.date and row.read.startswith("$") for row in section.public)


def test_without_a_measurement_the_page_says_how_to_make_one(facts, page):
    assert serving_section(facts) is None
    assert "farthing bench --serve" in page

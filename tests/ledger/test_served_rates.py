"""What serving costs is priced by the rates that the book holds for the run that measured it."""

from __future__ import annotations

from datetime import date

import pytest
from entering import Enter, work_of

from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.measurement import Figure, MachineFacts
from farthing.artifacts.serving import KIND, SERVING_NAME, Phase, ServingMeasurement, ServingPoint
from farthing.artifacts.settings import Price, PueFigure, WorkspaceSettings
from farthing.ledger.bill import read_accounts
from farthing.ledger.rates import book_rates
from farthing.ledger.serving_price import rests_on
from farthing.report.facts.serving import read_serving

NOTHING = WorkspaceSettings()


def settings(usd: float) -> WorkspaceSettings:
    price = Price(usd_per_device_hour=usd, date=date(2026, 1, 31), source="list")
    return WorkspaceSettings(prices={"spot": price}, pue=PueFigure(value=1.5, source="site"))


@pytest.fixture
def measured(book, meter, workspace):
    """Enters a measurement of 1,000 tokens a second on two devices; returns its run's number."""

    def make(name):
        figure = Figure.of([1000.0], "token/s", "a test")
        phase = Phase(rate=figure, tokens=1000, work=work_of(1 / 3600))
        found = ServingMeasurement(
            command="farthing bench --serve 4L",
            date=f"2026-01-31T00:00:0{name}+00:00",
            versions={},
            machine=MachineFacts(
                id="m", name="test cpu", hardware_threads=2, device="cpu", device_name="test cpu"
            ),
            held_device="cpu-thread",
            held_devices=2,
            supernet="S",
            shape=name,
            label=name,
            active=10,
            total=10,
            dtype="float32",
            text="a test",
            prompt_tokens=8,
            new_tokens=3,
            threads=1,
            neighbours_threads=0.0,
            points=(ServingPoint(batch=1, prefill=phase, decode=phase),),
        )
        place = workspace.root / "serving" / name
        place.mkdir(parents=True)
        (place / SERVING_NAME).write_text(found.model_dump_json(), encoding="utf-8")
        made = write_manifest(place, kind=KIND, input_key=name, detail={})
        return Enter(book, meter).run("serving", 1, made=made.content_digest)

    return make


def dollars(book, workspace, user):
    pricing = read_accounts(workspace, user).pricing
    served = read_serving(workspace, {"S"}, book.records, pricing)
    return [
        (usd.value, "not in the book" in usd.source)
        for each in served
        if (usd := each.prices[0].output.usd["spot"]) is not None
    ]


def test_each_measurement_keeps_the_price_of_its_run(book, workspace, measured):
    book_rates(settings(1.0), book)
    measured("1")
    book_rates(settings(3.0), book)
    measured("2")
    # 2 devices x 1e6 / (1000 x 3600) h = 0.5556 device-hours a million, at 1 and at 3 USD.
    by_hand = [(pytest.approx(0.555556, rel=1e-5), False), (pytest.approx(1.666667), False)]
    assert dollars(book, workspace, settings(3.0)) == by_hand
    assert dollars(book, workspace, settings(70.0)) == by_hand
    assert dollars(book, workspace, NOTHING) == by_hand


def test_what_the_book_lacks_comes_from_the_file_and_says_so(book, workspace, measured):
    run = measured("1")
    assert dollars(book, workspace, NOTHING) == []
    assert dollars(book, workspace, settings(1.0)) == [(pytest.approx(0.555556, rel=1e-5), True)]
    said = rests_on(read_accounts(workspace, settings(1.0)).pricing.of(run))
    assert said[0].startswith("spot: 1 USD per device-hour (list, 2026-01-31 (")
    assert all("not in the book" in line for line in said)
    assert rests_on(read_accounts(workspace, NOTHING).pricing.of(run)) == (
        "energy: IT energy only, PUE not set",
    )

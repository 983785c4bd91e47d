"""Dollars and Wh of a million tokens, against numbers made by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import ValidationError

from farthing.artifacts.entries import MachineRecord
from farthing.artifacts.measurement import Figure, MachineFacts
from farthing.artifacts.serving import Phase, ServingMeasurement, ServingPoint
from farthing.artifacts.settings import Price, PueFigure, WorkspaceSettings
from farthing.artifacts.work import Work
from farthing.errors import ConfigError
from farthing.ledger.given_rates import make_rates
from farthing.ledger.serving_price import serving_prices, usd_per_million
from farthing.quantity import Provenance, assumed

# A workspace that adds nothing to the catalogue.
BARE = Path(__file__).parent
MACHINE = MachineRecord(
    id="m",
    name="test cpu",
    device="cpu-thread",
    devices=2,
    watts=5.0,
    watts_low=2.0,
    watts_high=8.0,
    watts_source="test",
)
SETTINGS = WorkspaceSettings(
    prices={"spot": Price(usd_per_device_hour=1.0, date=date(2026, 1, 31), source="list")},
    pue=PueFigure(value=1.5, source="site"),
)


def _work(seconds: float) -> Work:
    """Both devices at 5 W, all busy."""
    return Work(
        wall_seconds=seconds,
        device_seconds=2 * seconds,
        cpu_seconds=2 * seconds,
        tokens=0,
        flops=0.0,
        optimizer_flops=0.0,
        joules=10.0 * seconds,
        energy_method="tdp_model",
    )


def _phase(rates: list[float], tokens: int, seconds: float) -> Phase:
    figure = Figure.of(rates, "token/s", "a test")
    return Phase(rate=figure, tokens=tokens, work=_work(seconds))


def _measurement(**changes) -> ServingMeasurement:
    machine = MachineFacts(
        id="m", name="test cpu", hardware_threads=2, device="cpu", device_name="test cpu"
    )
    return ServingMeasurement(
        command="farthing bench --serve 4L",
        date="2026-01-31T00:00:00+00:00",
        versions={},
        machine=machine,
        held_device="cpu-thread",
        held_devices=2,
        supernet="S",
        shape="4L",
        label="4L",
        active=10,
        total=10,
        dtype="float32",
        text="a test",
        prompt_tokens=8,
        new_tokens=3,
        threads=1,
        neighbours_threads=0.0,
        points=(
            ServingPoint(
                batch=1,
                prefill=_phase([8000.0, 10000.0, 12500.0], 30_000, 3.0),
                decode=_phase([500.0, 1000.0, 2000.0], 3_000, 3.0),
            ),
        ),
    ).model_copy(update=changes)


def test_two_dollars_an_hour_and_a_thousand_tokens_a_second_are_56_cents_a_million():
    rate = Figure.of([1000.0], "token/s", "a test")
    price = usd_per_million(rate, assumed(2.0, "USD/h", "list"), 1)
    assert price.value == pytest.approx(0.555556, rel=1e-6)
    assert (price.low, price.high) == (price.value, price.value)
    assert price.provenance is Provenance.ASSUMED
    assert "utilisation" in price.source


def test_input_output_and_energy_match_the_numbers_by_hand():
    (price,) = serving_prices(_measurement(), MACHINE, make_rates(SETTINGS, BARE))
    # 2 devices x $1 = $2 an hour; 10,000 tokens/s read, 1,000 written.
    read, written = price.input.usd["spot"], price.output.usd["spot"]
    assert read.value == pytest.approx(2 / 36)
    assert written.value == pytest.approx(2 / 3.6)
    # The slowest repeat (500 a second) costs twice as much, the fastest half.
    assert (written.low, written.high) == (pytest.approx(1 / 3.6), pytest.approx(4 / 3.6))
    assert price.output.usd["on_demand"] is None
    # 30 J x 1.5 of 3,000 tokens: 45 J / 3600 = 12.5 mWh; a million tokens 4.1667 Wh.
    assert price.output.wh.value == pytest.approx(12.5e-3 / 3000 * 1e6)
    assert price.input.wh.value == pytest.approx(12.5e-3 / 30_000 * 1e6)
    assert price.output.wh.provenance is Provenance.ASSUMED, "a PUE is assumed"
    assert (price.output.wh.low, price.output.wh.high) == (
        pytest.approx(price.output.wh.value * 2 / 5),
        pytest.approx(price.output.wh.value * 8 / 5),
    )


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"id": "other", "name": "other cpu"}, id="another machine"),
        pytest.param({"device": "board"}, id="another kind of device"),
        pytest.param({"devices": 8}, id="another number of devices"),
    ],
)
def test_a_price_for_another_device_is_refused(changes):
    with pytest.raises(ConfigError, match="but the price is for") as caught:
        serving_prices(
            _measurement(),
            MACHINE.model_copy(update=changes),
            make_rates(WorkspaceSettings(), BARE),
        )
    assert "farthing bench --serve" in caught.value.remedy


def test_work_on_a_board_has_no_price_in_hardware_threads():
    board = MachineFacts(
        id="m", name="test cpu", hardware_threads=2, device="board", device_name="a board"
    )
    with pytest.raises(ConfigError, match="another device"):
        serving_prices(_measurement(machine=board), MACHINE, make_rates(SETTINGS, BARE))


def test_without_price_and_watts_the_price_is_unknown_and_never_zero():
    silent = MACHINE.model_copy(update={"watts": None, "watts_low": None, "watts_high": None})
    blind = _work(3.0).with_energy(None, "none")
    point = _measurement().points[0]
    unknown = point.model_copy(
        update={"decode": point.decode.model_copy(update={"work": blind})},
    )
    measured = _measurement(points=(unknown,))
    (price,) = serving_prices(measured, silent, make_rates(WorkspaceSettings(), BARE))
    assert price.output.wh is None
    assert set(price.output.usd.values()) == {None}
    assert price.to_json()["output"]["wh_per_million"] is None


@pytest.mark.parametrize(
    "rates", [pytest.param([0.0, 1.0, 2.0], id="stood still"), pytest.param([0.0], id="zero")]
)
def test_a_speed_of_nothing_is_no_measurement(rates):
    with pytest.raises(ValidationError, match="no speed of tokens"):
        _phase(rates, 1, 1.0)

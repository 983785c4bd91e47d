"""Prices out of purchases and dated lists, against numbers made by hand, into the book and a bill.

The purchases are the worked examples of Cottier et al.; the lists are read here with csv alone.
"""

from __future__ import annotations

import csv

import pytest
import yaml
from entering import Enter, work_of

from farthing.artifacts.config import parse_config
from farthing.artifacts.rates import RatesRecord
from farthing.artifacts.settings import WorkspaceSettings
from farthing.errors import ConfigError, UnknownHardwareError
from farthing.hardware.catalogue import read_catalogue
from farthing.hardware.datafile import DATA
from farthing.hardware.machine import Machine
from farthing.hardware.prices.own_file import read_own
from farthing.hardware.prices.snapshot import save_snapshot
from farthing.ledger.bill import make_bill
from farthing.ledger.environment import machine_record
from farthing.ledger.figures import make_figures
from farthing.ledger.given_rates import make_rates
from farthing.ledger.meter import Meter
from farthing.ledger.prices import priced
from farthing.ledger.rates import book_rates, record_rates
from farthing.quantity import assumed

NOTHING = WorkspaceSettings()
H100 = {
    "usd_per_device": 31_250,
    "depreciation": "loss_of_value",
    "loss_of_value_per_year": 0.322,
    "interconnect_share": 0.19,
    "device_watts": 700,
    "server_watts_per_device_watt": 1.82142857,
    "mean_draw_share": 0.75,
    "pue": 1.25,
    "usd_per_kwh": 0.0826,
    "used_share": 1,
    "date": "2026-01-31",
    "source": "invoice 17",
}
# A server of 3,840 USD with 64 hardware threads.
THREAD = {
    "usd_per_device": 60,
    "depreciation": "straight_line",
    "life_years": {"value": 5, "low": 4, "high": 6},
    "interconnect_share": 0,
    "device_watts": 4,
    "server_watts_per_device_watt": 1.6,
    "mean_draw_share": 0.7,
    "pue": 1.3,
    "usd_per_kwh": {"value": 0.20, "low": 0.10, "high": 0.30},
    "used_share": {"value": 0.5, "low": 0.4, "high": 0.8},
    "date": "2026-01-31",
    "source": "invoice 18",
}
LISTED = {"provider": "gcp", "device": "h100-sxm", "region": "us-central1"}
OWN = (
    "provider,region,tier,device,devices,usd_per_instance_hour,date,source\n"
    "cellar,,on_demand,cpu-thread,64,1.28,2026-02-01,offer 4\n"
    "cellar,,on_demand,cpu-thread,64,1.92,2025-02-01,offer 3\n"
    "cellar,north,spot,cpu-thread,64,0.64,2026-02-01,offer 4\n"
    "cellar,south,spot,cpu-thread,64,0.32,2026-02-01,offer 4\n"
)


def settings(**prices) -> WorkspaceSettings:
    return parse_config(WorkspaceSettings, {"prices": prices}, where="farthing.yaml")


def prices_of(user, root=None):
    return priced(user, read_catalogue(root))


@pytest.fixture
def enter(book, meter):
    return Enter(book, meter)


@pytest.fixture
def enter_h100(book):
    """On a machine of two H100 SXM."""
    watts = assumed(700.0, "W", "test")
    machine = Machine("g", "test gpu", "h100-sxm", 2, watts, accelerator="h100-sxm")
    return Enter(book, Meter(machine, from_process_start=False))


@pytest.fixture
def own_list(workspace, tmp_path):
    """A price list of the workspace's own."""
    table = tmp_path / "cellar.csv"
    table.write_text(OWN)
    return save_snapshot(read_own(table), workspace.root / "hardware/prices")


@pytest.mark.parametrize(
    ("changes", "full", "part_time"),
    [
        pytest.param({}, 1.516, 1.895, id="h100"),
        pytest.param({"usd_per_device": 39_100}, 1.872, 2.340, id="h200"),
        pytest.param({"usd_per_device": 47_400, "device_watts": 1000}, 2.290, 2.863, id="b200"),
        pytest.param(
            {
                "usd_per_device": 17_300,
                "device_watts": 400,
                "server_watts_per_device_watt": 2.03125,
            },
            0.847,
            1.059,
            id="a100",
        ),
    ],
)
def test_what_was_paid_comes_to_the_published_price_of_an_hour(changes, full, part_time):
    rates = prices_of(settings(owned={**H100, **changes}))
    assert rates["owned"].value == pytest.approx(full, abs=1e-3)
    less = prices_of(settings(owned={**H100, **changes, "used_share": 0.8}))
    assert less["owned"].value == pytest.approx(part_time, abs=2e-3)


def test_ranges_are_those_of_the_cheapest_and_the_dearest_of_all_inputs():
    usd = prices_of(settings(owned=THREAD))["owned"]
    # 60 USD / 5 years / 8766 h = 0.00136893; 4 W x 1.6 x 0.7 = 4.48 W, x 1.3 x 0.20 = 0.0011648;
    # together 0.00253373, at half of the time twice that.
    assert usd.value == pytest.approx(0.00506745, rel=1e-5)
    # 60 / 6 / 8766 = 0.00114077, + 0.0005824, over 0.8.
    assert usd.low == pytest.approx(0.00215396, rel=1e-5)
    # 60 / 4 / 8766 = 0.00171116, + 0.0017472, over 0.4.
    assert usd.high == pytest.approx(0.00864590, rel=1e-5)
    assert str(usd.provenance) == "assumed"


def test_an_owned_device_is_billed_with_its_range_and_each_part_by_name(enter, workspace):
    book_rates(settings(owned=THREAD), enter.book)
    enter.run("training", 3)
    bill = make_bill(workspace, NOTHING, book_only=True)
    # Three hours of two devices.
    usd = bill.total.usd["owned"]
    assert usd.value == pytest.approx(6 * 0.00506745, rel=1e-5)
    assert (usd.low, usd.high) == (
        pytest.approx(6 * 0.00215396, rel=1e-5),
        pytest.approx(6 * 0.00864590, rel=1e-5),
    )
    (said,) = [note for note in bill.basis if note.startswith("owned:")]
    # 0.00136893 and 0.0011648 over a half.
    assert "devices 0.00274 + energy 0.00233, 0.00215 to 0.00865" in said
    assert "60 USD per device, straight line over 5 years, used 50%, 2026-01-31: invoice 18" in said


def _row(snapshot, **wanted):
    with (DATA / f"prices/{snapshot}.csv").open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        (found,) = [row for row in rows if all(row[k] == v for k, v in wanted.items())]
    return found


def test_a_price_of_a_list_is_booked_with_the_lists_day_and_digest(enter_h100, workspace):
    enter = enter_h100
    entry = book_rates(settings(on_demand=LISTED), enter.book, accelerator="h100-sxm")
    enter.run("training", 3)
    row = _row("2026-08-20-gcp", **LISTED, tier="on_demand")
    by_hand = float(row["usd_per_instance_hour"]) / float(row["devices"])
    bill = make_bill(workspace, NOTHING, book_only=True)
    assert bill.total.usd["on_demand"].value == pytest.approx(6 * by_hand, rel=1e-12)
    (record,) = [r for r in enter.book.records if isinstance(r.body, RatesRecord)]
    assert record.entry.number == entry.number
    booked = record.body.prices["on_demand"]
    head = yaml.safe_load((DATA / "prices/2026-08-20-gcp.yaml").read_text("utf-8"))
    assert (booked.snapshot, str(booked.date)) == (head["digest"], row["date"])
    assert booked.device == "h100-sxm"
    (said,) = [note for note in bill.basis if note.startswith("on_demand:")]
    for words in (
        "h100-sxm of gcp us-central1 a3-highgpu-8g",
        "2026-08-20-gcp",
        head["digest"][:12],
    ):
        assert words in said


def _of_prices(unknown):
    return [note for note in unknown if "its price is that of one" in note]


@pytest.mark.parametrize("booked", [True, False], ids=["in the book", "in farthing.yaml"])
def test_a_price_of_a_list_is_billed_for_its_own_device_alone(enter, enter_h100, workspace, booked):
    wanted = settings(
        on_demand=LISTED, spot={"usd_per_device_hour": 2, "date": "2026-01-31", "source": "s"}
    )
    if booked:
        book_rates(wanted, enter.book, accelerator="h100-sxm")
    enter.run("curation", 1)
    enter_h100.run("training", 1, key="t")
    bill = make_bill(workspace, wanted, book_only=booked)
    row = _row("2026-08-20-gcp", **LISTED, tier="on_demand")
    by_hand = float(row["usd_per_instance_hour"]) / float(row["devices"])
    on_threads, on_boards = (line.figures.usd["on_demand"] for line in bill.lines)
    assert on_threads is None
    assert on_boards.value == pytest.approx(2 * by_hand, rel=1e-12)
    assert bill.total.usd["on_demand"] is None
    (note,) = _of_prices(bill.unknown)
    assert note.startswith("USD on_demand of runs 0: its price is that of one h100-sxm")
    assert "held cpu-thread (under prices.on_demand in farthing.yaml" in note
    # A typed price holds for whatever was held; that it does is said.
    assert [line.figures.usd["spot"].value for line in bill.lines] == [4.0, 4.0]
    (said,) = [note for note in bill.notes if "several kinds of device" in note]
    assert said.startswith("spot: 2 USD per device-hour")
    assert "cpu-thread (runs 0), h100-sxm (runs 1)" in said


def test_the_cost_of_a_run_in_progress_has_no_price_of_another_device(machine, tmp_path):
    rates = make_rates(settings(on_demand=LISTED), tmp_path)
    figures = make_figures(work_of(1), machine_record(machine), rates)
    assert figures.usd["on_demand"] is None
    assert figures.device_hours.value == 2.0


def test_one_price_for_each_kind_of_device_is_no_note(enter, enter_h100, workspace):
    for usd, each in ((0.01, enter), (2.5, enter_h100)):
        spot = {"usd_per_device_hour": usd, "date": "2026-01-31", "source": "s"}
        book_rates(settings(spot=spot), enter.book)
        each.run("training", 1, key=str(usd))
    bill = make_bill(workspace, NOTHING, book_only=True)
    assert bill.total.usd["spot"].value == pytest.approx(2 * 0.01 + 2 * 2.5)
    assert not [note for note in bill.notes if "several kinds of device" in note]


def test_a_mended_price_makes_the_bill_whole_again(enter, workspace):
    book_rates(settings(on_demand=LISTED), enter.book)
    enter.run("training", 1)
    typed = settings(on_demand={"usd_per_device_hour": 3, "date": "2026-01-31", "source": "s"})
    # What the book holds is never replaced in silence.
    assert make_bill(workspace, typed).total.usd["on_demand"] is None
    record_rates(typed, enter.book)
    bill = make_bill(workspace, typed)
    assert bill.total.usd["on_demand"].value == pytest.approx(6.0)
    assert not _of_prices(bill.unknown)


def test_an_older_list_and_a_term_can_be_named():
    older = {**LISTED, "snapshot": "2025-03-17-epoch"}
    usd = prices_of(settings(on_demand=older))["on_demand"]
    row = _row("2025-03-17-epoch", **LISTED, tier="on_demand")
    assert usd.value == float(row["usd_per_instance_hour"]) / float(row["devices"])
    three = {**LISTED, "tier": "reserved_3y"}
    usd = prices_of(settings(reserved=three))["reserved"]
    row = _row("2026-08-20-gcp", **three)
    assert usd.value == float(row["usd_per_instance_hour"]) / float(row["devices"])


def test_a_name_as_a_driver_or_a_person_writes_it_means_the_same_device():
    wanted = [{**LISTED, "device": name} for name in ("H100 SXM", "NVIDIA H100 80GB HBM3")]
    prices = [prices_of(settings(on_demand=one)) for one in wanted]
    assert prices[0] == prices[1] == prices_of(settings(on_demand=LISTED))


@pytest.mark.usefixtures("own_list")
def test_a_list_of_the_workspace_counts_and_its_latest_day_holds(enter, workspace):
    wanted = settings(on_demand={"provider": "cellar", "device": "cpu-thread"})
    book_rates(wanted, enter.book)
    enter.run("training", 1)
    # 1.28 / 64 = 0.02 for two devices; the row of 2025 is over.
    assert make_bill(workspace, wanted).total.usd["on_demand"].value == pytest.approx(0.04)
    with pytest.raises(UnknownHardwareError, match="no price of cpu-thread cellar"):
        prices_of(wanted)


@pytest.mark.usefixtures("own_list")
def test_several_prices_are_an_error_that_shows_them(workspace):
    spot = {"provider": "cellar", "device": "cpu-thread"}
    with pytest.raises(ConfigError, match=r"several prices.*south 0\.005, north 0\.01") as caught:
        prices_of(settings(spot=spot), workspace.root)
    assert "`region`" in caught.value.remedy
    usd = prices_of(settings(spot={**spot, "region": "north"}), workspace.root)
    assert usd["spot"].value == 0.01
    threads = {"provider": "gcp", "device": "cpu-thread", "region": "us-central1"}
    with pytest.raises(ConfigError, match="several prices") as caught:
        prices_of(settings(reserved={**threads, "tier": "reserved_3y"}))
    assert "`instance`" in caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"provider": "gcq"}, "the nearest are gcp us-central1 on_demand"),
        ({"region": "us-centrall"}, "the nearest are gcp us-central1 on_demand"),
        ({"device": "h100-smx"}, "the devices with a price are h100-sxm"),
        ({"device": "H100"}, "does not say which variant"),
        ({"snapshot": "2026"}, "no price list '2026'"),
    ],
)
def test_what_no_list_has_is_an_error_with_the_nearest_and_how_to_add_it(changes, words):
    with pytest.raises(UnknownHardwareError) as caught:
        prices_of(settings(on_demand={**LISTED, **changes}))
    assert words in caught.value.what
    assert caught.value.remedy
    if "price of" in caught.value.what:
        assert "farthing hardware update prices" in caught.value.remedy

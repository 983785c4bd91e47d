"""Price tables into snapshots: a provider's table, a user's own, and what is wrong in them."""

from __future__ import annotations

import csv
import datetime

import pytest

from farthing.errors import ArtifactError, ConfigError, UnknownHardwareError
from farthing.hardware.catalogue import read_catalogue, reference_prices, shipped
from farthing.hardware.datafile import DATA
from farthing.hardware.prices.own_file import read_own
from farthing.hardware.prices.skypilot import read_skypilot
from farthing.hardware.prices.snapshot import find_price, load_snapshot, save_snapshot

HEAD = (
    "InstanceType,UpstreamCloudId,vCPUs,MemoryGiB,AcceleratorName,AcceleratorCount,GpuInfo,Region,"
    "Price,SpotPrice\n"
)
TABLE = HEAD + (
    '4B300.120V,x,120.0,1100.0,B300,4.0,"{""Count"": 4, ""Name"": ""B300""}",FIN-03,28.0,9.8\n'
    '2B200.60V,x,60.0,368.0,B200,2.0,"{}",FIN-03,,3.5\n'
    '1H100.32V,x,32.0,185.0,H100,1.0,"{}",FIN-02,2.29,\n'
    "CPU.4V.16G,x,4.0,16.0,,,,FIN-01,0.028,\n"
)
OWN = (
    "provider,tier,device,devices,usd_per_instance_hour,date,source\n"
    "my-cloud,on_demand,h100-sxm,8,20.0,2026-01-31,offer no. 17\n"
    "my-cloud,spot,h100-sxm,8,8.0,2026-02-01,offer no. 17\n"
)


def _sky(tmp_path, text=TABLE):
    path = tmp_path / "vms.csv"
    path.write_text(text)
    return read_skypilot(
        path,
        provider="verda",
        date=datetime.date(2026, 3, 1),
        source="at 000c1d0",
        licence="none",
        device_of=shipped().device_of,
        thread="cpu-thread",
    )


def _own(tmp_path, text=OWN, name="own.csv"):
    path = tmp_path / name
    path.write_text(text)
    return read_own(path)


def test_a_price_is_per_instance_and_divides_by_its_devices(tmp_path):
    rows = {(row.device, row.tier): row for row in _sky(tmp_path).rows}
    assert rows["b300", "on_demand"].usd_per_device_hour == 7.0
    assert rows["b300", "spot"].usd_per_device_hour == 2.45
    assert rows["cpu-thread", "on_demand"].usd_per_device_hour == 0.007
    assert rows["b300", "spot"].region == "FIN-03"
    assert {str(row.date) for row in rows.values()} == {"2026-03-01"}


def test_a_blank_price_is_a_tier_that_is_not_to_be_had(tmp_path):
    tiers = [(row.device, row.tier) for row in _sky(tmp_path).rows]
    assert [tier for device, tier in tiers if device == "b200"] == ["spot"]
    assert [tier for device, tier in tiers if device == "H100"] == ["on_demand"]


def test_a_name_that_leaves_the_variant_open_stays_as_it_is(tmp_path):
    snapshot = _sky(tmp_path)
    assert find_price([snapshot], "H100").usd_per_device_hour == 2.29
    with pytest.raises(UnknownHardwareError, match="the devices with a price are H100"):
        find_price([snapshot], "h100-sxm")


def test_the_order_of_the_columns_does_not_matter(tmp_path):
    rows = list(csv.DictReader(TABLE.splitlines()))
    turned = tmp_path / "turned"
    turned.mkdir()
    names = list(reversed(HEAD.strip().split(",")))
    with (turned / "again.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    assert _sky(tmp_path, (turned / "again.csv").read_text()).rows == _sky(tmp_path).rows


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("28.0,9.8", "-28.0,9.8", "line 2, Price: usd_per_instance_hour = -28.0"),
        ("28.0,9.8", "28.0,-9.8", "line 2, SpotPrice"),
        (",,3.5", ",,", "line 3: neither Price nor SpotPrice"),
        ("2.29,", "cheap,", "line 4, Price: usd_per_instance_hour = 'cheap'"),
        ("B200,2.0", "B200,0", "line 3, SpotPrice: devices = 0"),
        ("B200,2.0", "B200,", "devices"),
        (",0.028,", ",0.028", "line 5: 10 columns"),
        (",0.028,", ",0.028,,", "line 5: 10 columns"),
        ("Price,SpotPrice", "Cost,SpotPrice", "no column 'Price'"),
        ("28.0,9.8", "nan,9.8", "line 2, Price"),
    ],
)
def test_a_wrong_row_is_named_by_line_and_field(tmp_path, old, new, what):
    assert old in TABLE
    with pytest.raises(ConfigError) as caught:
        _sky(tmp_path, TABLE.replace(old, new, 1))
    assert what in str(caught.value)


def test_a_table_of_ones_own_dates_each_row(tmp_path):
    snapshot = _own(tmp_path)
    assert (snapshot.name, str(snapshot.date)) == ("2026-02-01-own", "2026-02-01")
    assert [str(row.date) for row in snapshot.rows] == ["2026-01-31", "2026-02-01"]
    yaml = (
        "prices:\n"
        "  - {provider: my-cloud, tier: on_demand, device: h100-sxm, devices: 8,\n"
        "     usd_per_instance_hour: 20.0, date: 2026-01-31, source: offer no. 17}\n"
    )
    assert _own(tmp_path, yaml, "own.yaml").rows == snapshot.rows[:1]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("2026-01-31", "", "'date' is missing"),
        ("2026-01-31", "last week", "date = 'last week'"),
        ("2026-01-31", "2999-01-01", "line 2: date: 2999-01-01 is in the future"),
        ("20.0", "-20.0", "greater than or equal to 0"),
        ("1,offer no. 17\nmy-cloud,spot", "1,\nmy-cloud,spot", "'source' is missing"),
        ("on_demand", "ondemand", "tier = 'ondemand'"),
        (",date,", ",day,", "no column 'date'"),
    ],
)
def test_a_price_without_a_date_or_below_zero_is_refused(tmp_path, old, new, what):
    assert old in OWN
    with pytest.raises(ConfigError) as caught:
        _own(tmp_path, OWN.replace(old, new, 1))
    assert what in str(caught.value)


def test_an_empty_table_and_a_missing_one_are_errors(tmp_path):
    with pytest.raises(ConfigError, match="no price in it"):
        _own(tmp_path, OWN.splitlines()[0])
    with pytest.raises(ConfigError, match="cannot be read"):
        read_own(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match="one key `prices`"):
        _own(tmp_path, "price: []", "own.yaml")


def test_a_snapshot_comes_back_as_it_was_and_never_changes(tmp_path):
    snapshot = _sky(tmp_path)
    table = save_snapshot(snapshot, tmp_path / "prices")
    again = load_snapshot(table)
    assert (again.rows, again.digest) == (snapshot.rows, snapshot.digest)
    assert save_snapshot(snapshot, tmp_path / "prices") == table
    dearer = _sky(tmp_path, TABLE.replace("28.0", "29.0"))
    assert dearer.digest != snapshot.digest
    with pytest.raises(ConfigError, match="stays as it is"):
        save_snapshot(dearer, tmp_path / "prices")


def test_a_changed_price_shows(tmp_path):
    table = save_snapshot(_sky(tmp_path), tmp_path / "prices")
    table.write_text(table.read_text().replace("28.0", "20.0"))
    with pytest.raises(ArtifactError, match="was changed"):
        load_snapshot(table)


def test_the_cheapest_fitting_row_is_found_and_the_users_snapshot_goes_first(tmp_path):
    prices = shipped().price
    assert prices("h100-sxm", provider="gcp").usd_per_device_hour == pytest.approx(88.49 / 8)
    assert prices("h100-sxm", provider="gcp", region="us-east4").instance == "a3-highgpu-8g"
    assert prices("tpu-v5e", tier="reserved_3y").usd_per_device_hour == 0.54
    save_snapshot(_own(tmp_path), tmp_path / "hardware" / "prices")
    mine = read_catalogue(tmp_path).price("h100-sxm")
    assert (mine.provider, mine.usd_per_device_hour) == ("my-cloud", 2.5)


def test_a_price_that_is_not_there_says_which_come_near():
    with pytest.raises(UnknownHardwareError, match="gcp us-central1 on_demand") as caught:
        shipped().price("h100-sxm", provider="gcp", region="mars-1")
    assert "farthing hardware update prices" in caught.value.remedy


def test_shipped_prices_are_those_of_their_sources():
    by_hand = {
        ("gcp", "us-central1", "a2-highgpu-1g", "spot"): 2.12081,
        ("gcp", "europe-west4", "a3-megagpu-8g", "on_demand"): 118.236831,
        ("gcp", "us-central1", "c2-standard-16", "reserved_1y"): 384.0968 / 730,
        ("aws", "us-east-1", None, "on_demand"): 12.29,
    }
    rows = [row for snapshot in shipped().snapshots for row in snapshot.rows]
    for (provider, region, instance, tier), usd in by_hand.items():
        found = [
            row.usd_per_instance_hour
            for row in rows
            if (row.provider, row.region, row.instance, row.tier)
            == (provider, region, instance, tier)
            and (instance or row.device == "h100-sxm")
        ]
        assert found == [pytest.approx(usd, abs=1e-6)]
    known = {entry.id for entry in shipped().accelerators} | {"cpu-thread"}
    assert {row.device for row in rows} <= known
    assert all(len(one.digest) == 64 for one in shipped().snapshots)
    assert len(list((DATA / "prices").glob("*.csv"))) == len(shipped().snapshots)


def test_the_reference_prices_are_dated_and_of_processors():
    assert [row.tier for row in reference_prices()] == ["on_demand", "spot"]
    for row in reference_prices():
        assert row.device == "cpu-thread"
        assert row.usd_per_device_hour == row.usd_per_instance_hour / row.vcpus
        assert str(row.date) in row.describe()

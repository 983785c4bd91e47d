"""A price by name where several lists have one: the user's, then the latest, and none is picked."""

from __future__ import annotations

import pytest

from farthing.artifacts.prices import ListedPrice
from farthing.errors import ConfigError, UnknownHardwareError
from farthing.hardware.catalogue import read_catalogue
from farthing.hardware.prices.own_file import read_own
from farthing.hardware.prices.snapshot import save_snapshot

HEAD = "provider,region,tier,device,devices,usd_per_instance_hour,date,source\n"


@pytest.fixture
def listed(tmp_path):
    """What a name means after lists were imported: name -> rows of `region price day`."""

    def ask(lists, **more):
        for name, rows in lists.items():
            path = tmp_path / f"{name}.csv"
            lines = [
                f"gcp,{region},on_demand,cpu-thread,1,{usd},{day},offer\n"
                for region, usd, day in map(str.split, rows)
            ]
            path.write_text(HEAD + "".join(lines))
            save_snapshot(read_own(path), tmp_path / "hardware" / "prices")
        wanted = ListedPrice(provider="gcp", device="cpu-thread", **more)
        found = read_catalogue(tmp_path).listed_price(wanted, "on_demand")
        return found.row.usd_per_device_hour, found.snapshot.name

    return ask


TWO = {"april": ["r1 1.05 2026-01-31"], "may": ["r1 2.10 2026-01-31"]}


def test_two_lists_of_a_day_that_disagree_are_an_error_that_names_both(listed):
    with pytest.raises(ConfigError) as caught:
        listed(TWO)
    said = str(caught.value)
    assert "1.05 (2026-01-31-april)" in said
    assert "2.1 (2026-01-31-may)" in said
    assert "`snapshot: 2026-01-31-april`" in caught.value.remedy
    assert listed(TWO, snapshot="2026-01-31-april") == (1.05, "2026-01-31-april")


def test_a_list_that_holds_later_prices_of_other_things_does_not_hide_the_other(listed):
    further = {**TWO, "may": [*TWO["may"], "r2 2.10 2026-02-01"]}
    with pytest.raises(ConfigError, match="several prices"):
        listed(further, region="r1")


def test_two_lists_of_a_day_that_agree_are_one_price(listed):
    assert listed({"april": TWO["april"], "may": TWO["april"]})[0] == 1.05


def test_the_later_of_two_lists_holds(listed):
    assert listed({**TWO, "may": ["r1 2.10 2026-02-01"]}) == (2.1, "2026-02-01-may")


def test_a_list_of_ones_own_goes_before_a_shipped_one_of_any_day(listed):
    same_day = ["us-central1 9.5 2026-08-20"]
    assert listed({"mine": same_day}, region="us-central1") == (9.5, "2026-08-20-mine")
    with pytest.raises(UnknownHardwareError, match="there is no price list 'mine'"):
        listed({}, snapshot="mine")

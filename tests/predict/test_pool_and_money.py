"""Devices by name and price, and what an hour of them costs, against figures reckoned by hand."""

import pytest

from farthing.errors import PlanError, UnknownHardwareError
from farthing.hardware.catalogue import shipped
from farthing.predict.cluster import cluster_of
from farthing.predict.money import kwh_per_device_hour, ownership_of, pool_prices, usual_pue
from farthing.predict.pool import device_count, find_device, pool_words, read_pool
from farthing.quantity import estimated


def test_kinds_counts_and_prices_are_read():
    pool = read_pool("h100-sxm:32@1.25 + h100-sxm:32@1.60+a100-sxm-80gb", shipped())
    assert [(one.device.id, one.count, one.usd_per_device_hour) for one in pool] == [
        ("h100-sxm", 32, 1.25),
        ("h100-sxm", 32, 1.6),
        ("a100-sxm-80gb", 1, None),
    ]
    assert device_count(pool) == 65
    assert pool_words(pool).startswith("32 x h100-sxm at $1.25/h + ")


def test_equal_devices_at_one_price_are_put_together():
    (pool,) = read_pool("h100-sxm:3+h100-sxm:5", shipped())
    assert pool.count == 8


def test_a_plain_name_is_read_as_what_it_usually_means_and_that_is_said():
    device, read_as = find_device("H100", shipped())
    assert device.id == "h100-sxm"
    assert "h100-sxm" in read_as
    assert find_device("h100-pcie", shipped()) == (shipped().accelerator("h100-pcie"), None)


def test_the_catalogue_itself_takes_no_plain_name():
    with pytest.raises(UnknownHardwareError, match="variant"):
        shipped().accelerator("h100")


@pytest.mark.parametrize(
    "text", ["h100:0", "h100:x", "h100:", ":8", "h100@", "h100@-1", "h100@nan", "", "h100:99999999"]
)
def test_what_cannot_be_read_is_refused_with_the_form(text):
    with pytest.raises(PlanError) as caught:
        read_pool(text, shipped())
    assert "NAME:COUNT" in caught.value.remedy


def test_an_unknown_device_is_no_guess():
    with pytest.raises(UnknownHardwareError):
        read_pool("warp-drive:8", shipped())


def test_a_name_of_several_variants_without_a_usual_one_says_which():
    with pytest.raises(UnknownHardwareError) as caught:
        read_pool("v100:8", shipped())
    assert "v100-sxm2-32gb" in caught.value.remedy


def test_prices_are_those_of_the_latest_list_for_all_devices_together():
    found, missing = pool_prices(read_pool("h100:8", shipped()), shipped(), asked="on_demand")
    # 2026-08-20-gcp.csv: eight devices an instance, the cheapest region of each tier.
    assert found["on_demand"].value == pytest.approx(88.49)
    assert found["spot"].value == pytest.approx(9.02557)
    assert found["reserved"].value == pytest.approx(61.383672)
    assert missing == {}


def test_an_owned_hour_is_capital_network_and_energy_over_the_time_used():
    found, _ = pool_prices(read_pool("h100", shipped()), shipped(), asked="owned")
    devices = 31904.63 * 0.322 / 8766
    energy = 0.7 * 1.8214 * 0.75 * 1.42 * 0.0826
    by_hand = (devices + devices * 0.19 / 0.81 + energy) / 0.8
    assert found["owned"].value == pytest.approx(by_hand, rel=1e-9)
    assert found["owned"].low < by_hand < found["owned"].high


def test_a_price_of_the_users_own_holds_on_the_basis_that_is_asked_for():
    pool = read_pool("h100-sxm:2@1.25+h100-sxm:2@1.60", shipped())
    found, _ = pool_prices(pool, shipped(), asked="spot")
    assert found["spot"].value == pytest.approx(2 * 1.25 + 2 * 1.6)
    assert found["on_demand"].value == pytest.approx(4 * 88.49 / 8)


def test_a_basis_without_a_price_is_an_error_that_says_how_to_give_one():
    pool = read_pool("kunlun-r200:4", shipped())
    with pytest.raises(UnknownHardwareError) as caught:
        pool_prices(pool, shipped(), asked="on_demand")
    assert "@" in caught.value.remedy
    assert "hardware update prices" in caught.value.remedy
    found, missing = pool_prices(pool, shipped(), asked="on_demand", needed=False)
    assert found == {}
    assert "kunlun-r200" in missing["on_demand"]


def test_energy_is_design_power_with_the_server_at_the_mean_draw_at_the_sites_meter():
    device = shipped().accelerator("h100-sxm")
    found = kwh_per_device_hour(device, usual_pue(shipped()))
    assert found.value == pytest.approx(0.7 * 1.8214 * 0.75 * 1.42, rel=1e-4)
    assert found.low < found.value < found.high


def test_a_cluster_is_what_the_capital_buys_and_the_power_feeds():
    device = shipped().accelerator("h100-sxm")
    mfu = estimated(0.4, "1", "somebody", low=0.3, high=0.5)
    of_money = cluster_of(device, shipped(), usd=1e9, mfu=mfu)
    each = 31904.63 / 0.81
    assert of_money.devices == int(1e9 / each)
    assert of_money.megawatts == pytest.approx(of_money.devices * 700 * 1.8214 * 1.42 / 1e6)
    seconds = 8766 * 3600 * 0.8 * of_money.devices
    assert of_money.flops_per_year.value == pytest.approx(seconds * 989.4e12 * 0.4, rel=1e-3)
    of_power = cluster_of(device, shipped(), megawatts=of_money.megawatts * 1.000001, mfu=mfu)
    assert of_power.devices == of_money.devices
    rented = of_money.rented_usd_per_year["spot"].value
    assert rented == pytest.approx(9.02557 / 8 * of_money.device_hours_per_year)


def test_a_year_of_owning_costs_what_the_used_hours_come_to():
    device = shipped().accelerator("h100-sxm")
    mfu = estimated(0.4, "1", "somebody", low=0.3, high=0.5)
    made = cluster_of(device, shipped(), usd=1e8, mfu=mfu)
    hour = pool_prices(read_pool("h100", shipped()), shipped(), asked="owned")[0]["owned"].value
    assert made.usd_per_year.value == pytest.approx(hour * made.device_hours_per_year, rel=1e-9)


def test_a_cluster_of_too_little_or_of_two_questions_is_refused():
    device = shipped().accelerator("h100-sxm")
    mfu = estimated(0.4, "1", "somebody", low=0.3, high=0.5)
    for wrong in ({"usd": 100.0}, {}, {"usd": 1e9, "megawatts": 1.0}):
        with pytest.raises(PlanError):
            cluster_of(device, shipped(), mfu=mfu, **wrong)


def test_a_device_without_a_purchase_price_takes_the_users():
    device = shipped().accelerator("l40s")
    with pytest.raises(UnknownHardwareError, match="purchase price"):
        ownership_of(device, shipped())
    assert ownership_of(device, shipped(), 9000).usd_per_device.value == 9000

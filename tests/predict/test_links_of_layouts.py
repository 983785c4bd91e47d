"""Bandwidths between ranks, by hand."""

import pytest

from farthing.errors import PlanError, UnknownHardwareError
from farthing.hardware.catalogue import read_catalogue
from farthing.predict.links import LINK_SHARE, links_of
from farthing.quantity import Provenance


@pytest.fixture(scope="module")
def catalogue():
    return read_catalogue()


@pytest.fixture(scope="module")
def links(catalogue):
    return links_of(catalogue.accelerator("h100-sxm"), devices=64)


def test_one_direction_has_half_of_the_link_inside(links):
    assert links.inside.value == 450e9


def test_a_ring_inside_a_machine_runs_at_its_link(links):
    assert links.ring(8, 1) == LINK_SHARE * 450e9
    assert links.ring(2, 4) == LINK_SHARE * 450e9


def test_a_ring_between_machines_uses_a_card_for_each_of_its_ranks(links):
    assert links.ring(64, 1) == pytest.approx(LINK_SHARE * 8 * 50e9)
    assert links.ring(16, 4) == pytest.approx(LINK_SHARE * 2 * 50e9)
    assert links.ring(8, 8) == pytest.approx(LINK_SHARE * 50e9)


def test_a_ring_is_never_faster_than_the_link_inside(catalogue):
    device = catalogue.accelerator("h100-sxm")
    fast = links_of(device, devices=64, inter_node_bits_per_second=1600e9)
    assert fast.ring(64, 1) == LINK_SHARE * 450e9


def test_a_stage_is_a_hop_away(links):
    assert links.hop(4) == LINK_SHARE * 450e9
    assert links.hop(8) == pytest.approx(LINK_SHARE * 50e9)


def test_rows_to_both_sides_go_at_the_same_time(links):
    inside, between = 450e9 * LINK_SHARE, 50e9 * LINK_SHARE
    assert links.exchange_seconds(inside, 0) == 1
    assert links.exchange_seconds(inside, 2 * between) == 2


def test_the_network_is_assumed_and_said_to_be(links):
    assert links.between.provenance is Provenance.ASSUMED
    (words,) = links.assumptions
    assert words.startswith("one 400 Gbit/s card")
    assert "inter_node_bits_per_second" in words


def test_one_machine_needs_no_network_and_one_device_no_link(catalogue):
    eight = links_of(catalogue.accelerator("h100-sxm"), devices=8)
    assert eight.between is None
    assert eight.assumptions == ()
    # The catalogue has no link of this one, and nothing asks for it.
    assert links_of(catalogue.accelerator("h800-sxm"), devices=1).inside is None


def test_a_link_that_nobody_has_given_is_an_error_with_the_way_to_give_it(catalogue):
    with pytest.raises(UnknownHardwareError, match="intra_node_bytes_per_second") as error:
        links_of(catalogue.accelerator("h800-sxm"), devices=8)
    assert "farthing hardware add" in error.value.remedy


def test_the_users_figures_take_the_place_of_both(catalogue):
    links = links_of(
        catalogue.accelerator("h800-sxm"),
        devices=16,
        intra_node_bytes_per_second=400e9,
        inter_node_bits_per_second=200e9,
    )
    assert (links.inside.value, links.between.value) == (200e9, 25e9)
    assert len(links.assumptions) == 2


def test_machines_of_one_device_need_only_the_network(catalogue):
    links = links_of(catalogue.accelerator("h800-sxm"), devices=4, devices_per_node=1)
    assert links.inside is None
    assert links.ring(4, 1) == LINK_SHARE * 50e9


@pytest.mark.parametrize(
    "wrong",
    [
        {"devices": 0},
        {"devices": 8, "devices_per_node": 0},
        {"devices": 8, "intra_node_bytes_per_second": 0.0},
        {"devices": 16, "inter_node_bits_per_second": float("nan")},
    ],
)
def test_figures_that_no_link_has_are_refused(catalogue, wrong):
    with pytest.raises(PlanError):
        links_of(catalogue.accelerator("h100-sxm"), **wrong)

"""Finding things by the names that drivers, price lists and people use; and what is not there."""

from __future__ import annotations

import pytest

from farthing.errors import UnknownHardwareError
from farthing.hardware.catalogue import find_accelerator, grid, grid_range, shipped


@pytest.mark.parametrize(
    ("name", "id"),
    [
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("nvidia  h100 pcie", "h100-pcie"),
        ("Tesla V100-SXM2-32GB", "v100-sxm2-32gb"),
        ("AMD Instinct MI300X", "mi300x"),
        ("Ascend910B2", "ascend-910b2"),
        ("H200", "h200-sxm"),
        ("RTX4090", "rtx-4090"),
    ],
)
def test_a_device_is_found_by_its_drivers_whole_name_or_a_price_lists(name, id):
    assert find_accelerator(name).id == id


def test_a_slice_of_a_device_is_not_the_device():
    with pytest.raises(UnknownHardwareError):
        find_accelerator("NVIDIA H100 80GB HBM3 MIG 1g.10gb")


def test_a_name_without_its_variant_is_asked_back():
    with pytest.raises(UnknownHardwareError, match="which variant") as caught:
        find_accelerator("H100")
    assert all(id in caught.value.remedy for id in ("h100-sxm", "h100-pcie", "h100-nvl"))


def test_an_unknown_device_gets_the_nearest_and_a_block_to_add():
    with pytest.raises(UnknownHardwareError, match="'MI301X'") as caught:
        find_accelerator("MI301X")
    assert "mi300x" in caught.value.remedy
    assert "farthing hardware add" in caught.value.remedy


@pytest.mark.parametrize(
    ("id", "dtype", "reason"),
    [
        ("kunlun-p800", "bf16", "discloses none"),
        ("v100-sxm2-16gb", "bf16", "no bfloat16 units"),
        ("h20", "fp8", "only recalled"),
        ("mi300x", "bf17", "known are"),
    ],
)
def test_a_blank_peak_is_an_error_with_its_reason(id, dtype, reason):
    with pytest.raises(UnknownHardwareError, match=reason) as caught:
        find_accelerator(id).peak(dtype)
    assert f"replaces: {id}" in caught.value.remedy


def test_a_blank_figure_is_an_error_with_its_reason():
    with pytest.raises(UnknownHardwareError, match="estimates disagree"):
        find_accelerator("tpu-v5e").figure("tdp_watts")


def test_a_region_without_a_figure_draws_from_where_it_stands():
    oregon = shipped().region_grid("aws", "us-west-2")
    assert oregon.value == grid("US-OR").value
    assert oregon.source.startswith("aws:us-west-2: Oregon 2023: EPA")
    own = shipped().region_grid("gcp", "us-west1")
    assert own.value == 94.0


def test_a_region_without_a_grid_is_an_error_that_says_what_could_be_meant():
    with pytest.raises(UnknownHardwareError, match="region 'aws:eu-south-9'") as caught:
        shipped().region_grid("aws", "eu-south-9")
    for said in ("aws:eu-north-1", "a country (FRA)", "farthing.yaml", 'id: "aws:eu-south-9"'):
        assert said in caught.value.remedy


def test_the_range_is_over_countries_only():
    low, high = grid_range()
    assert low.value < 28
    assert high.value > 1000
    cloud = shipped().region_grid("gcp", "northamerica-northeast1")
    assert cloud.value < low.value


def test_an_unknown_site_names_those_there_are():
    with pytest.raises(UnknownHardwareError, match="'basement'") as caught:
        shipped().site("basement")
    assert "on-premises" in caught.value.remedy
    assert "pue:" in caught.value.remedy
    assert shipped().site("aws").pue.value == 1.15


def test_embodied_carbon_is_found_by_device_or_is_an_error():
    assert shipped().embodied_of("a100-sxm-80gb").kg_co2e.value == 318
    assert shipped().embodied_of("h100-sxm").kg_co2e is None
    with pytest.raises(UnknownHardwareError, match="'l4'"):
        shipped().embodied_of("l4")

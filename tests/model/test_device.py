"""Devices and precisions: found through torch, never guessed."""

import pytest
import torch

from farthing.errors import ConfigError
from farthing.model.device import choose_device, choose_precision


@pytest.fixture
def accelerator(monkeypatch):
    """Pretend that torch finds this accelerator, or None."""

    def pretend(name):
        found = torch.device(name) if name else None
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: found is not None)
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: found)

    return pretend


@pytest.mark.parametrize(("found", "chosen"), [(None, "cpu"), ("xpu", "xpu"), ("mps", "mps")])
def test_auto_takes_what_torch_finds_else_the_cpu(accelerator, found, chosen):
    accelerator(found)
    assert choose_device("auto").type == chosen


def test_a_device_by_name_is_taken_where_it_exists(accelerator):
    accelerator("xpu")
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("xpu:0") == torch.device("xpu:0")


@pytest.mark.parametrize("wanted", ["mps", "nonsense", "", "meta"])
def test_a_device_that_is_not_here_is_refused_with_those_that_are(accelerator, wanted):
    accelerator("xpu")
    with pytest.raises(ConfigError) as caught:
        choose_device(wanted)
    assert repr(wanted) in caught.value.what
    assert "auto, cpu, xpu" in caught.value.remedy


@pytest.mark.parametrize(
    ("wanted", "device", "dtype"),
    [
        ("auto", "xpu", torch.bfloat16),
        ("bf16", "cpu", torch.bfloat16),
        ("fp8", "cpu", torch.bfloat16),
        ("fp8", "xpu", torch.bfloat16),
        ("fp32", "xpu", None),
    ],
)
def test_precision_is_what_was_asked_for_and_bf16_around_fp8(wanted, device, dtype):
    assert choose_precision(wanted, torch.device(device)) == dtype


@pytest.mark.parametrize(("tile_unit", "dtype"), [(True, torch.bfloat16), (False, None)])
def test_auto_precision_on_a_processor_is_bf16_only_with_a_unit_for_it(
    monkeypatch, tile_unit, dtype
):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tile_unit)
    assert choose_precision("auto", torch.device("cpu")) == dtype

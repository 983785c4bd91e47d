"""The probe of a machine: plausible figures, each dtype measured or refused with a reason."""

import pytest
import torch

from farthing.hardware import measure
from farthing.hardware.measure import DTYPES, MachineProbe, device_name

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Small and short: what is tested is the bookkeeping."""
    monkeypatch.setattr(measure, "_COPY_BYTES", (1 << 12, 1 << 16))
    monkeypatch.setattr(measure, "_LONGEST_SECONDS", 0.002)


def test_every_sample_adds_one_figure_to_each():
    probe = MachineProbe(CPU)
    for _ in range(2):
        probe.sample()
    assert probe.products.keys() | probe.refused.keys() == DTYPES.keys()
    assert "fp32" in probe.products
    rates = [*probe.products.values(), *probe.copies.values()]
    assert all(len(several) == 2 and min(several) > 0 for several in rates)
    assert all(size >= 256 for size in probe.sizes.values())


def test_a_dtype_that_the_device_takes_no_product_of_is_named_with_the_reason(monkeypatch):
    monkeypatch.setitem(measure.DTYPES, "bits", torch.bits8)
    probe = MachineProbe(CPU)
    assert probe.refused["bits"]
    assert "bits" not in probe.products


def test_rates_follow_the_clock_that_is_given():
    ticks = iter(range(10**9))
    probe = MachineProbe(CPU, clock=lambda: float(next(ticks)))
    probe.sample()
    # Two looks at this clock are one second apart, whatever happens between them.
    assert probe.products["fp32"] == [2 * probe.sizes["fp32"] ** 3]
    assert probe.copies == {1 << 12: [1 << 12], 1 << 16: [1 << 16]}


def test_a_cpu_is_called_by_its_processors_name():
    assert device_name(CPU, "a processor") == "a processor"

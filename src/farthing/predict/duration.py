"""How long a training holds its devices: from FLOPs and a share of the peak, or from a speed."""

from __future__ import annotations

import math
from functools import cache

from farthing.hardware.accelerators import Accelerator
from farthing.predict.runs import SECONDS_PER_HOUR, goodput, published_runs, training_peak
from farthing.quantity import Provenance, Quantity, assumed, estimated


def device_hours(flops: float, device: Accelerator, mfu: Quantity) -> Quantity:
    """Hours of all devices together: model FLOPs over the share of the peak.

    Where the catalogue gives the peak a range, it widens that of the share; the two are taken to be
    independent.

    Args:
        flops: model FLOPs of the whole run (`cost.training`).
        device: of the catalogue.
        mfu: share of its dense bf16 (fp16) peak over the hours held (`expected_mfu`), unit "1".

    Raises:
        UnknownHardwareError: the catalogue has no such peak.
        ValueError: a share that is not positive.
    """
    if mfu.low <= 0:
        raise ValueError(f"a share of {mfu.low} of the peak never ends")
    peak = training_peak(device)
    least, most = peak.range()
    hours = flops / (peak.value * mfu.value * SECONDS_PER_HOUR)
    return Quantity(
        value=hours,
        unit="h",
        provenance=mfu.provenance,
        source=f"{mfu.source}; peak of {device.name}",
        low=hours / _together(mfu.high / mfu.value, most / peak.value),
        high=hours * _together(mfu.value / mfu.low, peak.value / least),
    )


def device_hours_at(
    tokens: float, tokens_per_second_per_device: float, goodput: Quantity | None = None
) -> Quantity:
    """Hours of all devices together at a known speed.

    Args:
        tokens: of the whole run.
        tokens_per_second_per_device: while it runs.
        goodput: share of the hours held in which it runs, unit "1"; None: all of them.

    Raises:
        ValueError: a speed or a share that is not positive.
    """
    speed = tokens_per_second_per_device
    if speed <= 0 or (goodput is not None and goodput.low <= 0):
        raise ValueError(f"{speed} tokens/s for a share of the time of {goodput} never end")
    hours = tokens / (speed * SECONDS_PER_HOUR)
    source = f"{speed:g} tokens/s and device"
    if goodput is None:
        return assumed(hours, "h", source)
    return Quantity(
        value=hours / goodput.value,
        unit="h",
        provenance=max(Provenance.ASSUMED, goodput.provenance),
        source=f"{source}; {goodput.source}",
        low=hours / goodput.high,
        high=hours / goodput.low,
    )


@cache
def published_goodput() -> Quantity:
    """Share of the hours held in which tokens came at the published speed, of runs that say both.

    The middle and the outermost of the few that do; unit "1".
    """
    shares = sorted(min(1.0, share) for run in published_runs() if (share := goodput(run)))
    return estimated(
        shares[len(shares) // 2],
        "1",
        f"{len(shares)} published trainings that give both a speed and their hours",
        low=shares[0],
        high=shares[-1],
    )


def _together(*factors: float) -> float:
    """Independent factors of at least 1, multiplied as deviations are: by their squared logs."""
    return math.exp(math.sqrt(math.fsum(math.log(factor) ** 2 for factor in factors)))

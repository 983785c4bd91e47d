"""Peaks that `farthing bench` measured, for processors and devices that no data sheet speaks of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from farthing.artifacts.measurement import Measurement, load_measurement
from farthing.errors import UnknownHardwareError
from farthing.hardware.figure import Figure


def peak_of(measurement: Measurement, dtype: str) -> Figure:
    """The measured FLOP/s of matrix products of `dtype`, on the threads that were fastest.

    Raises:
        UnknownHardwareError: it was not measured there, with the reason.
    """
    try:
        product = measurement.peak(dtype)
    except KeyError as error:
        known = ", ".join(product.dtype for product in measurement.products)
        reason = measurement.not_measured.get(dtype, f"known are {known}")
        raise UnknownHardwareError(
            f"{dtype} was not measured on {measurement.machine.device_name}: {reason}",
            remedy="measure on the machine itself: `farthing bench --out FILE`",
        ) from error
    return Figure(
        value=product.rate.value,
        unit="FLOP/s",
        provenance="measured",
        source=f"`{measurement.command}` of {measurement.date}",
        low=product.rate.low,
        high=product.rate.high,
        note=f"{product.size} x {product.size}, {product.threads} threads",
    )


def read_measurements(folder: Path) -> tuple[Measurement, ...]:
    """What lies in a folder as `NAME.json`, the latest first; nothing where there is no folder.

    Raises:
        ArtifactError: one of them is damaged or no measurement.
    """
    found = [load_measurement(path) for path in sorted(folder.glob("*.json"))]
    return tuple(sorted(found, key=lambda one: one.date, reverse=True))


def measured_peak(name: str, dtype: str, measurements: Iterable[Measurement]) -> Figure:
    """The latest measured peak of a processor or device.

    Args:
        name: of the device or the processor, as its driver or the kernel says it.
        dtype: as `farthing bench` writes it: fp32, bf16, ...
        measurements: the latest first.

    Raises:
        UnknownHardwareError: nobody has measured it here; says how to.
    """
    for measurement in measurements:
        if name in (measurement.machine.device_name, measurement.machine.name):
            return peak_of(measurement, dtype)
    raise UnknownHardwareError(
        f"there is no {dtype} peak of {name!r}: no data sheet in the catalogue, and no measurement "
        "in the workspace",
        remedy="measure it on the machine itself: `farthing bench` (it writes measurements/)",
    )

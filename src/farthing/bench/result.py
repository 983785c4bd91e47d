"""From what was observed to the figures that are kept."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.measurement import (
    CopySpeed,
    Figure,
    MachineFacts,
    Measurement,
    PartOfStep,
    ProductPeak,
    StepFacts,
    ThreadCount,
    Unit,
)
from farthing.bench.clock import Lap
from farthing.bench.floor import dtype_of, floor_of
from farthing.bench.observe import Observations
from farthing.bench.parts import TITLES
from farthing.bench.subject import Subject
from farthing.bench.text import DESCRIPTION
from farthing.hardware.machine import detect_machine
from farthing.hardware.measure import device_name

# The processor's clock may see nothing of a short step on an accelerator.
_TICK_SECONDS = 1e-6


class _Maker:
    """Makes figures that all say the same about where they come from."""

    def __init__(self, source: str) -> None:
        self.source = source

    def figure(self, repeats: Sequence[float], unit: Unit) -> Figure:
        return Figure.of(repeats, unit, self.source)

    def wall(self, laps: Sequence[Lap]) -> Figure:
        return self.figure([lap.wall_seconds for lap in laps], "s")

    def cpu(self, laps: Sequence[Lap]) -> Figure:
        return self.figure([lap.cpu_seconds for lap in laps], "s")


def make_measurement(
    subject: Subject,
    seen: Observations,
    *,
    command: str,
    date: str,
    versions: dict[str, str],
    taken_seconds: float,
) -> Measurement:
    """Everything that one command measured, in the form that is kept."""
    software = f"farthing {versions['farthing']}, torch {versions['torch']}"
    make = _Maker(f"{command}; {date}; {software}; {seen.threads} threads")
    machine = detect_machine()
    products = tuple(
        ProductPeak(
            dtype=dtype,
            size=seen.probe.sizes[dtype],
            threads=seen.threads,
            rate=make.figure(rates, "FLOP/s"),
        )
        for dtype, rates in seen.probe.products.items()
    )
    copies = tuple(
        CopySpeed(touched_bytes=size, threads=seen.threads, rate=make.figure(rates, "B/s"))
        for size, rates in seen.probe.copies.items()
    )
    return Measurement(
        command=command,
        date=date,
        versions=versions,
        machine=MachineFacts(
            id=machine.id,
            name=machine.processor.name,
            hardware_threads=machine.processor.threads,
            device=subject.device.type,
            device_name=device_name(subject.device, machine.processor.name),
        ),
        neighbours_threads=seen.neighbours_threads,
        products=products,
        not_measured=seen.probe.refused,
        copies=copies,
        threads=_thread_counts(seen, software, command, date),
        step=_step(subject, seen, make, products, copies),
        taken_seconds=taken_seconds,
    )


def _thread_counts(
    seen: Observations, software: str, command: str, date: str
) -> tuple[ThreadCount, ...]:
    made = []
    for count, laps in seen.thread_laps.items():
        make = _Maker(f"{command}; {date}; {software}; {count} threads")
        made.append(
            ThreadCount(
                threads=count,
                shape=seen.raced_shape,
                wall=make.wall(laps),
                cpu=make.cpu(laps),
            )
        )
    return tuple(made)


def _step(
    subject: Subject,
    seen: Observations,
    make: _Maker,
    products: tuple[ProductPeak, ...],
    copies: tuple[CopySpeed, ...],
) -> StepFacts:
    wall, cpu = make.wall(seen.wholes), make.cpu(seen.wholes)
    peaks = {product.dtype: product for product in products}
    parts = tuple(
        _part(name, subject, seen, make, peaks, copies) for name in TITLES if name in seen.parts
    )
    peak = peaks[subject.precision].rate.value
    taken = statistics.median(whole.seconds(seen.basis) for whole in seen.wholes)
    alone = sum(
        statistics.median(lap.seconds(seen.basis) for lap in seen.parts[part.name])
        for part in parts
    )
    tokens = subject.tokens
    run = subject.run
    return StepFacts(
        recipe=run.name,
        recipe_digest=digest_json(run.model_dump(mode="json")),
        shapes=seen.shapes,
        left_out=subject.left_out,
        text=DESCRIPTION,
        tokens=tokens,
        precision=subject.made.precision,
        kernels=subject.made.kernels,
        compiled=run.train.compile != "off",
        threads=seen.threads,
        basis=seen.basis,
        wall=wall,
        cpu=cpu,
        tokens_per_second=make.figure([tokens / s.wall_seconds for s in seen.wholes], "token/s"),
        tokens_per_cpu_second=make.figure(
            [tokens / max(s.cpu_seconds, _TICK_SECONDS) for s in seen.wholes], "token/s"
        ),
        flops=seen.flops,
        optimizer_flops=seen.optimizer_flops,
        peak_dtype=subject.precision,
        utilisation=seen.flops / taken / peak,
        utilisation_with_optimizer=(seen.flops + seen.optimizer_flops) / taken / peak,
        parts=parts,
        rest_seconds=taken - alone,
        floor_seconds=sum(part.floor_seconds or 0.0 for part in parts),
        elastic_share=next((part.share for part in parts if part.name == "elastic"), 0.0),
    )


def _part(
    name: str,
    subject: Subject,
    seen: Observations,
    make: _Maker,
    peaks: dict[str, ProductPeak],
    copies: tuple[CopySpeed, ...],
) -> PartOfStep:
    laps = seen.parts[name]
    demand = seen.demands.get(name)
    dtype = dtype_of(name, subject)
    floor, limit = floor_of(demand, peaks[dtype], copies) if demand else (None, None)
    # The share of each repeat: both were measured in turns, so drift leaves it alone.
    shares = [
        part.seconds(seen.basis) / whole.seconds(seen.basis)
        for part, whole in zip(laps, seen.wholes, strict=True)
    ]
    return PartOfStep(
        name=name,
        wall=make.wall(laps),
        cpu=make.cpu(laps),
        share=statistics.median(shares),
        flops=demand.flops if demand else 0.0,
        bytes=float(demand.traffic.bytes) if demand else 0.0,
        dtype=dtype,
        floor_seconds=floor,
        limit=limit,
    )

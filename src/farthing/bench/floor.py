"""The least seconds that a part of a step can take on this machine, by its own measured peaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch

from farthing.artifacts.measurement import CopySpeed, Limit, ProductPeak
from farthing.bench.subject import Subject
from farthing.cost.flops import TRAINING_PASSES, forward_flops_by_part
from farthing.cost.traffic import Traffic, optimizer_traffic, training_traffic

# Of a call's traffic, forward and backward, about this part is what it handles at one time.
_HANDLED_AT_ONCE = 3
_ELEMENT_BYTES = {"fp32": 4, "bf16": 2}


@dataclass(frozen=True)
class Demand:
    """What a part asks of the machine in one step."""

    flops: float
    traffic: Traffic


def demands(subject: Subject, step: int, optimizer_flops: int) -> dict[str, Demand]:
    """Counted FLOPs and least traffic of every part of one step, all passes together."""
    sizes, rows = subject.model.config, subject.model.vocab_size
    shapes = subject.shapes(step)
    tokens = subject.micro * sizes.context
    size = _ELEMENT_BYTES[subject.precision]
    flops: Counter[str] = Counter()
    traffic: dict[str, Traffic] = {}
    for first in subject.micro_batch_firsts(step):
        pairs = subject.batches.batch(first, subject.micro).attended_pairs
        for shape in shapes:
            counted = forward_flops_by_part(sizes, rows, shape, tokens=tokens, attended_pairs=pairs)
            flops.update({part: TRAINING_PASSES * count for part, count in counted.items()})
            moved = training_traffic(sizes, rows, shape, tokens=tokens, activation_bytes=size)
            traffic = _added(traffic, moved)
    kind = subject.run.train.optimizer.matrix_optimizer
    # The least: passes train many weights together, all of them where one pass is the whole model.
    traffic["optimizer"] = max(
        (optimizer_traffic(sizes, rows, shape, matrix_optimizer=kind) for shape in shapes),
        key=lambda update: update.bytes,
    )
    flops["optimizer"] = optimizer_flops
    return {part: Demand(float(flops[part]), moved) for part, moved in traffic.items()}


def mean_demands(steps: Iterable[Mapping[str, Demand]]) -> dict[str, Demand]:
    """The mean over some steps."""
    every = list(steps)
    parts = dict.fromkeys(part for step in every for part in step)
    return {
        part: _mean([step[part] for step in every if part in step], len(every)) for part in parts
    }


def dtype_of(part: str, subject: Subject) -> str:
    """What the products of a part are computed in: the name of a measured peak."""
    if part == "router":
        return "fp32"
    if part == "optimizer":
        # Newton-Schulz, which takes bf16 wherever the forward pass does.
        return "bf16" if subject.optimizer.muon.dtype == torch.bfloat16 else "fp32"
    return subject.precision


def floor_of(
    demand: Demand, peak: ProductPeak, copies: tuple[CopySpeed, ...]
) -> tuple[float, Limit]:
    """Seconds, and what they are bound by.

    The bandwidth is that of the largest measured copy which is no larger than what one call
    handles, or of a larger one where that was faster: data that fit a cache are given the cache's
    speed, so that the floor stays a floor.
    """
    of_products = demand.flops / peak.rate.value
    traffic = demand.traffic
    handled = traffic.bytes / max(1, traffic.calls) / _HANDLED_AT_ONCE
    fitting = [copy.touched_bytes for copy in copies if copy.touched_bytes <= handled]
    least = max(fitting, default=0)
    bandwidth = max(copy.rate.value for copy in copies if copy.touched_bytes >= least)
    of_bytes = traffic.bytes / bandwidth
    return (of_products, "FLOPs") if of_products > of_bytes else (of_bytes, "bytes")


def _added(sums: dict[str, Traffic], more: Mapping[str, Traffic]) -> dict[str, Traffic]:
    none = Traffic(0, 0)
    return {
        part: Traffic(
            sums.get(part, none).bytes + moved.bytes, sums.get(part, none).calls + moved.calls
        )
        for part, moved in more.items()
    }


def _mean(every: list[Demand], count: int) -> Demand:
    return Demand(
        flops=sum(one.flops for one in every) / count,
        traffic=Traffic(
            bytes=sum(one.traffic.bytes for one in every) // count,
            calls=sum(one.traffic.calls for one in every) // count,
        ),
    )

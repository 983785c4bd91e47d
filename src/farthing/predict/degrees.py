"""Which layouts a number of devices can have: degrees that divide what they split.

Tensor degrees are powers of two inside a machine that divide query heads and inner widths (key and
value heads are copied where there are fewer). Pipeline stages are divisors of the devices, up to
the layers. Context degrees are powers of two that leave 2,048 positions to a rank. Expert degrees
divide the data degree and the number of experts of every sparse layer. Weights are sharded where
there is one stage, as trainers do.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd
from typing import Literal

from farthing.cost.architecture import Architecture, Sparse
from farthing.cost.communication import Layout

_LEAST_POSITIONS = 2048
_SHARDINGS: tuple[Literal["none", "states", "weights"], ...] = ("none", "states", "weights")


def layouts_of(
    architecture: Architecture, devices: int, *, per_node: int, sequences: int, length: int
) -> Iterator[Layout]:
    """Every layout worth a look; none twice.

    Args:
        architecture: what is trained.
        devices: ranks of the layout, all of them.
        per_node: devices of a machine.
        sequences: of a step; replicas without one are no use.
        length: positions of a sequence.
    """
    depth = architecture.layers + architecture.extra_predictions
    for tensor in _powers(min(per_node, devices)):
        if devices % tensor or per_node % tensor or _columns(architecture) % tensor:
            continue
        for context in _powers(max(1, length // _LEAST_POSITIONS)):
            for pipeline in _divisors(devices // tensor):
                data, rest = divmod(devices, tensor * context * pipeline)
                if rest or data > sequences or pipeline > max(depth, 1):
                    continue
                yield from _sharded(architecture, data, tensor, pipeline, context)


def _sharded(
    architecture: Architecture, data: int, tensor: int, pipeline: int, context: int
) -> Iterator[Layout]:
    for expert in _divisors(gcd(data, _experts(architecture))):
        for sharding in _SHARDINGS:
            replicas = data * context
            # States that are spread move fewer bytes than gradients that are all-reduced, and take
            # less memory: replicas that share nothing are only simpler, where nothing else is.
            plain = replicas in (1, data * tensor * pipeline * context) and expert == 1
            # Stages would gather sharded weights again for each of many small micro-batches.
            misfit = sharding == "weights" and pipeline > 1
            if misfit or (replicas == 1 if sharding != "none" else not plain):
                continue
            yield Layout(
                data=data,
                expert=expert,
                tensor=tensor,
                pipeline=pipeline,
                context=context,
                sharding=sharding,
            )


def _columns(architecture: Architecture) -> int:
    """The greatest number that divides heads and inner widths of all layers."""
    found = 0
    for group in architecture.groups:
        block = group.feed_forward
        found = gcd(found, group.attention.heads, block.inner)
        if isinstance(block, Sparse):
            found = gcd(found, block.shared_inner)
    return found or 1


def _experts(architecture: Architecture) -> int:
    """The greatest number that divides the experts of all sparse layers; 1 without any."""
    blocks = [group.feed_forward for group in architecture.groups]
    return gcd(*(block.experts for block in blocks if isinstance(block, Sparse))) or 1


def _powers(most: int) -> list[int]:
    return [2**exponent for exponent in range(most.bit_length())]


def _divisors(number: int) -> list[int]:
    small = [one for one in range(1, int(number**0.5) + 1) if number % one == 0]
    return sorted({*small, *(number // one for one in small)})

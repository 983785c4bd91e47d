"""The fastest layouts of a model on so many devices that fit: a search over all knobs.

    best, second = search_layouts(architecture, device, 64, batch_tokens=2**21, length=4096)
    print(best.layout, best.limit)

Searched are the degrees of data, expert, tensor, pipeline and context parallel ranks, as far as
`degrees.py` lets them; sharding, the micro-batch (at most 65,536 positions of a rank, or one
sequence), virtual stages, recomputation, FP8 where the device has it, and offload where nothing
fits without and the host has the memory.

On devices that are paid by the hour the fastest is the cheapest. The times compare layouts; the
hours of a run are the speed of published and booked runs (`throughput.expected_mfu`), which is
taken for that of the fastest layout in bfloat16 without offload: `placed_mfu` scales it to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from farthing.cost.architecture import Architecture
from farthing.cost.communication import Layout
from farthing.errors import PlanError
from farthing.hardware.accelerators import Accelerator
from farthing.predict.candidates import Candidate, Space
from farthing.predict.kept import Recompute
from farthing.predict.links import Links, links_of
from farthing.predict.memory import Optimizer, RankMemory
from farthing.predict.split import split_of
from farthing.predict.step_time import StepClock, StepSeconds
from farthing.quantity import Quantity

# Of the dense peak, between all that a step also does: with it the two layouts of Llama 3 405B for
# sequences of 8,192 reach 43 and 40 % of the peak (arXiv 2407.21783, table 4: 43 and 41).
KERNEL_SHARE = 0.6
GIB = 2**30
# Shares of a step that are worth a word, and the sequences that are still worth training on.
_WORTH_NAMING = 0.03
_SHORTEST = 512


@dataclass(frozen=True)
class Placement:
    """One way to run a step on all devices, that fits.

    Attributes:
        layout: how the model is spread.
        micro_sequences: sequences of one forward pass.
        micro_batches: forward passes of a rank in a step.
        virtual_stages: pipeline stages of each rank.
        recompute: what the backward pass makes again.
        fp8: whether hidden products are in FP8.
        offload: whether gradients and the optimizer's states are on the host.
        memory: bytes of the rank that needs most.
        memory_bytes: of the device.
        seconds: of one step.
        limit: in words, what the step spends its time on, and the memory left.
        tokens_per_second: of all devices together.
        relative_speed: speed over that of the fastest placement in bfloat16 whose states are on the
            device; where there is none, over the same placement's without the offload's time.
        assumptions: figures of links and hosts that are nobody's but assumed or the user's.
    """

    layout: Layout
    micro_sequences: int
    micro_batches: int
    virtual_stages: int
    recompute: Recompute
    fp8: bool
    offload: bool
    memory: RankMemory
    memory_bytes: int
    seconds: StepSeconds
    limit: str
    tokens_per_second: float
    relative_speed: float
    assumptions: tuple[str, ...]


@dataclass(frozen=True)
class LedgerRow:
    """One line of the memory and time ledger of a rank.

    Attributes:
        part: what it is.
        value: how much.
        unit: `GiB` or `s`.
        share: of the device's memory, or of the step.
    """

    part: str
    value: float
    unit: Literal["GiB", "s"]
    share: float


def search_layouts(
    architecture: Architecture,
    device: Accelerator,
    devices: int,
    *,
    batch_tokens: int,
    length: int,
    kernel_share: float = KERNEL_SHARE,
    devices_per_node: int = 8,
    keep: int = 2,
    optimizer: Optimizer = "muon",
    fp8: bool = True,
    links: Links | None = None,
) -> list[Placement]:
    """The fastest placements, the best first; they differ in more than their micro-batches.

    Args:
        architecture: what is trained.
        device: the catalogue's entry.
        devices: how many.
        batch_tokens: of one optimizer step.
        length: positions of a sequence.
        kernel_share: of the device's peak, that large products reach.
        devices_per_node: of one machine.
        keep: how many to give, fewer where there are fewer.
        optimizer: of hidden matrices.
        fp8: whether FP8 may be chosen, where the device has a peak for it.
        links: bandwidths; None for `links_of`.

    Raises:
        PlanError: nothing fits, with what is missing and what would help; or bad sizes.
        UnknownHardwareError: the catalogue lacks the peak, the memory or the link that it takes.
    """
    _check(batch_tokens, length, kernel_share, keep)
    links = links or links_of(device, devices=devices, devices_per_node=devices_per_node)
    space = Space(
        split=split_of(architecture),
        clock=StepClock(architecture, device, links, length=length, kernel_share=kernel_share),
        links=links,
        memory_bytes=int(device.figure("memory_bytes").value),
        devices=devices,
        sequences=max(1, round(batch_tokens / length)),
        length=length,
        optimizer=optimizer,
        fp8=fp8,
    )
    found = space.fitting(kinds=keep)
    if not found:
        raise _misses(space, device)
    # FP8 and offload are compared with what runs are that speeds are known of.
    plain = next((one for one in found if not one.settings.fp8), found[0])
    seconds = plain.total - plain.seconds.offload
    return [_placement(space, one, seconds) for one in _different(found, keep)]


def placed_mfu(placement: Placement, mfu: Quantity) -> Quantity:
    """The share of the peak that a placement reaches, from what runs like it reach.

    Args:
        placement: of `search_layouts`.
        mfu: of `throughput.expected_mfu` for the same model and devices.
    """
    return mfu.scaled(placement.relative_speed)


def ledger_of(placement: Placement) -> tuple[LedgerRow, ...]:
    """Memory and time of the rank that needs most, part by part; sums last."""
    memory, seconds, capacity = placement.memory, placement.seconds, placement.memory_bytes
    rows = [
        LedgerRow(part, getattr(memory, part) / GIB, "GiB", getattr(memory, part) / capacity)
        for part in ("weights", "gradients", "states", "activations", "buffers")
    ]
    rows.append(LedgerRow("memory", memory.total / GIB, "GiB", memory.total / capacity))
    parts = ("compute", "bubble", "data", "expert", "tensor", "pipeline", "context", "offload")
    for part in parts:
        spent = getattr(seconds, part)
        if spent or part == "compute":
            rows.append(LedgerRow(part, spent, "s", spent / seconds.total))
    rows.append(LedgerRow("step", seconds.total, "s", 1.0))
    return tuple(rows)


def _different(found: list[Candidate], keep: int) -> list[Candidate]:
    """The first of each layout and precision; where those are too few, other settings of them."""
    kinds: dict[object, Candidate] = {}
    for one in found:
        kinds.setdefault(one.kind, one)
    chosen = list(kinds.values())[:keep]
    for one in found:
        if len(chosen) == keep:
            break
        if not any(one is other for other in chosen):
            chosen.append(one)
    return chosen


def _placement(space: Space, one: Candidate, plain_seconds: float) -> Placement:
    settings, on_host = one.settings, space.links.host_assumptions
    return Placement(
        layout=one.layout,
        micro_sequences=settings.micro_sequences,
        micro_batches=settings.micro_batches or 1,
        virtual_stages=settings.virtual_stages,
        recompute=settings.recompute,
        fp8=settings.fp8,
        offload=settings.offload,
        memory=one.memory,
        memory_bytes=space.memory_bytes,
        seconds=one.seconds,
        limit=_limit(one.seconds, one.memory, space.memory_bytes),
        tokens_per_second=space.sequences * space.length / one.total,
        relative_speed=plain_seconds / one.total,
        assumptions=space.links.assumptions + (on_host if settings.offload else ()),
    )


def _limit(seconds: StepSeconds, memory: RankMemory, capacity: int) -> str:
    """What takes most of the step, what comes next, and the memory that is left."""
    parts = sorted(vars(seconds).items(), key=lambda part: -part[1])
    shares = [(name, spent / seconds.total) for name, spent in parts]
    named = [f"{name} {share:.0%} of the step" for name, share in shares[:1]]
    named += [f"{name} {share:.0%}" for name, share in shares[1:3] if share >= _WORTH_NAMING]
    left = (capacity - memory.total) / GIB
    host = f", {memory.host / GIB:.1f} GiB a device on the host" if memory.host else ""
    return f"{', '.join(named)}; {left:.1f} GiB of memory left{host}"


def _misses(space: Space, device: Accelerator) -> PlanError:
    """What is missing at the closest layout, and which knobs would help."""
    need, offload = space.least(space.devices, space.sequences, space.length)
    if not need:
        return PlanError(
            f"no layout spreads {space.sequences} sequences a step over {space.devices} devices",
            remedy="give a larger batch, or a number of devices that divides into machines of "
            f"{space.links.devices_per_node}",
        )
    helps = _more_devices(space) + _shorter(space)
    tried = "full recomputation" + (" and gradients and states on the host" if offload else "")
    return PlanError(
        f"the model does not fit on {space.devices} x {device.name}: the closest layout, with "
        f"{tried}, misses by {(need - space.memory_bytes) / GIB:.1f} GiB a device",
        remedy="; or ".join([*helps, "a device with more memory, or a smaller model"]),
    )


def _more_devices(space: Space) -> list[str]:
    for factor in (2, 4, 8, 16, 32, 64, 128, 256):
        devices = factor * space.devices
        sequences = max(space.sequences, devices)
        need, _ = space.least(devices, sequences, space.length)
        if 0 < need <= space.memory_bytes:
            return [f"take {devices} devices, on which it fits"]
    return []


def _shorter(space: Space) -> list[str]:
    length = space.length
    while length > _SHORTEST:
        length //= 2
        need, _ = space.least(space.devices, space.sequences, length)
        if 0 < need <= space.memory_bytes:
            return [f"train on sequences of {length:,} positions, with which it fits"]
    return []


def _check(batch_tokens: int, length: int, kernel_share: float, keep: int) -> None:
    wrong = [
        (batch_tokens < 1, f"a batch of {batch_tokens} tokens", "give at least one sequence"),
        (length < 1, f"sequences of {length} positions", "give at least one position"),
        (not 0 < kernel_share <= 1, f"a kernel share of {kernel_share}", "give 0 < share <= 1"),
        (keep < 1, f"keep {keep} placements", "keep at least one"),
    ]
    for bad, what, remedy in wrong:
        if bad:
            raise PlanError(what, remedy=remedy)

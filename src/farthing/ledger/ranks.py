"""The work of several ranks, processes that train one model together, as that of one run.

Each rank has a meter of its own. Amounts of work add up, and the time is the longest; but a device
that two ranks share is held once, and an energy that two ranks read is one energy: on each machine
only its first rank need meter what they share, and where others did so too they are not added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.artifacts.work import EnergyPart, Work, joules_of, method_of
from farthing.ledger.meter import NO_WORK


@dataclass(frozen=True)
class RankWork:
    """What one rank used.

    Attributes:
        node: the mark of its machine (`Machine.id`).
        device_ids: of the devices that it holds, each unlike every other in the world.
        work: by its own meter.
    """

    node: str
    device_ids: tuple[str, ...]
    work: Work


def combine(ranks: Sequence[RankWork]) -> Work:
    """All ranks together.

    Energy told apart by parts is counted once for each part of a machine; where ranks read the same
    one, the longest reading counts. Energy that is not told apart belongs to the rank's devices.

    Raises:
        ValueError: there is no rank, or one names no device or one of them twice; some ranks tell
            their energy apart and others do not.
    """
    if not ranks:
        raise ValueError("there is no rank")
    for rank in ranks:
        if not rank.device_ids or len(set(rank.device_ids)) != len(rank.device_ids):
            raise ValueError(f"a rank on {rank.node} names its devices {rank.device_ids}")
    shares = _first_shares(ranks)
    works = [rank.work for rank in ranks]
    sums = NO_WORK.model_copy(
        update={
            "wall_seconds": max(work.wall_seconds for work in works),
            "device_seconds": sum(
                work.device_seconds * share for work, share in zip(works, shares, strict=True)
            ),
            "cpu_seconds": sum(work.cpu_seconds for work in works),
            "tokens": sum(work.tokens for work in works),
            "flops": sum(work.flops for work in works),
            "optimizer_flops": sum(work.optimizer_flops for work in works),
        }
    )
    return _with_energy(sums, ranks, shares)


def _first_shares(ranks: Sequence[RankWork]) -> list[float]:
    """The share of each rank's devices that no rank before it holds; ranks in their order."""
    taken: set[str] = set()
    shares: list[float] = []
    for rank in ranks:
        new = set(rank.device_ids) - taken
        shares.append(len(new) / len(rank.device_ids))
        taken |= new
    return shares


def _with_energy(sums: Work, ranks: Sequence[RankWork], shares: Sequence[float]) -> Work:
    metered = [
        (rank, share)
        for rank, share in zip(ranks, shares, strict=True)
        # A rank that leaves the metering to its machine's first one.
        if not (rank.work.energy_method == "none" and rank.work.joules == 0.0)
    ]
    apart = [rank for rank, _ in metered if rank.work.energy_parts]
    if not apart:
        plain = NO_WORK
        for rank, share in metered:
            joules = rank.work.joules
            plain += NO_WORK.with_energy(
                None if joules is None else joules * share, rank.work.energy_method
            )
        return sums.with_energy(plain.joules, plain.energy_method)
    if len(apart) < len(metered):
        raise ValueError("some ranks tell their energy apart by parts, and others do not")
    parts = _each_once(apart)
    return sums.with_energy(joules_of(parts), method_of(parts), parts)


def _each_once(ranks: Sequence[RankWork]) -> tuple[EnergyPart, ...]:
    several = len({rank.node for rank in ranks}) > 1
    found: dict[tuple[str, str], EnergyPart] = {}
    for rank in ranks:
        for part in rank.work.energy_parts:
            covers = f"{part.covers} of {rank.node}" if several else part.covers
            named = part.model_copy(update={"covers": covers})
            before = found.setdefault((covers, part.method), named)
            if (named.joules or 0.0) > (before.joules or 0.0):
                found[covers, part.method] = named
    return tuple(found.values())

"""How evenly the router spreads tokens over experts."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from farthing.artifacts.scores import ExpertLoad


@dataclass(frozen=True)
class LayerLoad:
    """One sparse layer on one domain.

    Attributes:
        layer: its id.
        times_uniform: per expert of the supernet, its share of the visits over an equal share
            among those that the member holds; 0 is no visit, None an expert that it lacks.
        entropy: of the shares, over that of equal shares: 1 is even, 0 a single expert.
        dead: experts held that no token visited.
    """

    layer: int
    times_uniform: tuple[float | None, ...]
    entropy: float
    dead: int

    @property
    def busiest(self) -> float:
        """The largest load over an equal one."""
        return max(load for load in self.times_uniform if load is not None)


@dataclass(frozen=True)
class DomainLoad:
    """All sparse layers on the held-out text of one domain."""

    domain: str
    layers: tuple[LayerLoad, ...]

    @property
    def entropy(self) -> float:
        """Mean over the layers."""
        return sum(layer.entropy for layer in self.layers) / len(self.layers)

    @property
    def dead(self) -> int:
        """Experts without a visit, over all layers."""
        return sum(layer.dead for layer in self.layers)

    @property
    def busiest(self) -> float:
        """The largest load of any expert of any layer over an equal one."""
        return max(layer.busiest for layer in self.layers)


@dataclass(frozen=True)
class LoadFacts:
    """Expert load of one member.

    Attributes:
        label: of the member.
        num_experts: that it holds, all sparse layers together.
        lacks_experts: whether the supernet has more.
        domains: in the order scored.
        dead_everywhere: experts held that no token of any domain visited.
    """

    label: str
    num_experts: int
    lacks_experts: bool
    domains: tuple[DomainLoad, ...]
    dead_everywhere: int


def read_load(
    load: ExpertLoad | None, held: Sequence[Collection[int]] | None = None
) -> LoadFacts | None:
    """The load in figures; None where no load was recorded.

    Args:
        load: as the evaluation recorded it.
        held: per sparse layer, the experts that the member holds; None for all.
    """
    if load is None or not load.layers or not load.shares:
        return None
    count = len(next(iter(load.shares.values()))[0])
    held = held if held is not None else [range(count)] * len(load.layers)
    domains = tuple(
        DomainLoad(
            domain,
            tuple(_layer(*each) for each in zip(load.layers, rows, held, strict=True)),
        )
        for domain, rows in load.shares.items()
    )
    dead = sum(
        all(each.layers[place].times_uniform[expert] == 0 for each in domains)
        for place, experts in enumerate(held)
        for expert in experts
    )
    slots = sum(len(experts) for experts in held)
    return LoadFacts(load.label, slots, slots < count * len(held), domains, dead)


def _layer(layer: int, shares: Sequence[float], held: Collection[int]) -> LayerLoad:
    count = len(held)
    kept = [shares[expert] for expert in held]
    nats = -sum(share * math.log(share) for share in kept if share > 0)
    return LayerLoad(
        layer=layer,
        times_uniform=tuple(
            share * count if expert in held else None for expert, share in enumerate(shares)
        ),
        entropy=nats / math.log(count) if count > 1 else 1.0,
        dead=sum(share == 0 for share in kept),
    )

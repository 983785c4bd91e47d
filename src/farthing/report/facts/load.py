"""How evenly the router spreads tokens over experts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from farthing.artifacts.scores import ExpertLoad


@dataclass(frozen=True)
class LayerLoad:
    """One sparse layer on one domain.

    Attributes:
        layer: its id.
        times_uniform: per expert, its share of the visits over an equal share; 0 is none.
        entropy: of the shares, over that of equal shares: 1 is even, 0 a single expert.
        dead: experts that no token visited.
    """

    layer: int
    times_uniform: tuple[float, ...]
    entropy: float
    dead: int

    @property
    def busiest(self) -> float:
        """The largest load over an equal one."""
        return max(self.times_uniform)


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
        num_experts: of each layer.
        num_layers: sparse ones.
        domains: in the order scored.
        dead_everywhere: experts that no token of any domain visited.
    """

    label: str
    num_experts: int
    num_layers: int
    domains: tuple[DomainLoad, ...]
    dead_everywhere: int


def read_load(load: ExpertLoad | None) -> LoadFacts | None:
    """The load in figures; None where no load was recorded."""
    if load is None or not load.layers or not load.shares:
        return None
    domains = tuple(
        DomainLoad(
            domain,
            tuple(_layer(layer, row) for layer, row in zip(load.layers, rows, strict=True)),
        )
        for domain, rows in load.shares.items()
    )
    num_experts = max(len(layer.times_uniform) for each in domains for layer in each.layers)
    dead = sum(
        all(each.layers[place].times_uniform[expert] == 0 for each in domains)
        for place in range(len(load.layers))
        for expert in range(num_experts)
    )
    return LoadFacts(load.label, num_experts, len(load.layers), domains, dead)


def _layer(layer: int, shares: Sequence[float]) -> LayerLoad:
    count = len(shares)
    nats = -sum(share * math.log(share) for share in shares if share > 0)
    return LayerLoad(
        layer=layer,
        times_uniform=tuple(share * count for share in shares),
        entropy=nats / math.log(count) if count > 1 else 1.0,
        dead=sum(share == 0 for share in shares),
    )

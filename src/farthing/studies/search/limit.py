"""What a member may not exceed, and how much of it a member uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farthing.cost.parameters import count_parameters
from farthing.errors import ConfigError
from farthing.model.config import ModelConfig
from farthing.model.cut import expert_counts
from farthing.model.huggingface import silent_parameters
from farthing.model.shape import Shape
from farthing.stages.extract.cut import padding_parameters
from farthing.studies.search.config import LimitKind

MIB = 1 << 20
# Extraction writes everything as fp32.
_WEIGHT_BYTES = 4

UNITS: dict[LimitKind, str] = {
    "active": "active parameters",
    "total": "parameters",
    "latency": "ms per token",
    "memory": "MiB of weights",
}


@dataclass(frozen=True)
class Limit:
    """A bound and what it is on.

    Attributes:
        kind: what is bounded.
        bound: the most that is allowed.
        amount: how much of it a member uses: exact for sizes; for latency, by the fitted model.
    """

    kind: LimitKind
    bound: float
    amount: Callable[[Shape], float]

    def holds(self, shape: Shape) -> bool:
        """Whether a member keeps within it."""
        return self.amount(shape) <= self.bound

    def text(self, amount: float) -> str:
        """An amount with its unit, as `1,200,000 active parameters` or `3.20 ms per token`."""
        number = f"{amount:,.0f}" if self.kind in ("active", "total") else f"{amount:,.2f}"
        return f"{number} {UNITS[self.kind]}"

    def check_smallest(self, shape: Shape, config: ModelConfig) -> None:
        """Make sure that any member fits at all.

        Raises:
            ConfigError: not even the smallest one does.
        """
        least = self.amount(shape)
        if least > self.bound:
            raise ConfigError(
                f"no member keeps within {self.text(self.bound)}: the smallest, "
                f"{shape.label(config)}, has {self.text(least)}",
                remedy="allow more, or train a supernet with fewer or smaller layers",
            )


def exact_amount(kind: LimitKind, config: ModelConfig, vocab_size: int) -> Callable[[Shape], float]:
    """How much of a size a member has: parameters, or MiB of weights as it would be extracted."""

    def active(shape: Shape) -> float:
        return count_parameters(config, vocab_size, shape).active

    def total(shape: Shape) -> float:
        return count_parameters(config, vocab_size, shape).total

    def memory_mib(shape: Shape) -> float:
        return weight_bytes(config, vocab_size, shape) / MIB

    return {"active": active, "total": total, "memory": memory_mib}[kind]


def weight_bytes(config: ModelConfig, vocab_size: int, shape: Shape) -> int:
    """Bytes of the tensors that extraction writes for a member: what any program must hold.

    Layers with fewer experts than the widest are filled up, the output matrix is never tied, each
    router has a balancing bias, and each sparse layer a shared expert, silent where the supernet
    has none: the member holds all that, so all of it counts.
    """
    untied = config.model_copy(update={"tie_embeddings": False})
    parameters = count_parameters(untied, vocab_size, shape).total
    parameters += padding_parameters(config, shape)
    counts = expert_counts(shape)
    parameters += silent_parameters(config, len(counts))
    biases = len(counts) * max(counts, default=0)
    return _WEIGHT_BYTES * (parameters + biases)

"""Where the data goes on: the sequences that the source has read are not read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farthing.errors import ConfigError
from farthing.stages.train.start.config import StartConfig
from farthing.text.batches import Batches


@dataclass(frozen=True)
class FirstSequence:
    """Where a run begins to read.

    Attributes:
        number: of the first sequence.
        reason: why there, in words.
    """

    number: int
    reason: str


def read_so_far(batches: Batches, corpus: str, sequences: int) -> dict[str, Any]:
    """What a finished model notes about its data order, for whoever continues it.

    Args:
        batches: that it read.
        corpus: their digest.
        sequences: how many of them it read.
    """
    order = batches.order
    (_, quotas), *more = order.mixture
    phases = [{"first_block": first, "quotas": each} for first, each in order.mixture]
    return {
        "corpus": corpus,
        "mixture": quotas,
        **({"phases": phases} if more else {}),
        "context": order.context,
        "seed": order.seed,
        "next_sequence": batches.first + sequences,
    }


def first_sequence(
    config: StartConfig, origin: Mapping[str, Any], batches: Batches, corpus: str
) -> FirstSequence:
    """Where the continued run begins to read.

    Args:
        config: `follow` must be possible, `fresh` never follows, None follows if it can.
        origin: of the model that it starts from.
        batches: that it will read.
        corpus: their digest.

    Raises:
        ConfigError: it should follow another order of the data.
    """
    if config.first_sequence == "fresh":
        return FirstSequence(0, "start.first_sequence is fresh")
    before = origin.get("data_order")
    now = read_so_far(batches, corpus, 0)
    if before is not None and (before.get("phases") or now.get("phases")):
        return _fresh(config, "an order with phases ends with its run")
    different = [
        name
        for name in ("corpus", "mixture", "context", "seed")
        if before is not None and before[name] != now[name]
    ]
    if before is not None and not different:
        number = int(before["next_sequence"])
        return FirstSequence(number, "after the last one that the model has read")
    why = (
        "the model does not say what it has read"
        if before is None
        else "; ".join(
            f"{name} was {_short(before[name])}, is {_short(now[name])}" for name in different
        )
    )
    return _fresh(config, why)


def _fresh(config: StartConfig, why: str) -> FirstSequence:
    if config.first_sequence == "follow":
        raise ConfigError(
            f"start.first_sequence is follow, but there is no order of the data to follow: {why}",
            remedy="use the same corpus, train.mixture and train.seed, or set "
            "start.first_sequence: fresh",
        )
    return FirstSequence(0, why)


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:16]}..." if isinstance(value, str) and len(text) > 16 else text

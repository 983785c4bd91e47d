"""What a search cost, beside the training that it searched, out of the book."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from farthing.ledger.attempts import attempts, last_scorings
from farthing.ledger.book import Book
from farthing.ledger.meter import NO_WORK


@dataclass(frozen=True)
class SearchCost:
    """Work of a search and of the training before it.

    Attributes:
        search_seconds, training_seconds: device-seconds held.
        search_flops, training_flops: model and optimizer FLOPs.
    """

    search_seconds: float
    training_seconds: float
    search_flops: float
    training_flops: float

    @property
    def seconds_percent(self) -> float | None:
        """The search in percent of the training, by time; None where the book knows no training."""
        return _percent(self.search_seconds, self.training_seconds)

    @property
    def flops_percent(self) -> float | None:
        """The same by FLOPs."""
        return _percent(self.search_flops, self.training_flops)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        percents = {
            "seconds_percent": self.seconds_percent,
            "flops_percent": self.flops_percent,
        }
        return asdict(self) | percents


def search_cost(
    book: Book,
    *,
    training_key: str,
    search_keys: Collection[str],
    supernet: str,
    shapes: Collection[str],
    split: str,
) -> SearchCost:
    """Add up runs by their input keys, every attempt, and the scoring of the finalists.

    Args:
        book: of the workspace.
        training_key: input key of the run that made the supernet.
        search_keys: of the runs that are wholly the search's.
        supernet: content digest of the model.
        shapes: the finalists; of each, the last scoring counts.
        split: on which text they were scored.
    """
    training = attempts(book, {training_key}).work
    search = attempts(book, search_keys).work
    scored = last_scorings(book, supernet, split)
    search = sum((scored.get(shape, NO_WORK) for shape in shapes), search)
    return SearchCost(
        search_seconds=search.device_seconds,
        training_seconds=training.device_seconds,
        search_flops=search.flops + search.optimizer_flops,
        training_flops=training.flops + training.optimizer_flops,
    )


def _percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None

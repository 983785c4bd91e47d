"""Which experts the tokens visit while a member is scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from farthing.artifacts.scores import ExpertLoad
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer


class VisitCounter:
    """Counts the routed choices of one member, layer by layer and domain by domain.

    Shapes: N tokens, K choices of each, E experts of the supernet.
    """

    def __init__(self, model: Transformer, shape: Shape) -> None:
        self._model = model
        self.shape = shape
        self._layers = tuple(layer for layer in shape.layers if model.config.is_sparse(layer))
        self._visits: dict[str, dict[int, Tensor]] = {}

    @contextmanager
    def counting(self, domain: str) -> Iterator[None]:
        """Whatever runs in the block reads text of `domain`; nothing it computes changes."""
        device = self._model.embed_tokens.weight.device
        counts = {
            layer: torch.zeros(self._model.config.num_experts, dtype=torch.int64, device=device)
            for layer in self._layers
        }
        self._visits[domain] = counts
        first = self._model.config.first_sparse_layer
        blocks = self._model.sparse_blocks()
        handles = [
            blocks[layer - first].router.register_forward_hook(_hook(counts[layer]))
            for layer in self._layers
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def result(self) -> ExpertLoad | None:
        """The shares so far; None where the member has no routed experts."""
        if not self._layers:
            return None
        return ExpertLoad(
            label=self.shape.label(self._model.config),
            layers=self._layers,
            shares={
                domain: tuple(_shares(counts[layer]) for layer in self._layers)
                for domain, counts in self._visits.items()
            },
        )


def _hook(count_E: Tensor) -> Callable[[nn.Module, object, tuple[Tensor, Tensor]], None]:
    def count(router: nn.Module, inputs: object, output: tuple[Tensor, Tensor]) -> None:
        del router, inputs
        ids_NK, _ = output
        count_E.add_(ids_NK.reshape(-1).bincount(minlength=count_E.shape[0]))

    return count


def _shares(count_E: Tensor) -> tuple[float, ...]:
    return tuple((count_E.double() / count_E.sum()).tolist())

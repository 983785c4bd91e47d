"""What every half of a layer, attention or feed-forward, answers about its weights."""

from __future__ import annotations

from abc import abstractmethod

from farthing.artifacts.config import Config


class LayerPart(Config):
    """Sizes of one half of a layer; all counts are of one layer of a stream of `width`."""

    @abstractmethod
    def common(self, width: int) -> int:
        """Weights of the matrices that every token multiplies with, without a router's."""

    @abstractmethod
    def vectors(self, width: int) -> int:
        """Weights that are in no product: biases, norms of its own."""

    def router(self, width: int) -> int:
        """Weights of the router; a balancing bias is state, not a weight."""
        del width
        return 0

    def expert_weights(self, width: int) -> int:
        """Weights of all routed experts."""
        del width
        return 0

    def visited_weights(self, width: int) -> int:
        """Weights of the routed experts that one token visits."""
        del width
        return 0

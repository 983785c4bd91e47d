"""Layer dropout: the probability that a layer sits out a step, by its place and by the step.

With n layers that may be skipped, i of them below this one, and m steps of which s are over:

    probability = rate x place x time
    place = 1                  (even)          2 (i + 1/2) / n        (rising)
    time  = 1                  (constant)      2 (s + 1/2) / m        (rising)
                                               2 - 2 (s + 1/2) / m    (falling)

Each factor has the mean 1, so that the mean over layers and steps is the rate.
"""

from __future__ import annotations

from collections.abc import Sequence

from farthing.errors import ConfigError
from farthing.stages.train.elastic_config import LayerDropoutConfig


class LayerDropout:
    """The drop probabilities of a run.

    Attributes:
        layers: ids of the layers that may be skipped, ascending.
    """

    def __init__(
        self, settings: LayerDropoutConfig, layers: Sequence[int], *, first: int, steps: int
    ) -> None:
        """Spread the rate over layers and steps.

        Args:
            settings: rate and profiles.
            layers: that may be skipped.
            first: elastic step of the run.
            steps: of the run.

        Raises:
            ConfigError: no layer may be skipped, or a probability would exceed 1.
        """
        self.layers = tuple(sorted(layers))
        self._settings = settings
        self._first, self._steps = first, steps
        if not self.layers:
            raise ConfigError(
                f"train.elastic.layer_dropout: no layer of the supernet may be skipped, so none "
                f"at a rate of {settings.rate}",
                remedy="add layers between the first and the last, or set it to null",
            )
        peak = max(self.probability(self.layers[-1], step) for step in (first, steps - 1))
        if peak > 1:
            raise ConfigError(
                f"train.elastic.layer_dropout: a mean rate of {settings.rate} would skip the last "
                f"such layer with a probability of {peak:.3g} at its highest",
                remedy=f"lower the rate to {settings.rate / peak:.3g}, or make profile even or "
                "time constant",
            )

    def probability(self, layer: int, step: int) -> float:
        """Of `layer` sitting out `step`."""
        place = time = 1.0
        if self._settings.profile == "rising":
            place = 2 * (self.layers.index(layer) + 0.5) / len(self.layers)
        if self._settings.time != "constant":
            time = 2 * (step - self._first + 0.5) / (self._steps - self._first)
        if self._settings.time == "falling":
            time = 2 - time
        return self._settings.rate * place * time

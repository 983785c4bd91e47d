"""How layers fall on pipeline stages, and what of the model each stage holds.

Layers are dealt out as evenly as can be; where they do not divide, the first stage (which has the
embedding) and the last (which has the output matrix) get one less than the others first, as Llama 3
405B did with 126 layers on 16 stages (arXiv 2407.21783, section 3.3.2). Layers of further
predictions are the last ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise

from farthing.cost.architecture import Architecture, LayerGroup
from farthing.cost.parameters import (
    architecture_parameters,
    extra_prediction_parameters,
    layer_parameters,
)
from farthing.predict.kept import Recompute, kept_per_token, working_per_token

_REMEMBERED = 64
_RECOMPUTE: tuple[Recompute, ...] = ("none", "selective", "full")


@dataclass(frozen=True)
class Held:
    """What consecutive layers hold, on all ranks of a stage together.

    Attributes:
        common: weights that every token goes through.
        experts: weights of routed experts.
        largest: weights of the largest layer, without its experts.
        largest_experts: routed experts' weights of the layer that has most.
        kept: bytes that a token's activations take, by (recomputation, FP8).
        working: bytes of the gradients inside one layer, of one token.
        layers: how many there are.
    """

    common: int
    experts: int
    largest: int
    largest_experts: int
    kept: dict[tuple[Recompute, bool], int]
    working: int
    layers: int

    @property
    def total(self) -> int:
        """All their weights."""
        return self.common + self.experts


class Split:
    """An architecture's layers in order, ready to be cut into stages.

    Attributes:
        architecture: whose they are.
        layers: how many, those of further predictions included.
        embedding: weights of the embedding and of learned positions.
        output: weights of the output matrix, also where it is the embedding.
        outside: other weights outside the layers: last norms, and what joins two streams for a
            further prediction.
        total: all weights in training.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture
        self._groups = [group for group in architecture.groups for _ in range(group.count)]
        if architecture.extra_predictions:
            self._groups += [architecture.groups[-1]] * architecture.extra_predictions
        self._of_group = {id(group): _one(architecture, group) for group in architecture.groups}
        self.layers = len(self._groups)
        width = architecture.width
        self.embedding = width * (architecture.vocabulary + architecture.learned_positions)
        self.output = width * architecture.vocabulary
        further = extra_prediction_parameters(architecture)
        self.total = architecture_parameters(architecture).total + further
        layers = sum(self._of_group[id(group)].total for group in self._groups)
        matrices = self.embedding + (0 if architecture.tied else self.output)
        self.outside = self.total - layers - matrices
        self._stages: dict[int, list[Held]] = {}

    def counts(self, stages: int) -> list[int]:
        """Layers of each stage.

        Raises:
            ValueError: more stages than layers.
        """
        if stages > max(self.layers, 1):
            raise ValueError(f"{stages} stages of {self.layers} layers")
        each, more = divmod(self.layers, stages)
        # Middle stages first, then the first and at last the last one.
        order = [*range(1, stages - 1), 0, stages - 1][:stages]
        longer = set(order[:more])
        return [each + (stage in longer) for stage in range(stages)]

    def stages(self, stages: int) -> list[Held]:
        """What each stage holds, embedding and output matrix left out."""
        if stages not in self._stages:
            ends = list(accumulate(self.counts(stages), initial=0))
            self._stages[stages] = [
                self._sum(self._groups[start:end]) for start, end in pairwise(ends)
            ]
        return self._stages[stages]

    def _sum(self, groups: Sequence[LayerGroup]) -> Held:
        ones = [self._of_group[id(group)] for group in groups]
        return Held(
            common=sum(one.common for one in ones),
            experts=sum(one.experts for one in ones),
            largest=max((one.largest for one in ones), default=0),
            largest_experts=max((one.largest_experts for one in ones), default=0),
            kept={
                (recompute, fp8): sum(one.kept[recompute, fp8] for one in ones)
                for recompute in _RECOMPUTE
                for fp8 in (False, True)
            },
            working=max((one.working for one in ones), default=0),
            layers=len(ones),
        )


@lru_cache(maxsize=_REMEMBERED)
def split_of(architecture: Architecture) -> Split:
    """The split of an architecture; remembered, since a search asks for it again and again."""
    return Split(architecture)


def _one(architecture: Architecture, group: LayerGroup) -> Held:
    experts = sum(part.expert_weights(architecture.width) for part in group.parts)
    total, _ = layer_parameters(architecture, group)
    return Held(
        common=total - experts,
        experts=experts,
        largest=total - experts,
        largest_experts=experts,
        kept={
            (recompute, fp8): kept_per_token(architecture, group, recompute=recompute, fp8=fp8)
            for recompute in _RECOMPUTE
            for fp8 in (False, True)
        },
        working=working_per_token(architecture, group),
        layers=1,
    )

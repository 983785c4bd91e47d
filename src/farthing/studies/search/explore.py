"""The search itself: seeded by importance, guided by the predictor, decided by measurement.

1. The whole supernet, the uniform members that no other fitting one contains, and the members with
   one thing halved are measured; the predictor learns from all of them.
2. Greedy descents from the whole supernet, along perturbed predictions, give the first members
   that fit; what room is left under the limit is filled.
3. Generations: children of the best members are shrunk and filled until they fit, the ones with the
   best guesses are measured, and the predictor learns again; until the budget is spent.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from farthing.model.shape import Shape
from farthing.studies.search.genes import Genes, MemberSpace, is_uniform
from farthing.studies.search.limit import Limit
from farthing.studies.search.predictor import Predictor, Vector

# Shares and sizes that only the pace of the search depends on.
_SINGLES_SHARE = 0.35
_CHILDREN = 32
_MEASURED_PER_GENERATION = 6
_PARENTS = 8
_PERTURBATION = 0.35
_CROSSED = 0.4
_FRUITLESS_GENERATIONS = 4


@dataclass(frozen=True)
class Found:
    """One measured member.

    Attributes:
        genes: the member.
        shape: the same as a shape.
        origin: why it was measured: full, uniform, single, smallest or evolved.
        guess: what the predictor said before, bits per byte; None for the first ones.
        bpb: bits per byte on the search text.
    """

    genes: Genes
    shape: Shape
    origin: str
    guess: float | None
    bpb: float


class Explorer:
    """One search in progress; deterministic given the space, the limit and the seed."""

    def __init__(
        self,
        space: MemberSpace,
        limit: Limit,
        *,
        score: Callable[[Shape], float],
        layer_nats: dict[int, float],
        full_nats: float,
        may_go_on: Callable[[int], bool],
        seed: int,
    ) -> None:
        """Prepare a search.

        Args:
            space: the members that may be visited.
            limit: what the result keeps within.
            score: measures a member: bits per byte on the search text.
            layer_nats: by skippable layer, how much it adds to the loss to leave it out.
            full_nats: the whole supernet's loss on the same text.
            may_go_on: given how many members were measured, whether another may be.
            seed: of every draw.
        """
        self.found: dict[Shape, Found] = {}
        self._space, self._limit, self._score = space, limit, score
        self._may_go_on = may_go_on
        self._source = random.Random(f"farthing search {seed}")
        self._measure(space.full(), "full", None)
        full = self.found[space.shape(space.full())].bpb
        layer_bpb = {layer: full * nats / full_nats for layer, nats in layer_nats.items()}
        self._predictor = Predictor(space, full, layer_bpb)

    @property
    def fitting(self) -> list[Found]:
        """The measured members that keep within the limit, the best first."""
        found = [one for one in self.found.values() if self._limit.holds(one.shape)]
        return sorted(found, key=lambda one: (one.bpb, str(one.shape)))

    @property
    def uniform(self) -> list[Found]:
        """Those of them that are uniform, whatever they were measured for."""
        return [one for one in self.fitting if is_uniform(one.shape, self._space.config)]

    @property
    def others(self) -> list[Found]:
        """Those of them that are not."""
        return [one for one in self.fitting if not is_uniform(one.shape, self._space.config)]

    def measure_uniform(self) -> None:
        """The largest uniform members that fit.

        They are measured whatever the budget: the comparison is with the best of them. The
        smallest member is among them, so that there is always one that fits, even where times
        turn out longer than guessed.
        """
        for genes in self._space.largest_uniform(self._limit.holds):
            self._measure(genes, "uniform", None)
        self._measure(self._space.smallest(), "smallest", None)

    def measure_singles(self) -> None:
        """The members with one thing halved, as many as a third of the budget allows."""
        for genes in self._space.singles():
            if not self._may_go_on(int(len(self.found) / _SINGLES_SHARE)):
                break
            self._measure(genes, "single", None)
        self._learn()

    def evolve(self, say: Callable[[str], None]) -> None:
        """Generations until the budget is spent or nothing new is found.

        Args:
            say: is told how it goes, a line for each generation.
        """
        children = [
            child
            for _ in range(_CHILDREN)
            if (child := self._fit(self._space.full(), self._perturbed())) is not None
        ]
        fruitless = 0
        while self._may_go_on(len(self.found)) and fruitless < _FRUITLESS_GENERATIONS:
            measured = self._measure_best(children)
            fruitless = 0 if measured else fruitless + 1
            if measured:
                self._learn()
                best = self.fitting[0]
                say(
                    f"{len(self.found)} members measured; best "
                    f"{best.shape.label(self._space.config)}: {best.bpb:.4f} bits per byte"
                )
            children = self._children()

    def _measure_best(self, children: Iterable[Genes]) -> int:
        """Measure the new ones with the best guesses; returns how many there were."""
        new: dict[Shape, Genes] = {}
        for genes in children:
            shape = self._space.shape(genes)
            if shape not in self.found:
                new.setdefault(shape, genes)
        ranked = sorted(
            new.items(), key=lambda item: (self._predictor.guess(item[1]), str(item[0]))
        )
        measured = 0
        for _, genes in ranked[:_MEASURED_PER_GENERATION]:
            if self._may_go_on(len(self.found)):
                self._measure(genes, "evolved", self._predictor.guess(genes))
                measured += 1
        return measured

    def _children(self) -> list[Genes]:
        parents = [one.genes for one in self.fitting[:_PARENTS]]
        made = []
        for _ in range(_CHILDREN):
            child = self._source.choice(parents)
            if self._source.random() < _CROSSED:
                child = self._space.cross(child, self._source.choice(parents), self._source)
            fitted = self._fit(self._space.mutate(child, self._source), self._predictor.weights)
            made += [fitted] if fitted is not None else []
        return made

    def _fit(self, genes: Genes, weights: Vector) -> Genes | None:
        """Shrink step by step until it fits, then fill; None where the steps lead nowhere."""
        while not self._limit.holds(self._space.shape(genes)):
            smaller = self._best_shrink(genes, weights)
            if smaller is None:
                return None
            genes = smaller
        while (larger := self._best_growth(genes, weights)) is not None:
            genes = larger
        return genes

    def _best_shrink(self, genes: Genes, weights: Vector) -> Genes | None:
        """The step that loses least, by the guess, for each unit of the limit that it frees."""
        amount = self._limit.amount(self._space.shape(genes))
        guess = self._predictor.guess(genes, weights)
        ranked = []
        for step in self._space.shrinks(genes):
            freed = amount - self._limit.amount(self._space.shape(step))
            if freed > 0:
                loss = self._predictor.guess(step, weights) - guess
                # What loses nothing goes first, and then the more of it the better.
                ranked.append((loss / freed if loss > 0 else loss * freed, step))
        return min(ranked, key=lambda pair: pair[0])[1] if ranked else None

    def _best_growth(self, genes: Genes, weights: Vector) -> Genes | None:
        guess = self._predictor.guess(genes, weights)
        ranked = [
            (self._predictor.guess(step, weights), step)
            for step in self._space.grows(genes)
            if self._limit.holds(self._space.shape(step))
        ]
        best = min(ranked, key=lambda pair: pair[0], default=None)
        return best[1] if best is not None and best[0] < guess else None

    def _perturbed(self) -> Vector:
        draws = [self._source.gauss(0, _PERTURBATION) for _ in self._predictor.weights]
        return self._predictor.weights * np.exp(draws)

    def _learn(self) -> None:
        self._predictor.learn([(one.genes, one.bpb) for one in self.found.values()])

    def _measure(self, genes: Genes, origin: str, guess: float | None) -> None:
        shape = self._space.shape(genes)
        if shape not in self.found:
            self.found[shape] = Found(genes, shape, origin, guess, self._score(shape))

"""A cheap guess of a member's bits per byte: a sum over what it lacks, fitted to what was measured.

    bpb(member) = bpb(full) + sum over left-out layers of a_l
                + sum over kept sparse layers of b_lr log2(E / experts) + c_l log2(K / top-k)
                + three squares: of the layers left out, of all halvings of experts, of top-k

with r the ranking by which the experts were chosen. Bayesian linear regression: before anything
is measured, a_l is what importance says, the others are small and positive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farthing.studies.search.genes import Genes, MemberSpace

Vector = npt.NDArray[np.float64]

# Shares of the whole supernet's bits per byte: how far a measured member may lie from any such
# sum, and how large the effect of one halving, or of one square, is at first believed to be.
_MISFIT = 0.003
_HALVING = 0.01
_SQUARE = 0.005
# Importance is read from other text, one layer at a time: believed within a quarter.
_LAYER_DOUBT = 0.25


class Predictor:
    """Guesses bits per byte; `learn` fits it anew."""

    def __init__(self, space: MemberSpace, full_bpb: float, layer_bpb: dict[int, float]) -> None:
        """Begin with what importance says.

        Args:
            space: whose members will be guessed.
            full_bpb: bits per byte of the whole supernet.
            layer_bpb: by skippable layer, how many more bits per byte it costs to leave it out.
        """
        self._space = space
        self._full = full_bpb
        sparse = max(1, len(space.sparse))
        halving = _HALVING * full_bpb / sparse
        skipped = [layer_bpb[layer] for layer in space.skippable]
        squares = _SQUARE * full_bpb
        self._prior = np.array(
            [*skipped, *[halving] * (3 * len(space.sparse)), squares, squares, squares]
        )
        doubts = [_LAYER_DOUBT * abs(bpb) + _MISFIT * full_bpb for bpb in skipped]
        self._doubt = np.array(
            [*doubts, *[3 * halving] * (3 * len(space.sparse)), *[2 * squares] * 3]
        )
        self.weights = self._prior

    def learn(self, measured: Sequence[tuple[Genes, float]]) -> None:
        """Fit to all members measured so far, given with their bits per byte."""
        rows = np.array([self._features(genes) for genes, _ in measured])
        rest = np.array([bpb - self._full for _, bpb in measured]) - rows @ self._prior
        # In units of the doubts, so that the penalty is the same for every weight.
        scaled = rows * self._doubt
        noise = (_MISFIT * self._full) ** 2
        inner = scaled.T @ scaled + noise * np.eye(len(self._prior))
        self.weights = self._prior + self._doubt * np.linalg.solve(inner, scaled.T @ rest)

    def guess(self, genes: Genes, weights: Vector | None = None) -> float:
        """Bits per byte of a member; `weights` in the place of the fitted ones."""
        used = self.weights if weights is None else weights
        return self._full + float(self._features(genes) @ used)

    def _features(self, genes: Genes) -> Vector:
        space, config = self._space, self._space.config
        left_out = [float(layer not in genes.layers) for layer in space.skippable]
        by_prefix, by_scores, fewer_k = [], [], []
        for place, layer in enumerate(space.sparse):
            kept = layer in genes.layers
            halvings = math.log2(config.num_experts / genes.counts[place]) if kept else 0.0
            named = genes.rankings[place] == "scores"
            by_prefix.append(0.0 if named else halvings)
            by_scores.append(halvings if named else 0.0)
            fewer_k.append(math.log2(config.top_k / genes.top_ks[place]) if kept else 0.0)
        scale = max(1, len(space.sparse))
        squares = (
            sum(left_out) ** 2 / max(1, config.num_layers),
            ((sum(by_prefix) + sum(by_scores)) / scale) ** 2,
            (sum(fewer_k) / scale) ** 2,
        )
        return np.array([*left_out, *by_prefix, *by_scores, *fewer_k, *squares])

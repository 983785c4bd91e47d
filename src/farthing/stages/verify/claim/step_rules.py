"""What one training step may say, given its recipe: shapes, tokens, pairs, FLOPs, learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from farthing.stages.verify.claim.flops import (
    Text,
    hidden_products,
    orthogonalising_flops,
    step_flops,
)
from farthing.stages.verify.claim.shapes import Kept, Sizes, full_shape, read_shape

_RATE_ROUNDING = 1e-12
_PLAIN_SIZE = 3
_MOST_TURNS = 4


@dataclass(frozen=True)
class Allowed:
    """The sizes that elastic training may draw, beside the full ones."""

    depths: frozenset[int]
    experts: frozenset[int]
    top_ks: frozenset[int]
    drops_layers: bool
    passes: tuple[str, ...]

    @classmethod
    def of(cls, elastic: dict[str, Any]) -> Allowed:
        """As the settings list them."""
        sizes = [_size(text) for text in elastic.get("sizes", ())]
        columns = list(zip(*sizes, strict=True)) or [()] * _PLAIN_SIZE
        listed = (elastic.get(name, ()) for name in ("depths", "expert_counts", "top_ks"))
        depths, experts, top_ks = (
            frozenset([*names, *(each for each in column if each is not None)])
            for names, column in zip(listed, columns, strict=True)
        )
        dropped = elastic.get("layer_dropout") is not None
        return cls(depths, experts, top_ks, dropped, tuple(elastic.get("passes", ("draw",))))


@dataclass(frozen=True)
class StepRules:
    """The rules of one recipe.

    Attributes:
        recipe: as the plan holds it.
        vocabulary: rows of the output matrix, from the corpus.
    """

    recipe: dict[str, Any]
    vocabulary: int

    @cached_property
    def sizes(self) -> Sizes:
        """Of the model."""
        return Sizes.of(self.recipe["model"])

    @cached_property
    def step_tokens(self) -> int:
        """Tokens of every step."""
        return int(self.recipe["train"]["batch_sequences"]) * self.sizes.context

    @cached_property
    def _elastic(self) -> dict[str, Any] | None:
        found = self.recipe["train"].get("elastic")
        return dict(found) if found is not None else None

    @cached_property
    def _allowed(self) -> Allowed | None:
        return Allowed.of(self._elastic) if self._elastic is not None else None

    @cached_property
    def _first_elastic(self) -> int:
        """The first step that need not be full."""
        if self._elastic is None:
            return self._steps
        onset = self._elastic.get("onset", 0.0)
        if onset == "decay":
            # The first step below the plateau.
            return self._steps - int(self._schedule["decay_share"] * self._steps)
        return math.floor(float(onset) * self._steps + _RATE_ROUNDING * self._steps)

    @property
    def _steps(self) -> int:
        return int(self.recipe["train"]["steps"])

    @property
    def _schedule(self) -> dict[str, Any]:
        return dict(self.recipe["train"]["schedule"])

    @cached_property
    def _by_shapes(self) -> dict[tuple[str, ...], tuple[int, int, tuple[Kept, ...]]]:
        return {}

    def problems(self, line: dict[str, Any]) -> Iterator[str]:
        """What a step says that its recipe does not allow: "field: what is wrong".

        Args:
            line: of a steps file, its fields known to be there.
        """
        tokens, pairs = line["tokens"], line["attended_pairs"]
        if tokens != self.step_tokens:
            yield f"tokens: {tokens}; batch and context make {self.step_tokens}"
        most = self.step_tokens * (self.sizes.context + 1) // 2
        if not isinstance(pairs, int) or not self.step_tokens <= pairs <= most:
            yield f"attended_pairs: {pairs} is outside {self.step_tokens} to {most}"
            return
        if line["loss_nats"] is not None and line["loss_nats"] < 0:
            yield f"loss_nats: {line['loss_nats']} is no loss"
        share = self.rate_share(int(line["step"]))
        if not math.isclose(line["rate_share"], share, rel_tol=_RATE_ROUNDING, abs_tol=1e-15):
            yield f"rate_share: {line['rate_share']}; the schedule gives {share}"
        try:
            per_token, per_pair, kept = self._counted(tuple(line["shapes"]))
        except (ValueError, TypeError) as error:
            yield f"shapes: {error}"
            return
        yield from self._shape_problems(int(line["step"]), kept)
        yield from self._flops_problems(line, per_token * tokens + per_pair * pairs, kept)

    def _flops_problems(
        self, line: dict[str, Any], counted: int, kept: Sequence[Kept]
    ) -> Iterator[str]:
        if line["flops"] != counted:
            yield f"flops: {line['flops']}; shapes and pairs make {counted}"
        again = self._most_recomputed(kept, Text(line["tokens"], line["attended_pairs"]))
        if not 0 <= line["recomputed_flops"] <= again:
            yield f"recomputed_flops: {line['recomputed_flops']} is outside 0 to {again}"
        most = self.most_optimizer_flops
        if not 0 <= line["optimizer_flops"] <= most:
            yield f"optimizer_flops: {line['optimizer_flops']} is outside 0 to {most}"

    def rate_share(self, step: int) -> float:
        """Share of the peak learning rate: a rise, a plateau, a fall to `final_share`.

        Args:
            step: from 0.
        """
        schedule, steps = self._schedule, self._steps
        rise, fall = schedule["warmup_share"] * steps, schedule["decay_share"] * steps
        if step + 1 < rise:
            return float((step + 1) / rise)
        left = steps - step
        if left > fall:
            return 1.0
        final = float(schedule.get("final_share", 0.0))
        if schedule.get("decay_shape", "linear") == "cosine":
            height = 0.5 * (1 + math.cos(math.pi * (1 - left / fall)))
        else:
            height = left / (fall + 1)
        return final + (1 - final) * height

    @cached_property
    def most_optimizer_flops(self) -> int:
        """Of one step: every hidden matrix has its turn. Which ones had, the gradients decide."""
        settings = self.recipe["train"]["optimizer"]
        if settings.get("matrix_optimizer", "muon") != "muon":
            return 0
        iterations = int(settings["newton_schulz_iterations"])
        return orthogonalising_flops(self.sizes, full_shape(self.sizes), iterations)

    @cached_property
    def turns(self) -> int:
        """Of how many steps in succession each matrix has its turn in one, at most four.

        So many that orthogonalising stays within its share of a full step's FLOPs.
        """
        settings = self.recipe["train"]["optimizer"]
        if settings.get("newton_schulz_share") is None or not self.most_optimizer_flops:
            return 1
        share = float(settings["newton_schulz_share"])
        text = Text(self.step_tokens, self.step_tokens * (self.sizes.context + 1) // 2)
        whole = step_flops(
            self.sizes, self.vocabulary, [full_shape(self.sizes)], text, distilled=False
        )
        return max(1, min(_MOST_TURNS, math.ceil(self.most_optimizer_flops / (share * whole))))

    def _counted(self, shapes: tuple[str, ...]) -> tuple[int, int, tuple[Kept, ...]]:
        """FLOPs by token and by pair, in which a step's are linear, and the shapes as read."""
        if shapes not in self._by_shapes:
            kept = tuple(read_shape(text, self.sizes) for text in shapes)
            distilled = bool(self._elastic and self._elastic.get("distill_weight", 0.0))
            token, pair = (
                step_flops(self.sizes, self.vocabulary, kept, text, distilled=distilled)
                for text in (Text(1, 0), Text(0, 1))
            )
            self._by_shapes[shapes] = token, pair, kept
        return self._by_shapes[shapes]

    def _most_recomputed(self, kept: Sequence[Kept], text: Text) -> int:
        """One more forward pass of all layers, where the recipe lets any forget."""
        if self.recipe["train"].get("activation_gib") is None:
            return 0
        return sum(2 * hidden_products(self.sizes, shape, text) for shape in kept)

    def _shape_problems(self, step: int, shapes: Sequence[Kept]) -> Iterator[str]:
        full, allowed = full_shape(self.sizes), self._allowed
        if allowed is None or step < self._first_elastic:
            if list(shapes) != [full]:
                yield "shapes: the recipe trains the whole model in this step"
            return
        if len(shapes) != len(allowed.passes):
            yield f"shapes: {len(shapes)} passes; the recipe has {len(allowed.passes)}"
            return
        for kind, kept in zip(allowed.passes, shapes, strict=True):
            if kept != full and (kind == "full" or not self._fits(kept, allowed)):
                yield f"shapes: the recipe's pass `{kind}` cannot be {kept}"

    def _fits(self, kept: Kept, allowed: Allowed) -> bool:
        depth = len(kept.layers)
        depths = allowed.depths | {self.sizes.layers}
        fits = depth in depths or (allowed.drops_layers and depth < self.sizes.layers)
        experts = allowed.experts | {self.sizes.experts}
        top_ks = allowed.top_ks | {self.sizes.top_k}
        # A top-k above the experts that take part is as many as those.
        return fits and all(
            count in experts and (k in top_ks or (k == count and k < max(top_ks)))
            for count, k in zip(kept.experts, kept.top_k, strict=True)
        )


def _size(text: str) -> tuple[int, int | None, int | None]:
    parts = text.strip().upper().split("-")
    depth = int(parts[0].rstrip("L"))
    if len(parts) != _PLAIN_SIZE:
        return depth, None, None
    return depth, int(parts[1].rstrip("E")), int(parts[2].rstrip("K"))

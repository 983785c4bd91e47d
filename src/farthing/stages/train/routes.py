"""Expert choices of some steps, noted by who trained and forced on who computes them again.

Rounding that differs in the last bit moves a token to another expert where two are nearly tied, and
what follows then differs by far more than rounding. With the choices of the first computation
forced, the second one differs by rounding alone; and each forced choice that it would not have made
itself must have been such a near tie.

Shapes: N tokens, S experts that take part, K chosen per token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from torch import Tensor

from farthing.errors import ClaimError, ConfigError
from farthing.model.kernels.routing import choice_gap, route, weigh
from farthing.model.router import Route
from farthing.stages.train.step import TrainingStep

Picks = npt.NDArray[np.uint16]

_MOST_PLACES = 1 << 16
_REMEDY = "the choices were changed, or belong to other steps: ask for the answer again"


class Listener(Protocol):
    """Stands where routers choose."""

    def at(self, layer: str, *, twice: bool) -> Route:
        """What chooses in `layer`.

        Args:
            layer: name of the layer.
            twice: whether it runs again in the backward pass, and is to choose the same then.
        """
        ...


@contextmanager
def attached(step: TrainingStep, listener: Listener) -> Iterator[None]:
    """Let `listener` stand where all routers of `step` choose, inside; before it is compiled."""
    routers = step.routers()
    recomputed = {f"layers.{layer}" for layer in step.recomputed}
    for name, router in routers.items():
        router.route = listener.at(name, twice=name in recomputed)
    try:
        yield
    finally:
        for router in routers.values():
            router.route = route


class RouteLog:
    """Notes every choice of some steps.

    log = RouteLog()
    replay(..., note=log)
    log.save(path)
    """

    def __init__(self) -> None:
        self._noted: dict[str, list[Picks]] = {}

    def at(self, layer: str, *, twice: bool) -> Route:
        """What notes the choices of `layer`; arguments as `Listener.at`."""
        noted = self._noted.setdefault(layer, [])
        first = _FirstOnly(twice=twice)

        def choose(
            logits_NS: Tensor, bias_S: Tensor, top_k: int, scale: float
        ) -> tuple[Tensor, Tensor]:
            picks_NK, weights_NK = route(logits_NS, bias_S, top_k, scale)
            if first():
                assert logits_NS.shape[1] <= _MOST_PLACES
                noted.append(picks_NK.flatten().cpu().numpy().astype(np.uint16))
            return picks_NK, weights_NK

        return choose

    def picks(self) -> dict[str, Picks]:
        """The choices of each layer, one after the other: places among the experts taking part."""
        return {
            layer: np.concatenate([np.zeros(0, dtype=np.uint16), *noted])
            for layer, noted in self._noted.items()
        }

    def save(self, path: Path) -> None:
        """Write the choices to `path`: a vector for each layer, uint8 where that is enough."""
        small = {
            layer: row.astype(np.uint8) if row.max(initial=0) < 1 << 8 else row
            for layer, row in self.picks().items()
        }
        save_file(small, path)


class Routes:
    """Choices to force.

    Attributes:
        tokens: whose choice was compared, over all layers and passes.
        moved: of these, those whose forced choice is another than their own.
        worst_gap: the largest `choice_gap` of these: how far from a tie the farthest one was; 0
            without any.
    """

    def __init__(self, picks: Mapping[str, npt.NDArray[Any]]) -> None:
        """Force what a `RouteLog` noted; `picks` as its method of that name gives them."""
        self._picks = dict(picks)
        self._read = dict.fromkeys(picks, 0)
        self.tokens = 0
        self.moved = 0
        self.worst_gap = 0.0

    @classmethod
    def load(cls, path: Path) -> Routes:
        """Read what `RouteLog.save` wrote; nothing in it is believed before it is used.

        Raises:
            ClaimError: the file is no such thing.
        """
        try:
            picks = load_file(path)
        except (SafetensorError, OSError, ValueError, TypeError) as error:
            raise ClaimError(f"{path} holds no expert choices: {error}", remedy=_REMEDY) from error
        for layer, row in picks.items():
            if row.ndim != 1 or row.dtype not in (np.uint8, np.uint16):
                raise ClaimError(
                    f"{path}: the choices of {layer} are {row.dtype} of shape {row.shape}, not a "
                    "vector of small numbers",
                    remedy=_REMEDY,
                )
        return cls(picks)

    def at(self, layer: str, *, twice: bool) -> Route:
        """What forces the choices of `layer`; arguments as `Listener.at`."""
        if layer not in self._picks:
            raise ClaimError(f"there are no choices of {layer}", remedy=_REMEDY)
        first = _FirstOnly(twice=twice)
        forced_NK = torch.zeros(0, 0, dtype=torch.int64)

        def choose(
            logits_NS: Tensor, bias_S: Tensor, top_k: int, scale: float
        ) -> tuple[Tensor, Tensor]:
            nonlocal forced_NK
            if count := first():
                forced_NK = self._next(layer, len(logits_NS), top_k).to(logits_NS.device)
            picks_NK, weights_NK = route(logits_NS, bias_S, top_k, scale)
            self.tokens += len(logits_NS) * count
            if torch.equal(picks_NK, forced_NK):
                # To the last bit what it would have been without us.
                return picks_NK, weights_NK
            _check(forced_NK, logits_NS.shape[1], layer)
            if count:
                self._compare(picks_NK, forced_NK, choice_gap(logits_NS, bias_S, forced_NK))
            return forced_NK, weigh(logits_NS, forced_NK, scale)

        return choose

    def check_all_used(self) -> None:
        """Raises ClaimError where choices are left over: the steps asked for fewer."""
        for layer, row in self._picks.items():
            if self._read[layer] != len(row):
                raise ClaimError(
                    f"{len(row):,} choices of {layer} were given, the steps made "
                    f"{self._read[layer]:,}",
                    remedy=_REMEDY,
                )

    def _next(self, layer: str, tokens: int, top_k: int) -> Tensor:
        begin = self._read[layer]
        end = self._read[layer] = begin + tokens * top_k
        row = self._picks[layer][begin:end]
        if len(row) < tokens * top_k:
            raise ClaimError(
                f"{len(self._picks[layer]):,} choices of {layer} were given, the steps make more",
                remedy=_REMEDY,
            )
        return torch.from_numpy(row.astype(np.int64)).view(tokens, top_k)

    @torch.no_grad()
    def _compare(self, picks_NK: Tensor, forced_NK: Tensor, gap_N: Tensor) -> None:
        other_N = (picks_NK.sort(-1).values != forced_NK.sort(-1).values).any(-1)
        self.moved += int(other_N.sum())
        self.worst_gap = max(self.worst_gap, float(gap_N.amax()))


class _FirstOnly:
    """Whether a call is the first of its pass: a layer that is recomputed calls twice in each."""

    def __init__(self, *, twice: bool) -> None:
        self._twice = twice
        self._again = False

    def __call__(self) -> bool:
        # A teacher's pass has no backward pass, and is computed once.
        if not self._twice or not torch.is_grad_enabled():
            return True
        first, self._again = not self._again, not self._again
        return first


def _check(forced_NK: Tensor, experts: int, layer: str) -> None:
    ordered_NK = forced_NK.sort(-1).values
    twice = bool((ordered_NK[:, 1:] == ordered_NK[:, :-1]).any())
    if twice or int(ordered_NK.amax()) >= experts:
        raise ClaimError(
            f"the choices of {layer} name an expert twice for one token, or one that takes no "
            f"part ({experts} do)",
            remedy=_REMEDY,
        )


def check_can_listen(compile_setting: str) -> None:
    """Raises ConfigError where layers are compiled: a compiled layer asks nobody."""
    if compile_setting != "off":
        raise ConfigError(
            f"train.compile is {compile_setting}: the choices inside a compiled layer can be "
            "neither noted nor forced",
            remedy="replay it bit for bit in the environment it ran in, or train with "
            "train.compile=off",
        )

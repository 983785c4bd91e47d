"""How long a member takes for one token, measured here, and guessed for the others.

Protocol: batch 1, key-value cache, through `generate_tokens`, as `farthing generate` runs a member
inside its supernet. A prompt of 16 tokens of calibration text is read, then up to 32 tokens are
drawn; the time between two tokens counts, the prompt's does not. All members take turns, one
prompt at a time, so that whatever else the machine does meets all alike; the figure of a member is
the median over its tokens, in milliseconds.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Mapping, Sequence

import numpy as np

from farthing.errors import ConfigError
from farthing.model.generate import generate_tokens
from farthing.model.shape import Shape
from farthing.model.transformer import Transformer

PROMPT_TOKENS = 16
NEW_TOKENS = 32
ROUNDS = 4
# The first prompt of each member fills caches: it is read, and not counted.
_WARM_UP_ROUNDS = 1


def measure_latency_ms(
    model: Transformer, shapes: Sequence[Shape], prompts: Sequence[Sequence[int]]
) -> dict[Shape, float]:
    """Median milliseconds per generated token of each member, by the protocol above.

    Args:
        model: the supernet, in evaluation mode.
        shapes: the members.
        prompts: texts to go on from, one for each round, the warm-up first; taken in turn.

    Raises:
        ConfigError: a member ends every text at once, so there is nothing to time.
    """
    seconds: dict[Shape, list[float]] = {shape: [] for shape in shapes}
    for turn in range(_WARM_UP_ROUNDS + ROUNDS):
        prompt = list(prompts[turn % len(prompts)])[:PROMPT_TOKENS]
        for shape in shapes:
            found = _between_tokens(model, shape, prompt, seed=turn)
            if turn >= _WARM_UP_ROUNDS:
                seconds[shape] += found
    for shape, found in seconds.items():
        if not found:
            raise ConfigError(
                f"the member {shape.label(model.config)} ends every text at once: its time per "
                "token cannot be measured",
                remedy="train the supernet for longer, or limit another amount",
            )
    return {shape: 1000 * statistics.median(found) for shape, found in seconds.items()}


def _between_tokens(
    model: Transformer, shape: Shape, prompt: list[int], *, seed: int
) -> list[float]:
    tokens = generate_tokens(
        model, shape, prompt, max_tokens=NEW_TOKENS, temperature=1.0, top_p=1.0, seed=seed
    )
    moments = [time.perf_counter() for _ in tokens]
    return [after - before for before, after in itertools.pairwise(moments)]


class LatencyModel:
    """Milliseconds as a sum of what a member has, fitted by non-negative least squares.

        ms = fixed + per layer + per expert visited + per expert kept

    A term that the measurements would make negative is left out: more work never takes less time.
    """

    def __init__(self) -> None:
        self._weights = np.zeros(4)

    def learn(self, measured: Mapping[Shape, float]) -> None:
        """Fit to measured members, in milliseconds."""
        rows = np.array([_features(shape) for shape in measured])
        times = np.array(list(measured.values()))
        used = list(range(rows.shape[1]))
        while used:
            found = np.linalg.lstsq(rows[:, used], times, rcond=None)[0]
            if found.min() >= 0:
                break
            used.pop(int(found.argmin()))
        self._weights = np.zeros(rows.shape[1])
        self._weights[used] = found

    def guess_ms(self, shape: Shape) -> float:
        """Milliseconds per token of any member."""
        return float(_features(shape) @ self._weights)


def _features(shape: Shape) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    kept = sum(experts if isinstance(experts, int) else len(experts) for experts in shape.experts)
    return np.array([1.0, len(shape.layers), sum(shape.top_k), kept])

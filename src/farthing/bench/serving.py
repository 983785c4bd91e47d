"""How many tokens a second a member reads and writes here, for several batch sizes.

Protocol: prompts of real text, all of one length; the first pass reads them (prefill) and gives
the first token of every answer, further passes of one token each write the rest (decode), with a
key-value cache and the likeliest token each time, as `farthing generate` runs a member inside its
supernet. An answer does not stop where its text ends: all batches do the same work. All batch sizes
take turns, so that whatever else the machine does meets all alike; a first turn warms up and is not
timed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from farthing.artifacts.measurement import Figure
from farthing.artifacts.serving import Phase, ServingPoint
from farthing.artifacts.work import Work
from farthing.bench.clock import lap
from farthing.cost.flops import forward_flops
from farthing.errors import UsageError
from farthing.model.shape import Shape
from farthing.model.transformer import KeyValueCache, Transformer

BATCHES = (1, 4, 16)
PROMPT_TOKENS = 128
NEW_TOKENS = 33
REPEATS = 5


@dataclass(frozen=True)
class Load:
    """What is served: `batch` prompts, each answered, and their lengths in tokens."""

    batch: int
    prompt_tokens: int
    new_tokens: int

    @property
    def read(self) -> int:
        """Tokens of all prompts."""
        return self.batch * self.prompt_tokens

    @property
    def written(self) -> int:
        """Tokens that decode writes: the first of each answer comes out of the prompt."""
        return self.batch * (self.new_tokens - 1)

    @property
    def prefill_pairs(self) -> int:
        """Pairs of a position and one that it attends to, itself included."""
        return self.batch * self.prompt_tokens * (self.prompt_tokens + 1) // 2

    @property
    def decode_pairs(self) -> int:
        """The same for the tokens that decode writes."""
        lengths = range(self.prompt_tokens + 1, self.prompt_tokens + self.new_tokens)
        return self.batch * sum(lengths)


def lengths_within(longest: int | None) -> tuple[int, int]:
    """Tokens of prompt and answer: the usual ones, or a share of all that a model can see.

    Args:
        longest: learned positions; None for a model without such a limit.
    """
    if longest is None or longest >= PROMPT_TOKENS + NEW_TOKENS:
        return PROMPT_TOKENS, NEW_TOKENS
    answer = max(2, longest // 4)
    return max(1, longest - answer), answer


def measure_serving(
    model: Transformer,
    shape: Shape,
    text: Sequence[int],
    loads: Sequence[Load],
    *,
    source: str,
    repeats: int = REPEATS,
    used: Callable[[], Work],
    count: Callable[[int, float], None],
) -> tuple[ServingPoint, ...]:
    """Time every load, in turns.

    Args:
        model: in evaluation mode.
        shape: the member.
        text: token ids, from which prompts are cut.
        loads: what to serve.
        source: where the figures come from, in words.
        repeats: timed turns.
        used: all that this run has used so far.
        count: is told tokens and model FLOPs, as they are done.

    Raises:
        UsageError: the text is shorter than one prompt.
    """
    if len(text) < max(load.prompt_tokens for load in loads):
        raise UsageError(
            f"{len(text)} tokens of text are no prompt of "
            f"{max(load.prompt_tokens for load in loads)}",
            remedy="measure with shorter prompts",
        )
    timed = {load: _Timed(load) for load in loads}
    for turn in range(1 + repeats):
        for load in loads:
            served = _Served(model, shape, _prompts(text, load, turn, model))
            done = served.run(load.new_tokens, used)
            count(load.read + load.written, _flops(model, shape, load))
            if turn:
                timed[load].add(*done)
    return tuple(timed[load].point(source) for load in loads)


class _Served:
    """One batch from its prompts to the ends of its answers."""

    def __init__(self, model: Transformer, shape: Shape, prompts_BT: Tensor) -> None:
        self._model, self._shape, self._prompts_BT = model, shape, prompts_BT
        self._cache = KeyValueCache(shape)
        self._last_B = prompts_BT[:, -1]

    @torch.no_grad()
    def run(
        self, new_tokens: int, used: Callable[[], Work]
    ) -> tuple[tuple[float, Work], tuple[float, Work]]:
        """Seconds and work of prefill, and of decode."""
        prefill = self._timed(lambda: self._pass(self._prompts_BT), used)
        decode = self._timed(lambda: self._write(new_tokens - 1), used)
        return prefill, decode

    def _timed(self, do: Callable[[], None], used: Callable[[], Work]) -> tuple[float, Work]:
        before = used()
        with lap(self._prompts_BT.device) as taken:
            do()
        return taken.wall_seconds, used() - before

    def _write(self, tokens: int) -> None:
        for _ in range(tokens):
            self._pass(self._last_B[:, None])

    def _pass(self, tokens_BT: Tensor) -> None:
        logits_BTV = self._model(tokens_BT, self._shape, self._cache)
        self._last_B = logits_BTV[:, -1].argmax(dim=-1)


class _Timed:
    """The repeats of one load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._prefill: list[tuple[float, Work]] = []
        self._decode: list[tuple[float, Work]] = []

    def add(self, prefill: tuple[float, Work], decode: tuple[float, Work]) -> None:
        self._prefill.append(prefill)
        self._decode.append(decode)

    def point(self, source: str) -> ServingPoint:
        return ServingPoint(
            batch=self._load.batch,
            prefill=_phase(self._prefill, self._load.read, source),
            decode=_phase(self._decode, self._load.written, source),
        )


def _phase(repeats: list[tuple[float, Work]], tokens: int, source: str) -> Phase:
    works = [work for _, work in repeats]
    return Phase(
        rate=Figure.of([tokens / seconds for seconds, _ in repeats], "token/s", source),
        tokens=tokens * len(repeats),
        work=sum(works[1:], works[0]),
    )


def _prompts(text: Sequence[int], load: Load, turn: int, model: Transformer) -> Tensor:
    """Stretches of the text, each opened by the mark of a new document; others in every turn."""
    body = load.prompt_tokens - 1
    room = len(text) - body
    rows = [
        [model.end_of_text, *text[start : start + body]]
        for start in ((turn * load.batch + row) * body % room for row in range(load.batch))
    ]
    return torch.tensor(rows, device=model.embed_tokens.weight.device)


def _flops(model: Transformer, shape: Shape, load: Load) -> float:
    return float(
        forward_flops(
            model.config,
            model.vocab_size,
            shape,
            tokens=load.read + load.written,
            attended_pairs=load.prefill_pairs + load.decode_pairs,
        )
    )

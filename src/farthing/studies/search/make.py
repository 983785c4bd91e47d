"""Makes the artifact of a search, inside the run that is billed for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.manifest import Manifest, write_manifest
from farthing.artifacts.storage import staged_directory
from farthing.cost.flops import flops_per_token, forward_flops
from farthing.cost.parameters import count_parameters
from farthing.errors import ShapeError
from farthing.model.config import ModelConfig
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.stages.evaluate.calibration import CalibrationText
from farthing.stages.evaluate.importance import Importance, measure_importance
from farthing.stages.extract.cut import member_config
from farthing.studies.search.config import SearchConfig
from farthing.studies.search.explore import Explorer, Found
from farthing.studies.search.genes import MemberSpace
from farthing.studies.search.latency import LatencyModel, measure_latency_ms
from farthing.studies.search.limit import MIB, Limit, exact_amount, weight_bytes
from farthing.studies.search.result import KIND, SEARCH_NAME, Candidate, SearchResult
from farthing.studies.search.score import search_bpb
from farthing.text.corpus import Corpus

# Where time is the limit, what was only guessed is taken for a little slower: a guess may be wrong.
_GUESS_MARGIN = 1.03
# How many members are measured once more for each finalist, and, where time is the limit, how many
# may be timed for each of those.
_PLAYERS_PER_FINALIST = 3
_TIMED_PER_PLAYER = 2


@dataclass(frozen=True)
class SearchTexts:
    """Parts of the training text that share no window.

    Attributes:
        calibration: importance is measured on it.
        search: every member is measured on it.
        playoff: the best ones are, to choose the finalists; longer.
    """

    calibration: CalibrationText
    search: CalibrationText
    playoff: CalibrationText


SpentHook = Callable[[int, float], None]


class SearchJob:
    """One search over one supernet: what it reads, and what it says while it works."""

    def __init__(
        self,
        settings: SearchConfig,
        supernet: Supernet,
        corpus: Corpus,
        texts: SearchTexts,
        *,
        on_spent: SpentHook,
        say: Callable[[str], None],
    ) -> None:
        """Take over what a search needs.

        Args:
            settings: with a budget.
            supernet: whose members are searched.
            corpus: which it was trained on.
            texts: three parts of the training text.
            on_spent: called after each piece of work with its tokens and forward FLOPs.
            say: prints one line.
        """
        self._settings, self._supernet, self._corpus = settings, supernet, corpus
        self._texts = texts
        self._on_spent, self._say = on_spent, say
        self._model = supernet.model
        self._milliseconds: dict[Shape, float] = {}
        self._latency = LatencyModel()
        self._playoff: dict[Shape, float] = {}

    def make(self, directory: Path, input_key: str) -> Manifest:
        """Search, and write `search.json` into `directory`.

        Raises:
            ConfigError: not even the smallest member keeps within the limit.
        """
        result = self._search()
        with staged_directory(directory) as staged:
            text = result.model_dump_json(indent=1) + "\n"
            (staged / SEARCH_NAME).write_text(text, encoding="utf-8")
            return write_manifest(
                staged,
                kind=KIND,
                input_key=input_key,
                detail={"supernet": self._supernet.digest, "corpus": self._corpus.digest},
            )

    def _search(self) -> SearchResult:
        importance = measure_importance(
            self._model, self._texts.calibration, on_pass=self._spent_on
        )
        self._say(f"importance of {len(importance.turns)} layers and their experts measured")
        space = MemberSpace(self._model.config, importance, self._settings.space)
        limit = self._limit(space)
        limit.check_smallest(space.shape(space.smallest()), self._model.config)
        explorer = self._explorer(space, limit, importance)
        explorer.measure_uniform()
        self._say(f"{len(explorer.uniform)} uniform members measured")
        explorer.measure_singles()
        explorer.evolve(self._say)
        best_uniform = self._play(explorer.uniform, limit)
        # Where every member of a space is uniform there is nothing else to choose.
        finalists = self._play(explorer.others, limit) or best_uniform
        return SearchResult(
            supernet=self._supernet.digest,
            corpus=self._corpus.digest,
            settings=self._settings,
            search_tokens=self._texts.search.tokens,
            playoff_tokens=self._texts.playoff.tokens,
            importance=importance,
            candidates=tuple(self._describe(one, limit) for one in explorer.found.values()),
            finalists=tuple(str(one.shape) for one in finalists),
            uniform=tuple(str(one.shape) for one in best_uniform),
        )

    def _limit(self, space: MemberSpace) -> Limit:
        kind, bound, config = self._settings.limit, self._settings.bound, self._model.config
        if kind != "latency":
            return Limit(kind, bound, exact_amount(kind, config, self._model.vocab_size))
        self._time(_spread(space))
        return Limit(kind, bound, self._guess_ms)

    def _guess_ms(self, shape: Shape) -> float:
        """What was measured of a member, or else what the fitted model says."""
        known = self._milliseconds.get(shape)
        return _GUESS_MARGIN * self._latency.guess_ms(shape) if known is None else known

    def _time(self, shapes: list[Shape]) -> None:
        prompts = [
            row for batch in self._texts.search.batches.values() for row in batch.tokens.tolist()
        ]
        end = self._model.end_of_text
        prompts = [[token for token in row if token != end] for row in prompts]
        self._milliseconds |= measure_latency_ms(self._model, shapes, prompts)
        self._latency.learn(self._milliseconds)
        self._say(f"{len(shapes)} members timed")

    def _explorer(self, space: MemberSpace, limit: Limit, importance: Importance) -> Explorer:
        started, seconds = time.monotonic(), self._settings.seconds

        def may_go_on(measured: int) -> bool:
            if seconds is not None:
                return time.monotonic() - started < seconds
            return measured < (self._settings.evaluations or 0)

        return Explorer(
            space,
            limit,
            score=lambda shape: self._score(shape, self._texts.search),
            layer_nats=importance.skipped_nats,
            full_nats=importance.mean_nats,
            may_go_on=may_go_on,
            seed=self._settings.seed,
        )

    def _play(self, found: list[Found], limit: Limit) -> list[Found]:
        """The finalists: of the best ones that fit, the best on a longer text.

        The best of many on a short text owes a part of its lead to that text.
        """
        finalists = self._settings.finalists
        players = self._confirmed(found, limit, _PLAYERS_PER_FINALIST * finalists)
        for one in players:
            self._playoff[one.shape] = self._score(one.shape, self._texts.playoff)
        return sorted(players, key=lambda one: self._playoff[one.shape])[:finalists]

    def _confirmed(self, found: list[Found], limit: Limit, wanted: int) -> list[Found]:
        """The first `wanted` that keep within the limit, the best first; times are measured."""
        if limit.kind != "latency":
            return found[:wanted]
        kept: list[Found] = []
        for first in range(0, wanted * _TIMED_PER_PLAYER, wanted):
            batch = found[first : first + wanted]
            unknown = [one.shape for one in batch if one.shape not in self._milliseconds]
            if unknown:
                self._time(unknown)
            kept += [one for one in batch if self._milliseconds[one.shape] <= self._settings.bound]
            if len(kept) >= wanted:
                break
        # The smallest uniform member was timed before all others, and is always among those found.
        known = (one for one in found if one.shape in self._milliseconds)
        return kept[:wanted] or [one for one in known if limit.holds(one.shape)][:1]

    def _score(self, shape: Shape, text: CalibrationText) -> float:
        found = search_bpb(self._model, shape, text, batch_sequences=self._settings.batch_sequences)
        self._spent(shape, text)
        return found

    def _spent_on(self, shape: Shape, tokens: int) -> None:
        del tokens
        self._spent(shape, self._texts.calibration)

    def _spent(self, shape: Shape, text: CalibrationText) -> None:
        flops = forward_flops(
            self._model.config,
            self._model.vocab_size,
            shape,
            tokens=text.tokens,
            attended_pairs=text.attended_pairs,
        )
        self._on_spent(text.tokens, float(flops))

    def _describe(self, one: Found, limit: Limit) -> Candidate:
        config, vocab_size = self._model.config, self._model.vocab_size
        count = count_parameters(config, vocab_size, one.shape)
        amount = limit.amount(one.shape)
        return Candidate(
            shape=str(one.shape),
            label=one.shape.label(config),
            typed=one.shape.typed(config),
            origin=one.origin,
            predicted_bpb=one.guess,
            search_bpb=one.bpb,
            playoff_bpb=self._playoff.get(one.shape),
            total=count.total,
            active=count.active,
            flops_per_token=flops_per_token(config, vocab_size, one.shape),
            weight_mib=weight_bytes(config, vocab_size, one.shape) / MIB,
            milliseconds=self._milliseconds.get(one.shape),
            fits=amount <= self._settings.bound,
            extractable=_can_leave(one.shape, config),
        )


def _can_leave(shape: Shape, config: ModelConfig) -> bool:
    try:
        member_config(config, shape)
    except ShapeError:
        return False
    return True


def _spread(space: MemberSpace) -> list[Shape]:
    """Members that differ in every term of the latency model."""
    full, smallest = space.full(), space.smallest()
    depth, fewest = len(full.layers), len(smallest.layers)
    sizes = {(d, k) for d in (depth, (depth + fewest) // 2, fewest) for k in ("large", "small")}
    shapes = {space.shape(full), space.shape(smallest)}
    if not space.sparse:
        return sorted({space.shape(space.uniform(d, 0, 0)) for d, _ in sizes} | shapes, key=str)
    count, least, top_k = space.counts[-1], space.counts[0], space.config.top_k
    for d, size in sizes:
        k = top_k if size == "large" else 1
        shapes.add(space.shape(space.uniform(d, count, k)))
        shapes.add(space.shape(space.uniform(d, max(least, k), k)))
    return sorted(shapes, key=str)

"""The book of a claim, as its checks look into it: runs with their ends, plans, drafts, scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from farthing.artifacts.body import Body
from farthing.artifacts.claims.entries import ClaimDraft, ClaimNonce
from farthing.artifacts.entries import (
    Evaluation,
    Extraction,
    Genesis,
    Plan,
    Record,
    RunEnd,
    RunStart,
    Segment,
)
from farthing.artifacts.rates import RatesRecord
from farthing.artifacts.work import Work

BodyT = TypeVar("BodyT", bound=Body)


@dataclass(frozen=True)
class Placed:
    """An entry's place and time beside its body.

    Attributes:
        number: of the entry, from 0.
        digest: of its line.
        time: UTC, as written.
    """

    number: int
    digest: str
    time: str

    @property
    def line(self) -> str:
        """Where a person finds it."""
        return f"book.jsonl, line {self.number + 1}"


@dataclass(frozen=True)
class Run:
    """One run of the book.

    Attributes:
        start, started: its first entry.
        end, ended: its last one; None while it is open.
        segments: as the book holds them.
        billed: its work: that of its end, else of its last heartbeat, else of its last segment.
    """

    start: RunStart
    started: Placed
    end: RunEnd | None
    ended: Placed | None
    segments: tuple[Segment, ...]
    billed: Work

    @property
    def number(self) -> int:
        """Of the run."""
        return self.start.run

    @property
    def completed(self) -> bool:
        """Whether it ended well."""
        return self.end is not None and self.end.status == "completed"


class ClaimBook:
    """What a book says, by kind; the records are verified already."""

    def __init__(self, records: Sequence[Record], last_beats: dict[int, Work]) -> None:
        """Sort the entries.

        Args:
            records: all, from genesis.
            last_beats: of runs without an end, the work of their last heartbeat.
        """
        self.records = tuple(records)
        self._last_beats = last_beats

    def of_kind(self, kind: type[BodyT]) -> Iterator[tuple[Placed, BodyT]]:
        """Places and bodies of one kind, in the order of the book."""
        for record in self.records:
            if isinstance(record.body, kind):
                entry = record.entry
                yield Placed(entry.number, entry.digest, entry.time), record.body

    @cached_property
    def genesis(self) -> Genesis:
        """The first entry; the opening has made sure of it."""
        body = self.records[0].body
        assert isinstance(body, Genesis)
        return body

    @cached_property
    def runs(self) -> dict[int, Run]:
        """All runs by number."""
        ends = {end.run: (place, end) for place, end in self.of_kind(RunEnd)}
        segments: dict[int, list[Segment]] = defaultdict(list)
        for _, segment in self.of_kind(Segment):
            segments[segment.run].append(segment)
        found = {}
        for place, start in self.of_kind(RunStart):
            ended, end = ends.get(start.run, (None, None))
            own = tuple(segments[start.run])
            found[start.run] = Run(start, place, end, ended, own, self._billed(start, end, own))
        return found

    @cached_property
    def plans(self) -> dict[str, tuple[Placed, Plan]]:
        """All plans by the digest of their entry."""
        return {place.digest: (place, plan) for place, plan in self.of_kind(Plan)}

    @cached_property
    def drafts(self) -> dict[str, tuple[Placed, ClaimDraft]]:
        """All drafts of claims by the digest of their entry."""
        return {place.digest: (place, draft) for place, draft in self.of_kind(ClaimDraft)}

    @cached_property
    def nonces(self) -> dict[str, tuple[Placed, ClaimNonce]]:
        """All nonces by the digest of their entry."""
        return {place.digest: (place, nonce) for place, nonce in self.of_kind(ClaimNonce)}

    @cached_property
    def evaluations(self) -> tuple[tuple[Placed, Evaluation], ...]:
        """All scores, in the order of the book."""
        return tuple(self.of_kind(Evaluation))

    @cached_property
    def extractions(self) -> tuple[tuple[Placed, Extraction], ...]:
        """All members that were cut out."""
        return tuple(self.of_kind(Extraction))

    @cached_property
    def rates(self) -> tuple[RatesRecord, ...]:
        """In the order of the book."""
        return tuple(rates for _, rates in self.of_kind(RatesRecord))

    def rates_of(self, run: int) -> RatesRecord | None:
        """Those that hold for a run: of the latest `from_run`, the latest entry."""
        fitting = [rates for rates in self.rates if rates.from_run <= run]
        if not fitting:
            return None
        begin = max(rates.from_run for rates in fitting)
        return [rates for rates in fitting if rates.from_run == begin][-1]

    def _billed(self, start: RunStart, end: RunEnd | None, segments: Sequence[Segment]) -> Work:
        if end is not None:
            return end.work
        if start.run in self._last_beats:
            return self._last_beats[start.run]
        if segments:
            return segments[-1].work
        return Work(
            wall_seconds=0.0,
            device_seconds=0.0,
            cpu_seconds=0.0,
            tokens=0,
            flops=0.0,
            optimizer_flops=0.0,
            joules=None,
            energy_method="none",
        )


def without_seed(recipe: dict[str, Any]) -> dict[str, Any]:
    """A plan's recipe as a draft registers it: `train.seed` null."""
    train = recipe.get("train")
    return {**recipe, "train": {**train, "seed": None}} if isinstance(train, dict) else recipe


def seed_of(recipe: dict[str, Any]) -> object:
    """The seed that a plan's recipe says; None where it says none."""
    train = recipe.get("train")
    return train.get("seed") if isinstance(train, dict) else None

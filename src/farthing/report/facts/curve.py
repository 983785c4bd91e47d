"""The losses of a training run over what it had spent, every attempt and repeated step included."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, TypeGuard

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.entries import Record, Segment
from farthing.ledger.accounts import RunAccount
from farthing.ledger.rates import Pricing

# A curve of more points than pixels says nothing more and makes the page heavy.
_MOST_POINTS = 110
_SECONDS_PER_HOUR = 3600.0
_COUNTS = ("run", "step", "tokens")
_AMOUNTS = ("flops", "wall_seconds")
# More than any step can use; sums and products of such numbers stay finite.
_LARGEST = 1e30


@dataclass(frozen=True)
class Step:
    """One line of the metrics, with what all attempts together had used by then."""

    run: int
    step: int
    loss_nats: float
    device_hours: float
    tokens: int
    flops: float
    kept: bool


@dataclass(frozen=True)
class CurvePoint:
    """Some steps in a row of one attempt: their mean loss and extremes; amounts at their end."""

    first_step: int
    last_step: int
    mean_nats: float
    low_nats: float
    high_nats: float
    device_hours: float
    tokens: int
    flops: float


@dataclass(frozen=True)
class Stretch:
    """Points in a row that were kept, or lost and done again (`kept` is False)."""

    run: int
    kept: bool
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class Attempt:
    """One run of the book that worked at these steps.

    Attributes:
        run, attempt: its numbers.
        status: how it ended.
        reason: why, if not well.
        resumed_from_step: of a checkpoint, or None for a fresh start.
        begins_device_hours, ends_device_hours: its place among the hours of all attempts.
        steps: how many it did.
        lost_steps: how many of them had to be done again.
    """

    run: int
    attempt: int
    status: str
    reason: str | None
    resumed_from_step: int | None
    begins_device_hours: float
    ends_device_hours: float
    steps: int
    lost_steps: int


@dataclass(frozen=True)
class LossCurve:
    """The whole curve.

    Attributes:
        attempts: oldest first.
        stretches: in the order in which they were done.
        steps_per_point: the most steps that one point stands for.
        unreadable_lines: damaged lines of the metrics: cut off, or a figure is missing or not
            finite.
        segments: signed segments of the book whose steps are on the curve.
        segments_matching: how many of them have the digest of the losses on the curve.
    """

    attempts: tuple[Attempt, ...]
    stretches: tuple[Stretch, ...]
    steps_per_point: int
    unreadable_lines: int
    segments: int
    segments_matching: int

    @property
    def lost_steps(self) -> int:
        """Steps that were done, then lost to a kill, and done again."""
        return sum(attempt.lost_steps for attempt in self.attempts)

    @property
    def end(self) -> CurvePoint | None:
        """The last point of the finished run."""
        kept = [stretch for stretch in self.stretches if stretch.kept]
        return kept[-1].points[-1] if kept else None


def attempts_of(accounts: Sequence[RunAccount], supernet: str) -> list[RunAccount]:
    """The training runs that led to `supernet`: same settings, up to the one that finished it."""
    done = [a for a in accounts if a.artifact_digest == supernet and a.start.purpose == "training"]
    if not done:
        return []
    final = done[0]
    found: list[RunAccount] = []
    for account in accounts:
        if account.start.input_key == final.start.input_key:
            found.append(account)
            if account is final:
                return found
            if account.status == "completed":
                found.clear()  # an earlier run of the same settings, finished on its own
    return found


def read_curve(
    metrics: Path, accounts: Sequence[RunAccount], pricing: Pricing, records: Sequence[Record]
) -> LossCurve:
    """The curve of the attempts `accounts`, from the run's metrics file (which may be missing)."""
    lines, unreadable = _read_lines(metrics, {account.start.run for account in accounts})
    offsets = _offsets(accounts, lines, pricing)
    steps = _accumulate(lines, accounts, {run: begin for run, (begin, _) in offsets.items()})
    per_point = max(1, math.ceil(len(steps) / _MOST_POINTS))
    segments, matching = _compare_segments(lines, records)
    return LossCurve(
        attempts=tuple(_attempt(account, offsets, steps) for account in accounts),
        stretches=tuple(_stretches(steps, per_point)),
        steps_per_point=per_point,
        unreadable_lines=unreadable,
        segments=segments,
        segments_matching=matching,
    )


def _read_lines(path: Path, runs: set[int]) -> tuple[list[dict[str, Any]], int]:
    """The whole lines of those runs, and how many lines of any run cannot be used."""
    lines, unreadable = [], 0
    if not path.is_file():
        return [], 0
    with path.open(encoding="utf-8", errors="replace") as file:
        for text in file:
            line = _parse_line(text)
            if line is None:
                unreadable += 1
            elif line["run"] in runs:
                lines.append(line)
    return lines, unreadable


def _parse_line(text: str) -> dict[str, Any] | None:
    """One step, with all figures that the curve needs and none that is no number; or None."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(line, dict):
        return None
    amounts = [line.get(key) for key in (*_COUNTS, *_AMOUNTS)]
    usable = (
        all(isinstance(line.get(key), int) for key in _COUNTS)
        and all(_is_finite(amount) and amount >= 0 for amount in amounts)
        and _is_finite(line.get("loss_nats"))
        and all(_is_finite(each) for each in line.values() if isinstance(each, float))
    )
    return line if usable else None


def _is_finite(value: object) -> TypeGuard[int | float]:
    """Whether it is a number (True is none) that can be reckoned with."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _LARGEST


def _offsets(
    accounts: Sequence[RunAccount], lines: Sequence[dict[str, Any]], pricing: Pricing
) -> dict[int, tuple[float, float]]:
    """Device-hours at which each attempt begins and ends, one after the other as billed."""
    places, begin = {}, 0.0
    for account in accounts:
        run, devices = account.start.run, account.start.machine.devices
        billed = account.figures(pricing.of(run)).device_hours
        seconds = [line["wall_seconds"] for line in lines if line["run"] == run]
        seen = max(seconds, default=0.0) * devices / _SECONDS_PER_HOUR
        at_least = account.work.device_seconds / _SECONDS_PER_HOUR
        end = begin + max(seen, billed.value if billed is not None else at_least)
        places[run] = (begin, end)
        begin = end
    return places


def _accumulate(
    lines: Sequence[dict[str, Any]], accounts: Sequence[RunAccount], begins: dict[int, float]
) -> list[Step]:
    devices = {account.start.run: account.start.machine.devices for account in accounts}
    last_of = {line["step"]: place for place, line in enumerate(lines)}
    steps, tokens, flops = [], 0, 0.0
    for place, line in enumerate(lines):
        run = line["run"]
        tokens += line["tokens"]
        flops += line["flops"]
        hours = line["wall_seconds"] * devices[run] / _SECONDS_PER_HOUR
        steps.append(
            Step(
                run=run,
                step=line["step"],
                loss_nats=line["loss_nats"],
                device_hours=begins[run] + hours,
                tokens=tokens,
                flops=flops,
                kept=last_of[line["step"]] == place,
            )
        )
    return steps


def _attempt(
    account: RunAccount, offsets: dict[int, tuple[float, float]], steps: Sequence[Step]
) -> Attempt:
    mine = [step for step in steps if step.run == account.start.run]
    begin, end = offsets[account.start.run]
    return Attempt(
        run=account.start.run,
        attempt=account.start.attempt,
        status=account.status,
        reason=account.reason,
        resumed_from_step=account.start.resumed_from_step,
        begins_device_hours=begin,
        ends_device_hours=end,
        steps=len(mine),
        lost_steps=sum(not step.kept for step in mine),
    )


def _stretches(steps: Sequence[Step], per_point: int) -> Iterator[Stretch]:
    for (run, kept), group in groupby(steps, key=lambda step: (step.run, step.kept)):
        part = list(group)
        points = tuple(
            _point(part[first : first + per_point]) for first in range(0, len(part), per_point)
        )
        yield Stretch(run, kept, points)


def _point(steps: Sequence[Step]) -> CurvePoint:
    losses = [step.loss_nats for step in steps]
    end = steps[-1]
    return CurvePoint(
        first_step=steps[0].step,
        last_step=end.step,
        mean_nats=sum(losses) / len(losses),
        low_nats=min(losses),
        high_nats=max(losses),
        device_hours=end.device_hours,
        tokens=end.tokens,
        flops=end.flops,
    )


def _compare_segments(
    lines: Sequence[dict[str, Any]], records: Sequence[Record]
) -> tuple[int, int]:
    """Signed segments of these runs, and how many have the digest of the losses in `lines`."""
    losses: dict[int, dict[int, float]] = {}
    for line in lines:
        losses.setdefault(line["run"], {})[line["step"]] = line["loss_nats"]
    count = matching = 0
    for record in records:
        body = record.body
        if isinstance(body, Segment) and body.run in losses:
            count += 1
            wanted = range(body.first_step, body.last_step + 1)
            found = [losses[body.run].get(step) for step in wanted]
            matching += None not in found and digest_json(found) == body.loss_digest
    return count, matching

"""Level 1, the steps: losses, tokens and FLOPs of every step against what the book signed.

The steps file of an attempt holds one line for each step that it took. A segment of the book has
the digest of its losses and running totals of the attempt: all of them are made again from the
lines, and each line against its recipe.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.claims.strict_json import parse_strict
from farthing.artifacts.entries import Segment
from farthing.artifacts.work import Work
from farthing.errors import ClaimError
from farthing.stages.verify.claim.amounts import close
from farthing.stages.verify.claim.book import Run
from farthing.stages.verify.claim.step_rules import StepRules
from farthing.stages.verify.finding import Finding

_CHECK = "steps"
_LINE_DEPTH = 4
_MOST_PROBLEMS = 20
_WHOLE = ("step", "tokens", "attended_pairs")
_NUMBERS = ("loss_nats", "flops", "recomputed_flops", "optimizer_flops", "rate_share", "grad_norm")
_MAY_BREAK = ("loss_nats", "grad_norm")
_FIELDS = {*_WHOLE, *_NUMBERS, "shapes"}


@dataclass
class _Sums:
    """Running totals of an attempt, and what its present segment holds."""

    flops: list[float] = field(default_factory=list)
    optimizer_flops: list[float] = field(default_factory=list)
    tokens: int = 0
    losses: list[float] = field(default_factory=list)
    segment_tokens: int = 0
    segment_optimizer: list[float] = field(default_factory=list)

    def take(self, line: dict[str, Any]) -> None:
        self.flops.append(float(line["flops"]) + float(line["recomputed_flops"]))
        self.optimizer_flops.append(float(line["optimizer_flops"]))
        self.tokens += line["tokens"]
        self.losses.append(line["loss_nats"])
        self.segment_tokens += line["tokens"]
        self.segment_optimizer.append(float(line["optimizer_flops"]))

    def begin_segment(self) -> None:
        # Exact while every total is below 2**53, and one rounding each beyond.
        self.flops = [math.fsum(self.flops)]
        self.optimizer_flops = [math.fsum(self.optimizer_flops)]
        self.losses, self.segment_tokens, self.segment_optimizer = [], 0, []


def check_steps(run: Run, lines: Iterable[bytes], rules: StepRules, name: str) -> Iterator[Finding]:
    """All lines of an attempt at a training.

    Args:
        run: the attempt.
        lines: of its steps file.
        rules: of its recipe.
        name: of the file.
    """
    problems = 0
    for problem in _problems(run, lines, rules, name):
        problems += 1
        if problems > _MOST_PROBLEMS:
            yield Finding(_CHECK, False, name, "and more; the rest was not looked at", 1)
            return
        yield problem
    if not problems:
        detail = (
            f"run {run.number}: losses, tokens, shapes and FLOPs of {len(run.segments)} segments "
            "come out again"
        )
        yield Finding(_CHECK, True, name, detail, 1)


def _problems(run: Run, lines: Iterable[bytes], rules: StepRules, name: str) -> Iterator[Finding]:
    sums = _Sums()
    expected = run.start.resumed_from_step or 0
    waiting = list(run.segments)
    for number, text in enumerate(lines, start=1):
        where = f"{name}, line {number}"
        line = _parsed(text)
        if isinstance(line, str):
            yield _wrong(where, line)
            return
        if line["step"] != expected:
            yield _wrong(where, f"step: {line['step']} where {expected} was next")
            return
        if line["loss_nats"] is None and run.completed:
            yield _wrong(where, "loss_nats: no number, in a run that was completed")
        for problem in rules.problems(line):
            yield _wrong(where, problem)
        if waiting and waiting[0].first_step == expected:
            sums.begin_segment()
        sums.take(line)
        if waiting and waiting[0].last_step == expected:
            for problem in _segment_problems(waiting.pop(0), sums, rules):
                yield _wrong(where, problem)
        expected += 1
    for segment in waiting:
        told = f"steps {segment.first_step}-{segment.last_step}"
        yield _wrong(name, f"run {run.number} booked {told}, which are not all in its steps file")
    yield from (_wrong(name, problem) for problem in _end_problems(run, sums))


def _parsed(text: bytes) -> dict[str, Any] | str:
    """The line, or what is wrong with its form."""
    try:
        line = parse_strict(text, depth=_LINE_DEPTH)
    except ClaimError as error:
        return error.what
    if not isinstance(line, dict) or set(line) != _FIELDS:
        return f"the fields are not {', '.join(sorted(_FIELDS))}"
    for name in _WHOLE:
        if not isinstance(line[name], int) or isinstance(line[name], bool):
            return f"{name}: {line[name]!r} is no whole number"
    for name in _NUMBERS:
        # What was no number when training broke there is null.
        broken = line[name] is None and name in _MAY_BREAK
        if not broken and (
            isinstance(line[name], bool) or not isinstance(line[name], (int, float))
        ):
            return f"{name}: {line[name]!r} is no number"
    shapes = line["shapes"]
    if not isinstance(shapes, list) or not all(isinstance(each, str) for each in shapes):
        return "shapes: no list of shapes"
    return line


def _segment_problems(segment: Segment, sums: _Sums, rules: StepRules) -> Iterator[str]:
    told = f"the book's segment {segment.first_step}-{segment.last_step}"
    if len(sums.losses) != segment.last_step - segment.first_step + 1:
        yield f"{told} does not begin where a step of this attempt does"
        return
    if digest_json(sums.losses) != segment.loss_digest:
        yield f"loss_digest: the losses are not those of {told}"
    if not close(segment.loss_sum, math.fsum(sums.losses)):
        yield f"loss_sum: {segment.loss_sum}; the steps make {math.fsum(sums.losses)}"
    if segment.tokens != sums.segment_tokens:
        yield f"tokens: {segment.tokens} in {told}; the steps make {sums.segment_tokens}"
    yield from _total_problems(segment.work, sums, told)
    turns = math.ceil(len(sums.segment_optimizer) / rules.turns)
    most, spent = turns * rules.most_optimizer_flops, math.fsum(sums.segment_optimizer)
    if spent > most:
        yield f"optimizer_flops: {spent:.6g} in {told}, which has turns for {most:.6g} at most"


def _total_problems(work: Work, sums: _Sums, told: str) -> Iterator[str]:
    if work.tokens != sums.tokens:
        yield f"tokens: {work.tokens} booked with {told}; the steps make {sums.tokens}"
    for name, parts in (("flops", sums.flops), ("optimizer_flops", sums.optimizer_flops)):
        counted = math.fsum(parts)
        if not close(getattr(work, name), counted):
            yield f"{name}: {getattr(work, name):.9g} booked with {told}; recounted {counted:.9g}"


def _end_problems(run: Run, sums: _Sums) -> Iterator[str]:
    """A completed run was billed for all of its steps; one that was cut off for its segments."""
    if run.completed:
        yield from _total_problems(run.billed, sums, f"the end of run {run.number}")
    elif run.segments:
        last = run.segments[-1].work
        for name in ("tokens", "flops", "optimizer_flops"):
            if getattr(run.billed, name) < getattr(last, name):
                yield f"{name}: run {run.number} is billed for less than its last segment"


def _wrong(where: str, detail: str) -> Finding:
    return Finding(_CHECK, False, where, detail, 1)

"""`Law`: bits per byte of a model before it is trained, with the range it may lie in.

    law = shipped_law()
    law.bpb(active=588_000, total=1_410_000, tokens=3.7e6, steps=900, smallest=270_000)
    law.outside(active=10**9, tokens=2e10, steps=20_000)      # a sentence, or None
    law_of(booked_points(workspace, records))           # moved by what the workspace has measured

The form, and where its constants come from, stands in `curve`. It is fitted on farthing's own runs
(`fit`), and beyond them leans on Chinchilla's law.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml

from farthing.errors import PlanError
from farthing.predict.curve import NAMES, curve, models_of, one_model, tokens_until
from farthing.predict.points import SAMPLE, Point, shipped_points
from farthing.quantity import Quantity, estimated

if TYPE_CHECKING:
    from farthing.predict.curve import Rows

UNIT = "bit/B"

# How far beyond the largest and below the smallest run a law is asked without a warning.
REACH, SHRINK = 30.0, 3.0
# From the middle of a normal distribution to where nine of ten lie below.
TENTH = 1.2816
# As logarithms: what a run's loss may differ by for its rates and its seed alone (docs/log.md tries
# both), and the sample's level for the mixture: two others of its text are 0.015 and 0.035 off.
_RUN_SPREAD, _SAMPLE_SPREAD = 0.012, 0.02
# Seeds around their mean (docs/results/elastic.md): a run is one of them.
_SEED_SPREAD = 0.003
_ENDLESS = 1e30

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, kw_only=True, eq=False)
class Law:
    """A fitted law, and how far it may be off.

    Attributes:
        rows: (1 + replicates, len(NAMES)): the fit, then its bootstrap.
        spread: standard deviation of the logarithm of a loss around the law, of recipes that it was
            not fitted on.
        level_spread: the same of the text's level.
        most_active, least_active, most_tokens, least_tokens, least_steps: of the measured runs.
        basis: one line that says on what it rests.
    """

    rows: Rows
    spread: float
    level_spread: float
    most_active: float
    least_active: float
    most_tokens: float
    least_tokens: float
    least_steps: float
    basis: str

    def bpb(
        self, *, active: int, total: int, tokens: float, steps: float, smallest: int | None = None
    ) -> Quantity:
        """What a model will reach, in bits per byte, with the range from p10 to p90.

        It answers beyond the measured runs too: ask `outside` first.

        Args:
            active: parameters that a token visits, embeddings left out.
            total: all of them, embeddings left out.
            tokens: of the whole run.
            steps: of the whole run.
            smallest: for a member of a family, `active` of the smallest size that the run trains;
                None for a model that is trained alone.

        Raises:
            PlanError: a figure is not above zero.
        """
        _check(active=active, total=total, tokens=tokens, steps=steps, smallest=smallest or active)
        found = curve(self.rows, one_model(active, total, tokens, steps, smallest))[:, 0]
        middle, off = float(found[0]), math.exp(TENTH * self._deviation(found, active, tokens))
        return estimated(middle, UNIT, self.basis, low=middle / off, high=middle * off)

    def outside(self, *, active: float, tokens: float, steps: float) -> str | None:
        """Which limit of the law is left and by how much, as a sentence; None where none is.

        Limits are 30 times the largest measured run and a third of the smallest.

        Args:
            active: parameters that a token visits, embeddings left out.
            tokens: of the whole run.
            steps: of the whole run.
        """
        above = [
            (value / most, f"{_count(value)} {what} are {_count(value / most)} times")
            for what, value, most in (
                ("active parameters", active, self.most_active),
                ("tokens", tokens, self.most_tokens),
            )
        ]
        factor, words = max(above)
        if factor > REACH:
            return (
                f"{words} those of the largest run that the law rests on; beyond {REACH:.0f} times "
                "nobody has checked it"
            )
        below = [
            (least / value, f"{_count(value)} {what} are one {_count(least / value)}th")
            for what, value, least in (
                ("active parameters", active, self.least_active),
                ("tokens", tokens, self.least_tokens),
                ("steps", steps, self.least_steps),
            )
        ]
        factor, words = max(below)
        if factor > SHRINK:
            return (
                f"{words} of the smallest run that the law rests on; below one {SHRINK:.0f}rd "
                "nobody has checked it"
            )
        return None

    def tokens_for(
        self,
        bpb: float,
        *,
        active: int,
        total: int,
        batch_tokens: int,
        smallest: int | None = None,
        beyond: bool = False,
    ) -> Quantity:
        """How many tokens a model needs to reach `bpb`, with the range from p10 to p90.

        The upper end is infinite where the model may never get there.

        Args:
            bpb: bits per byte.
            active: parameters that a token visits, embeddings left out.
            total: all of them, embeddings left out.
            batch_tokens: of one step.
            smallest: as in `bpb`.
            beyond: answer beyond the law's limits.

        Raises:
            PlanError: the model does not reach it with any number of tokens, or, unless `beyond`,
                only outside of the law's limits.
        """
        _check(bpb=bpb, active=active, total=total, batch_tokens=batch_tokens)
        asked = one_model(active, total, float(batch_tokens), 1.0, smallest)

        def until(goal: float) -> float:
            return float(tokens_until(self.rows[:1], asked, goal)[0, 0])

        tokens = until(bpb)
        if math.isinf(tokens):
            endless = one_model(active, total, _ENDLESS, _ENDLESS / batch_tokens, smallest)
            best = float(curve(self.rows[:1], endless)[0, 0])
            raise PlanError(
                f"{bpb:g} bits per byte: by the law a model of {_count(active)} active parameters "
                f"never gets below {best:.3f}, however long it is trained",
                remedy="ask for more bits per byte, or for a larger model",
            )
        steps = tokens / batch_tokens
        sentence = self.outside(active=active, tokens=tokens, steps=steps)
        if sentence is not None and not beyond:
            raise PlanError(
                f"{bpb:g} bits per byte lie beyond the law: {sentence}",
                remedy="ask for what lies nearer to measured runs, or allow it to guess with "
                "--beyond-the-law",
            )
        found = curve(self.rows, one_model(active, total, tokens, steps, smallest))[:, 0]
        off = math.exp(TENTH * self._deviation(found, active, tokens))
        return estimated(tokens, "token", self.basis, low=until(bpb * off), high=until(bpb / off))

    def _deviation(self, found: Rows, active: float, tokens: float) -> float:
        """Standard deviation of the logarithm: bootstrap, recipes around the law, text, seeds.

        How far unseen recipes lie from the law was seen a factor of two or three away from the
        others; it is taken to grow by as much again for each factor of e beyond them. Short runs
        are told apart worse than long ones (one of 90 steps came out 3.6 % below the law): there
        the factor counts from the middle of what was measured.

        Args:
            found: (1 + replicates,) bits per byte.
            active: parameters of the model that it is of.
            tokens: of its run.
        """
        of_fit = float(np.std(np.log(found[1:]))) if len(found) > 1 else 0.0
        middle = math.sqrt(self.least_tokens * self.most_tokens)
        further = max(1.0, active / self.most_active, tokens / self.most_tokens, middle / tokens)
        spread = self.spread * (1 + math.log(further))
        return math.hypot(of_fit, spread, self.level_spread, _SEED_SPREAD)


@cache
def shipped_law() -> Law:
    """The law of farthing's own runs on the embedded sample, as it was fitted."""
    facts = _facts()
    with (_DATA / "law.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    if tuple(lines[0]) != NAMES:
        raise AssertionError(f"law.csv has the columns {lines[0]}: run bench/planner_law/fit.py")
    return shaped_law(
        np.array(lines[1:], dtype=np.float64), shipped_points(), spread=float(facts["spread"])
    )


def shaped_law(rows: Rows, points: Sequence[Point], *, spread: float) -> Law:
    """A law from fitted rows, with the limits of the points that it was fitted on."""
    recipes = sorted({point.recipe for point in points})
    return Law(
        rows=rows,
        spread=spread,
        level_spread=0.0,
        most_active=max(point.active for point in points),
        least_active=min(point.active for point in points),
        most_tokens=max(point.tokens for point in points),
        least_tokens=min(point.tokens for point in points),
        least_steps=min(point.steps for point in points),
        basis=f"scaling law of {len(points)} points from farthing's own runs "
        f"({', '.join(recipes)}), towards arXiv 2404.10102 at scale",
    )


def law_of(points: Sequence[Point], *, corpus: str | None = None) -> Law:
    """The shipped law, its level moved by what a workspace has measured, as far as that goes.

    Bits per byte depend on the text. On the embedded sample the shipped level is known to two per
    cent; of any other text only so far as domains differ, until a run has read it. Each recipe and
    length counts once (its members and seeds are off together): the level is the mean of what is
    known beforehand and of what they say, weighed by what each may be off.

    Args:
        points: the workspace's; only those of `corpus` count for the level, all for the limits.
        corpus: `sample`, or a digest; None for the corpus of most points, the sample without any.
    """
    shipped = shipped_law()
    if corpus is None:
        read = [point.corpus for point in points]
        corpus = max(sorted(set(read)), key=read.count) if read else SAMPLE
    known = corpus == SAMPLE
    prior = _SAMPLE_SPREAD if known else float(_facts()["text_spread"])
    seen = _differences(shipped.rows[:1], [point for point in points if point.corpus == corpus])
    if not seen and known:
        return shipped
    # Two normal distributions: the mean weighed by precision (Gelman et al., BDA3, section 2.5).
    run_spread = math.hypot(_RUN_SPREAD, shipped.spread)
    precision = 1 / prior**2 + len(seen) / run_spread**2
    moved = sum(seen) / run_spread**2 / precision
    rows = shipped.rows.copy()
    rows[:, NAMES.index("level")] *= math.exp(moved)
    where = "the sample" if known else "this text"
    recipes = "one recipe" if len(seen) == 1 else f"{len(seen)} recipes or lengths"
    said = (
        f"level moved by {math.expm1(moved):+.1%} by {recipes} that this workspace ran on {where}"
        if seen
        else f"no run here has read this text: its level may be off by {math.expm1(prior):.0%}"
    )
    return replace(
        _wider(shipped, points),
        rows=rows,
        level_spread=1 / math.sqrt(precision),
        basis=f"{shipped.basis}; {said}",
    )


def _wider(law: Law, points: Sequence[Point]) -> Law:
    """`law` with limits that hold the runs of `points` too."""
    return replace(
        law,
        most_active=max([law.most_active, *(point.active for point in points)]),
        least_active=min([law.least_active, *(point.active for point in points)]),
        most_tokens=max([law.most_tokens, *(point.tokens for point in points)]),
        least_tokens=min([law.least_tokens, *(point.tokens for point in points)]),
        least_steps=min([law.least_steps, *(point.steps for point in points)]),
    )


def _differences(row: Rows, points: Sequence[Point]) -> list[float]:
    """By how much the loss of each recipe differs from the law: mean logarithm of its points."""
    if not points:
        return []
    off = np.log([point.bpb for point in points]) - np.log(curve(row, models_of(points))[0])
    found: dict[tuple[str, float, float], list[float]] = {}
    for point, each in zip(points, off, strict=True):
        found.setdefault((point.recipe, point.tokens, point.steps), []).append(float(each))
    return [sum(each) / len(each) for each in found.values()]


@cache
def _facts() -> dict[str, float]:
    found = yaml.safe_load((_DATA / "law.yaml").read_text(encoding="utf-8"))
    return {name: float(value) for name, value in found.items()}


def _check(**figures: float) -> None:
    for name, value in figures.items():
        if not (math.isfinite(value) and value > 0):
            raise PlanError(
                f"{name} {value:g}: no law holds there",
                remedy=f"name a {name} above zero",
            )


def _count(value: float) -> str:
    return f"{value:,.0f}" if 1 <= value < 1e6 else f"{value:.3g}"

"""Judging documents by their signals: the first rule that fails is the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.documents.measure import SIGNALS
from farthing.stages.curate.profiles import Rule, RuleBook

KEPT = -1

_COLUMNS = {signal: number for number, signal in enumerate(SIGNALS)}


@dataclass(frozen=True)
class Judgement:
    """What the rules say about the documents of a batch."""

    first: npt.NDArray[np.int16]  # [D], the first failing rule's place in `reasons`, or KEPT
    failures: npt.NDArray[np.int64]  # [R], documents that fail each rule, counted for all of them
    reasons: tuple[str, ...]  # [R]


def judge(
    book: RuleBook, profiles: npt.NDArray[np.int16], signals: npt.NDArray[np.float32]
) -> Judgement:
    """Hold every document to the rules of its profile.

    Args:
        book: the rules.
        profiles: int16 [D], as `choose_profiles` returns them.
        signals: float32 [D, len(SIGNALS)], as `measure` returns them.
    """
    reasons = book.reasons
    first = np.full(len(profiles), KEPT, dtype=np.int16)
    failures = np.zeros(len(reasons), dtype=np.int64)
    begin = 0
    for code, rules in enumerate(book.profiles.values()):
        members = np.flatnonzero(profiles == code)
        fails = failing(rules, signals[members])
        failures[begin : begin + len(rules)] = fails.sum(axis=0)
        dropped = fails.any(axis=1)
        # The first of equal values: argmax gives the first rule that fails.
        first[members[dropped]] = begin + fails[dropped].argmax(axis=1)
        begin += len(rules)
    return Judgement(first, failures, reasons)


def failing(rules: Sequence[Rule], signals: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which of `rules` each document fails: [D, len(rules)]."""
    fails = np.zeros((len(signals), len(rules)), dtype=np.bool_)
    lengths, lines = signals[:, _COLUMNS["characters"]], signals[:, _COLUMNS["lines"]]
    for number, rule in enumerate(rules):
        values = signals[:, _COLUMNS[rule.signal]]
        # A limit is rounded as the signal was: 0.1 of float64 lies below 0.1 of float32.
        if rule.least is not None:
            fails[:, number] |= values < np.float32(rule.least)
        if rule.most is not None:
            fails[:, number] |= values > np.float32(rule.most)
        fails[:, number] &= (lengths >= rule.from_characters) & (lines >= rule.from_lines)
    return fails

"""Log-likelihoods to accuracies, with standard errors; a tie is never right."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

from farthing.artifacts.benchmarks import BenchmarkScore
from farthing.stages.evaluate.questions import Question


def score_answers(
    questions: Sequence[Question],
    nats: Sequence[Sequence[float]],
    *,
    normed: bool,
    metric: Literal["acc", "acc_norm"] = "acc",
) -> BenchmarkScore:
    """The score of one member on one benchmark.

    Args:
        questions: at least two.
        nats: log-likelihood of each choice of each question.
        normed: whether there is an accuracy per character too.
        metric: which of the two the parts are scored by; `acc_norm` needs `normed`.
    """
    quoted = right = [_wins(each, q.right) for q, each in zip(questions, nats, strict=True)]
    acc, acc_stderr = mean_and_stderr(right)
    acc_norm, acc_norm_stderr = None, None
    if normed:
        # Per character of the choice, without the delimiter before it: as lm-eval's acc_norm.
        per_character = (
            [value / len(choice) for value, choice in zip(each, q.choices, strict=True)]
            for q, each in zip(questions, nats, strict=True)
        )
        right_normed = [
            _wins(each, q.right) for q, each in zip(questions, per_character, strict=True)
        ]
        acc_norm, acc_norm_stderr = mean_and_stderr(right_normed)
        quoted = right_normed if metric == "acc_norm" else right
    groups = defaultdict(list)
    for question, won in zip(questions, quoted, strict=True):
        if question.group:
            groups[question.group].append(won)
    return BenchmarkScore(
        acc=acc,
        acc_stderr=acc_stderr,
        acc_norm=acc_norm,
        acc_norm_stderr=acc_norm_stderr,
        ties=sum(_ties(each, q.right) for q, each in zip(questions, nats, strict=True)),
        groups={name: sum(won) / len(won) for name, won in groups.items()},
    )


def mean_and_stderr(right: Sequence[bool]) -> tuple[float, float]:
    """Share of True, and its standard error sqrt(p (1 - p) / (n - 1)); at least two values."""
    share = sum(right) / len(right)
    return share, math.sqrt(share * (1 - share) / (len(right) - 1))


def _best_other(nats: Sequence[float], right: int) -> float:
    return max(value for choice, value in enumerate(nats) if choice != right)


def _wins(nats: Sequence[float], right: int) -> bool:
    return nats[right] > _best_other(nats, right)


def _ties(nats: Sequence[float], right: int) -> bool:
    return nats[right] == _best_other(nats, right)

"""Accuracies and their standard errors, against figures worked out by hand and the textbook."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.stages.evaluate.accuracy import mean_and_stderr, score_answers
from farthing.stages.evaluate.questions import Question


def question(right: int, choices: tuple[str, ...] = ("a", "bb"), group: str = "") -> Question:
    return Question(1, ("",), choices, right, group)


def test_a_tie_never_counts_as_right():
    questions = [question(0), question(1), question(0), question(1)]
    score = score_answers(
        questions, [[-1.0, -1.0], [-1.0, -1.0], [-1.0, -2.0], [-1.0, -2.0]], normed=False
    )
    assert score.acc == 1 / 4
    assert score.ties == 2


def test_a_tie_between_wrong_choices_is_no_tie():
    three = question(2, ("a", "b", "c"))
    score = score_answers([three, three], [[-2.0, -2.0, -1.0], [-1.0, -1.0, -2.0]], normed=False)
    assert (score.acc, score.ties) == (0.5, 0)


def test_per_character_a_longer_choice_may_win():
    questions = [question(1, ("a", "bcd")), question(0, ("a", "bcd"))]
    score = score_answers(questions, [[-2.0, -3.0], [-2.0, -3.0]], normed=True)
    assert (score.acc, score.acc_norm) == (0.5, 0.5)
    score = score_answers(questions[:1] * 2, [[-2.0, -3.0]] * 2, normed=True)
    assert (score.acc, score.acc_norm) == (0.0, 1.0)


def test_groups_are_scored_apart():
    questions = [question(0, group="x"), question(0, group="x"), question(0, group="y")]
    score = score_answers(questions, [[-1, -2], [-2, -1], [-1, -2]], normed=False)
    assert score.groups == {"x": 0.5, "y": 1.0}


def test_groups_are_scored_by_the_metric_that_is_quoted():
    questions = [question(1, ("a", "bcd"), "x"), question(0, ("a", "bcd"), "y")]
    nats = [[-2.0, -3.0], [-2.0, -3.0]]
    assert score_answers(questions, nats, normed=True, metric="acc").groups == {"x": 0, "y": 1}
    assert score_answers(questions, nats, normed=True, metric="acc_norm").groups == {"x": 1, "y": 0}


def test_three_of_four_have_this_standard_error():
    share, stderr = mean_and_stderr([True, True, True, False])
    assert share == 0.75
    assert stderr == pytest.approx(math.sqrt(0.75 * 0.25 / 3), abs=1e-15)


@given(st.lists(st.booleans(), min_size=2, max_size=300))
def test_the_standard_error_is_the_sample_deviation_over_root_n(right):
    _, stderr = mean_and_stderr(right)
    deviation = statistics.stdev([float(value) for value in right])
    assert stderr == pytest.approx(deviation / math.sqrt(len(right)), abs=1e-12)

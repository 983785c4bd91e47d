"""What a person reads: a table that fits a terminal, and sentences that do not flatter."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from farthing.artifacts.scores import MemberScore
from farthing.studies.search.config import SearchConfig
from farthing.studies.search.result import Candidate, SearchResult, Verdict
from farthing.studies.search.run import SearchOutcome
from farthing.studies.search.spent import SearchCost
from farthing.studies.search.table import outcome_lines, outcome_table, verdict_text, winner

UNIFORM = "layers=0-1,3-4/experts=4/top_k=2"
FOUND = "layers=0,2-4/experts=e1+3/top_k=2"
MIXED = "layers=0,2-4/experts=e1+3,4,2/top_k=1,2,2"
LABELS = {UNIFORM: "4L-4E-2K", FOUND: "4L-abcdef", MIXED: "4L-fedcba"}


def candidate(shape: str) -> Candidate:
    return Candidate(
        shape=shape,
        label=LABELS[shape],
        typed=LABELS[shape] if shape == UNIFORM else shape,
        origin="evolved",
        predicted_bpb=None,
        search_bpb=2.1,
        playoff_bpb=2.05,
        total=123_456_789_012,
        active=12_345_678_901,
        flops_per_token=123456.789e6,
        weight_mib=123456.78,
        milliseconds=12345.67,
        fits=True,
        extractable=shape != MIXED,
    )


def score(shape: str, bpb: float) -> MemberScore:
    return MemberScore(
        shape=shape,
        label=LABELS[shape],
        total=123_456_789_012,
        active=12_345_678_901,
        non_embedding=1,
        active_non_embedding=1,
        flops_per_token=123456.789e6,
        bpb={"en": bpb},
        mean_bpb=bpb,
        best_for_flops=False,
        best_for_size=False,
    )


def outcome(
    found: str = FOUND,
    bpb: float = 1.98,
    error: float | None = 0.2,
    freedom: float | None = 38.0,
    limit: str = "active",
    importance=None,
) -> SearchOutcome:
    scores = {UNIFORM: 2.0, found: bpb}
    return SearchOutcome(
        result=SearchResult(
            supernet="s",
            corpus="c",
            settings=SearchConfig(limit=limit, bound=1_200_000.0),
            search_tokens=8192,
            playoff_tokens=32768,
            importance=importance,
            candidates=tuple(candidate(shape) for shape in scores),
            finalists=(found,),
            uniform=(UNIFORM,),
        ),
        scores=tuple(score(shape, bpb) for shape, bpb in scores.items()),
        verdict=Verdict(
            supernet="s",
            corpus="c",
            split="dev",
            shape=found,
            uniform=UNIFORM,
            bpb=scores[found],
            uniform_bpb=2.0,
            difference_percent=100 * (scores[found] - 2.0) / 2.0,
            standard_error_percent=error,
            freedom=None if error is None else freedom,
            windows=50,
            blocks=40,
        ),
        cost=SearchCost(8.0, 100.0, 2e9, 50e9),
    )


@pytest.mark.parametrize("limit", ["active", "total", "latency", "memory"])
def test_the_table_fits_80_columns_at_any_size(limit, importance):
    file = io.StringIO()
    made = outcome(limit=limit, importance=importance)
    Console(file=file, width=200).print(outcome_table(made))
    lines = file.getvalue().splitlines()
    assert max(len(line) for line in lines) <= 80
    assert any("4L-abcdef" in line and "search" in line and "1.9800" in line for line in lines)
    assert any("4L-4E-2K" in line and "uniform" in line and "2.0000" in line for line in lines)


@pytest.mark.parametrize(
    ("bpb", "error", "says"),
    [
        (1.98, 0.2, "needs 1.000 % (standard error 0.200 %) fewer bits per byte"),
        (1.98, 0.2, "more than the choice of the text explains"),
        (1.98, 0.7, "within what the choice of the text explains"),
        (1.98, None, "too little dev text"),
        (2.0, 0.2, "Nothing better was found than the best uniform member, 4L-4E-2K: 2.0000"),
        (2.1, 0.2, "Nothing better was found"),
    ],
)
def test_the_verdict_is_said_plainly(bpb, error, says, importance):
    assert says in verdict_text(outcome(bpb=bpb, error=error, importance=importance))


def test_few_blocks_need_a_larger_lead(importance):
    """Student's t, one-sided 95 %: 1.69 errors with 38 degrees of freedom, 2.02 with 5."""
    lead = {"bpb": 1.98, "error": 1 / 1.8, "importance": importance}
    assert "more than the choice" in verdict_text(outcome(**lead))
    assert "within what the choice" in verdict_text(outcome(**lead, freedom=5.0))


def test_the_next_command_is_for_the_best_of_all(importance):
    better = outcome_lines(outcome(importance=importance))
    assert better[-1] == f"  farthing extract --shape '{FOUND}'"
    worse = outcome(bpb=2.1, importance=importance)
    assert winner(worse) == UNIFORM
    assert outcome_lines(worse)[-1] == "  farthing extract --shape '4L-4E-2K'"
    mixed = outcome_lines(outcome(found=MIXED, importance=importance))
    assert mixed[-1] == f"  farthing generate --shape '{MIXED}' 'The '"
    assert "cannot be extracted" in mixed[-2]


def test_the_cost_stands_beside_the_training(importance):
    made = outcome(importance=importance)
    text = "\n".join(outcome_lines(made))
    assert "8.0 % of the training's device-seconds (8 of 100) and 4.0 % of its FLOPs" in text
    assert made.to_json()["cost"]["seconds_percent"] == pytest.approx(8.0)


def test_a_search_survives_json(importance):
    made = outcome(importance=importance)
    assert SearchResult.model_validate_json(made.result.model_dump_json()) == made.result
    assert Verdict.model_validate_json(made.verdict.model_dump_json()) == made.verdict

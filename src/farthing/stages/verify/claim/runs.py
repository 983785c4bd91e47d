"""Level 1, the runs: numbers without a gap, and each claimed model as the book tells of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farthing.artifacts.claims.statement import Claim, ClaimedRun, Statement
from farthing.artifacts.entries import RunEnd, RunStart
from farthing.stages.verify.claim.amounts import close, differences
from farthing.stages.verify.claim.book import ClaimBook
from farthing.stages.verify.claim.quality import Scored
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding

_CHECK = "runs"
# Arm, label and seed.
_Name = tuple[str, str, int]


def check_numbers(book: ClaimBook) -> Finding:
    """Runs are numbered from 0 without a gap, and end once, after their start."""
    started = 0
    ended: set[int] = set()
    for record in book.records:
        body, line = record.body, f"book.jsonl, line {record.entry.number + 1}"
        if isinstance(body, RunStart):
            if body.run != started:
                return _wrong(line, f"run {body.run} starts where run {started} was expected")
            if body.plan is not None and not _stands_before(body.plan, record.entry.number, book):
                return _wrong(line, f"run {body.run} names a plan that was not signed before it")
            started += 1
        run = getattr(body, "run", None)
        if isinstance(run, int) and run >= started:
            return _wrong(line, f"run {run} has not started")
        if isinstance(run, int) and run in ended:
            return _wrong(line, f"run {run} has ended already")
        if isinstance(body, RunEnd):
            ended.add(body.run)
    detail = f"{started} runs, numbered without a gap; {started - len(ended)} still open"
    return Finding(_CHECK, True, "book.jsonl", detail, 1)


def check_claimed(
    claim: Claim, methods: Sequence[Scored], baselines: Sequence[Scored]
) -> Iterator[Finding]:
    """Every claimed run: its attempts, its model, its scores and what it used.

    Args:
        claim: what is said.
        methods: of the method, by seed.
        baselines: by length and seed.
    """
    said: dict[_Name, ClaimedRun] = {(each.arm, each.label, each.seed): each for each in claim.runs}
    expected = [*methods, *baselines]
    if len(said) < len(claim.runs):
        yield _wrong("claim.json, runs", "a run with the same seed stands there twice")
    names = {_name(each.training) for each in expected}
    for key in sorted(set(said) - names):
        yield _wrong("claim.json, runs", f"{key} is no registered run with a derived seed")
    problems = 0
    for scored in expected:
        key = _name(scored.training)
        where = f"claim.json, runs, {scored.training.name}"
        if key not in said:
            yield _wrong(where, "every registered run must be claimed with every seed")
            problems += 1
            continue
        for problem in [*_problems(said[key], scored), *_step_problems(scored.training)]:
            yield _wrong(where, problem)
            problems += 1
    if not problems:
        detail = f"{len(expected)} models: attempts, digests, scores and amounts come out again"
        yield Finding(_CHECK, True, "claim.json, runs", detail, 1)


def check_subjects(statement: Statement, claim: Claim) -> Iterator[Finding]:
    """What standard tools read as the subjects of the statement: the claimed models.

    Args:
        statement: that holds the claim.
        claim: its predicate.
    """
    models = {(_title(run), run.model) for run in claim.runs}
    subjects = {(each.name, each.digest.get("sha256", "")) for each in statement.subject}
    if subjects != models or len(statement.subject) != len(claim.runs):
        yield _wrong("claim.json, subject", "the statement's subjects are not the claimed models")


def _title(run: ClaimedRun) -> str:
    return f"{run.arm} {run.label}".rstrip() + f", seed {run.seed}"


def _problems(said: ClaimedRun, scored: Scored) -> Iterator[str]:
    training = scored.training
    numbers = tuple(run.number for run in training.attempts)
    if said.runs != numbers:
        yield f"runs: {said.runs}; the book has the attempts {numbers}"
    if said.model != training.model:
        yield f"model: {said.model[:16]}; run {numbers[-1]} made {(training.model or '')[:16]}"
    if set(said.bpb) != set(scored.bpb):
        yield f"bpb: of {sorted(said.bpb)}; the book has scores of {sorted(scored.bpb)}"
    else:
        for shape, bpb in scored.bpb.items():
            if not close(said.bpb[shape], bpb):
                yield f"bpb, {shape}: {said.bpb[shape]}; the book's scores make {bpb}"
    kept = {rest.run for rest in training.rests}
    for problem in differences(said.amounts, scored.total, runs=len(kept)):
        yield f"amounts, {problem}"


def _step_problems(training: Training) -> Iterator[str]:
    """The segments that the model rests on cover its steps once."""
    following = 0
    for segment in training.segments:
        if segment.first_step != following:
            yield (
                f"run {segment.run}: a segment begins with step {segment.first_step} where "
                f"{following} is next"
            )
            return
        following = segment.last_step + 1
    if following != training.steps:
        yield f"its segments reach step {following} of {training.steps}"


def _name(training: Training) -> _Name:
    return training.registered.arm, training.registered.label, training.seed


def _stands_before(plan: str, number: int, book: ClaimBook) -> bool:
    return plan in book.plans and book.plans[plan][0].number < number


def _wrong(where: str, detail: str) -> Finding:
    return Finding(_CHECK, False, where, detail, 1)

"""Level 1, the cost: every run of the book in one line, and every line added up again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import get_args

from farthing.artifacts.claims.entries import ClaimDraft
from farthing.artifacts.claims.statement import Claim, CostLine
from farthing.artifacts.work import Work
from farthing.stages.verify.claim.amounts import Part, Total, add_up, differences
from farthing.stages.verify.claim.book import ClaimBook, Run
from farthing.stages.verify.claim.prices import price_basis, usd_per_device_hour
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding

_CHECK = "cost"
LINES: tuple[str, ...] = get_args(CostLine.model_fields["what"].annotation)
_NOTHING_SECONDS = 1e-9


class Costs:
    """Where every run of a book stands."""

    def __init__(self, book: ClaimBook, draft: ClaimDraft, trainings: Sequence[Training]) -> None:
        """Sort the runs into lines.

        Args:
            book: of the claim.
            draft: what was registered.
            trainings: of the claim.
        """
        self._book = book
        self._basis = price_basis(book)
        self._models = {each.model for each in trainings}
        self._again = {run.number for each in trainings for run in each.others}
        self._corpus_keys = {
            run.start.input_key
            for run in book.runs.values()
            if run.start.purpose == "curation" and _made(run) == draft.corpus_digest
        }
        self.parts: dict[str, list[Part]] = {line: [] for line in LINES}
        # A run whose kept part stands in a line of its own is counted there alone.
        self.counted: dict[str, set[int]] = {line: set() for line in LINES}
        attempts = {run.number: each for each in trainings for run in each.attempts}
        for run in book.runs.values():
            if run.number in attempts:
                self._add_attempt(run, attempts[run.number])
            else:
                self._add(self._line(run), run, run.billed, None)

    def training(self, training: Training) -> Total:
        """What a model rests on."""
        runs = self._book.runs
        return self._sum([self._part(runs[rest.run], rest.work, None) for rest in training.rests])

    def evaluation(self, training: Training) -> Total:
        """What scoring its model took."""
        runs = [
            run
            for run in self._book.runs.values()
            if run.completed and _scores(run, {training.model})
        ]
        return self._sum([self._part(run, run.billed, None) for run in runs])

    def line(self, name: str) -> Total:
        """The sum of a line."""
        return self._sum(self.parts[name])

    def _sum(self, parts: Sequence[Part]) -> Total:
        return add_up(parts, priced=self._basis is not None)

    def _add_attempt(self, run: Run, training: Training) -> None:
        kept = {rest.run: rest.work for rest in training.rests}.get(run.number)
        if kept is None:
            self._add("repeated", run, run.billed, None)
            return
        self._add(training.registered.arm, run, kept, None)
        if run.billed != kept and not _is_nothing(run.billed, kept):
            self.parts["repeated"].append(self._part(run, run.billed, kept))

    def _add(self, line: str, run: Run, work: Work, less: Work | None) -> None:
        self.parts[line].append(self._part(run, work, less))
        self.counted[line].add(run.number)

    def _part(self, run: Run, work: Work, less: Work | None) -> Part:
        price = usd_per_device_hour(self._book, run, self._basis)
        return Part(run.number, work, less, price)

    def _line(self, run: Run) -> str:
        """Of a run that is no attempt at a claimed model."""
        purpose = run.start.purpose
        if purpose == "tuning":
            return "tuning"
        if purpose == "training":
            return "repeated" if run.number in self._again else "other"
        if _scores(run, self._models):
            return "evaluation" if run.completed else "repeated"
        if purpose == "curation" and run.start.input_key in self._corpus_keys:
            return "curation" if run.completed else "repeated"
        return "other"


def check_cost(claim: Claim, book: ClaimBook, costs: Costs) -> Iterator[Finding]:
    """Every line of the claim against the runs of the book.

    Args:
        claim: what is said.
        book: of the claim.
        costs: as sorted here.
    """
    problems = list(_problems(claim, costs))
    for where, problem in problems:
        yield Finding(_CHECK, False, where, problem, 1)
    if not problems:
        hours = sum(costs.line(name).device_hours for name in LINES)
        detail = (
            f"{len(book.runs)} runs, each in one line; {hours:.6g} device-hours, FLOPs, tokens, "
            "energy and prices add up again"
        )
        yield Finding(_CHECK, True, "claim.json, cost", detail, 1)


def _problems(claim: Claim, costs: Costs) -> Iterator[tuple[str, str]]:
    said: dict[str, CostLine] = {line.what: line for line in claim.cost}
    twice = [name for name, often in Counter(line.what for line in claim.cost).items() if often > 1]
    for name in twice:
        yield "claim.json, cost", f"the line {name} stands there twice"
    for what in costs.parts:
        total = costs.line(what)
        where = f"claim.json, cost, {what}"
        if what not in said:
            if costs.parts[what]:
                yield where, f"the line is missing; the book has {total.runs} runs for it"
            continue
        for problem in differences(said[what].amounts, total, runs=len(costs.counted[what])):
            yield where, problem


def _scores(run: Run, models: set[str | None]) -> bool:
    return run.start.purpose == "evaluation" and any(
        each.role == "supernet" and each.digest in models for each in run.start.inputs
    )


def _made(run: Run) -> str | None:
    return run.end.artifact.digest if run.end is not None and run.end.artifact else None


def _is_nothing(whole: Work, kept: Work) -> bool:
    seconds = whole.device_seconds - kept.device_seconds
    return abs(seconds) < _NOTHING_SECONDS and whole.tokens == kept.tokens

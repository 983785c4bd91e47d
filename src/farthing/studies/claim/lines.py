"""Where every run of the book stands in a claim: in one line, or in two if it was interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from farthing.artifacts.claims.statement import CostLine
from farthing.ledger.accounts import RunAccount
from farthing.studies.claim.amounts import Part, Tariff, amounts_of, is_nothing, rest_of
from farthing.studies.claim.standing import Standing
from farthing.studies.claim.trainings import BookView, Training, plans_of

LINES: tuple[str, ...] = get_args(CostLine.model_fields["what"].annotation)


def parts_by_line(
    view: BookView, standing: Standing, trainings: Sequence[Training]
) -> dict[str, list[Part]]:
    """The parts of every line, all lines, in the order of the runs."""
    found: dict[str, list[Part]] = {line: [] for line in LINES}
    attempts = {run.start.run: training for training in trainings for run in training.runs}
    line_of = _Lines(view, standing, trainings)
    for run in view.runs:
        number = run.start.run
        training = attempts.get(number)
        if training is None:
            found[line_of(run)].append(Part(number, run.work))
            continue
        kept = training.kept.get(number)
        if kept is None:
            found["repeated"].append(Part(number, run.work))
            continue
        found[training.registered.arm].append(Part(number, kept))
        if run.work != kept and not is_nothing(rest := rest_of(run.work, kept)):
            found["repeated"].append(Part(number, rest, counts=False))
    return found


def cost_lines(parts: Mapping[str, Sequence[Part]], tariff: Tariff) -> tuple[CostLine, ...]:
    """Every line once."""
    return tuple(
        CostLine.model_validate({"what": line, "amounts": amounts_of(parts[line], tariff)})
        for line in LINES
    )


def evaluations_of(view: BookView, model: str) -> list[RunAccount]:
    """The runs that scored a model, however they ended."""
    return [
        run
        for run in view.runs
        if run.start.purpose == "evaluation"
        and any(each.role == "supernet" and each.digest == model for each in run.start.inputs)
    ]


class _Lines:
    """The line of a run that is no attempt at a claimed model."""

    def __init__(self, view: BookView, standing: Standing, trainings: Sequence[Training]) -> None:
        self._plans = {
            plan
            for registered in standing.draft.runs
            for seed in standing.seeds
            for plan in plans_of(view, standing, registered, seed)
        }
        self._scored = {
            run.start.run for training in trainings for run in evaluations_of(view, training.model)
        }
        self._corpus_keys = {
            run.start.input_key
            for run in view.runs
            if run.start.purpose == "curation"
            and run.artifact_digest == standing.draft.corpus_digest
        }

    def __call__(self, run: RunAccount) -> str:
        start = run.start
        if start.purpose == "tuning":
            return "tuning"
        if start.purpose == "training":
            # Made again although it was there, or after the one that counts.
            return "repeated" if start.plan in self._plans else "other"
        if start.run in self._scored:
            return "evaluation" if run.status == "completed" else "repeated"
        if start.purpose == "curation" and start.input_key in self._corpus_keys:
            return "curation" if run.status == "completed" else "repeated"
        return "other"

"""The predicate of a claim: every figure that it states, from what was gathered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import farthing
from farthing.artifacts.canonical import canonical_json
from farthing.artifacts.claims import merkle
from farthing.artifacts.claims.statement import (
    CLAIM_TYPE,
    CLAIM_VERSION,
    STATEMENT_TYPE,
    Amounts,
    BookFacts,
    CheckpointFacts,
    Claim,
    ClaimedRun,
    FileFacts,
)
from farthing.session import Session
from farthing.studies.claim.amounts import Part, Tariff, amounts_of
from farthing.studies.claim.bundle import book_bytes
from farthing.studies.claim.excluded import excluded
from farthing.studies.claim.figures import Evidence, Model
from farthing.studies.claim.gather import Gathered
from farthing.studies.claim.lines import cost_lines, evaluations_of, parts_by_line
from farthing.studies.claim.places import bytes_of, checkpoint_after
from farthing.studies.claim.standing import Standing
from farthing.studies.claim.trainings import BookView, Training


def predicate(
    view: BookView,
    standing: Standing,
    gathered: Gathered,
    session: Session,
    files: dict[str, FileFacts],
) -> Claim:
    """What a claim says, of whose evidence nothing is missing.

    Args:
        view: the entries that it holds.
        standing: draft and nonce.
        gathered: trainings, scores, places.
        session: of the workspace.
        files: of the bundle.
    """
    draft = standing.draft
    assert standing.nonce_entry is not None, "nothing runs without it"
    tariff = Tariff.of(view, session.settings, session.workspace.root)
    runs = tuple(_claimed(each, gathered, tariff) for each in gathered.trainings)
    lines = cost_lines(parts_by_line(view, standing, gathered.trainings), tariff)
    evidence = Evidence(
        targets=draft.targets,
        methods=[Model(run.bpb, run.amounts) for run in runs if run.arm == "method"],
        baselines=_baselines(runs, standing.seeds),
        evaluation=[
            _scoring(view, training.model, tariff)
            for training in gathered.trainings
            if training.registered.arm == "method"
        ],
        lines={line.what: line.amounts for line in lines},
    )
    return Claim(
        version=CLAIM_VERSION,
        name=draft.name,
        statement=draft.statement,
        draft=standing.digest,
        nonce=standing.nonce_entry[1],
        seeds=standing.seeds,
        baseline=draft.baseline,
        basis=draft.basis,
        runs=runs,
        reached=evidence.reached(draft.basis),
        cost=lines,
        ratio=evidence.ratios(draft.basis),
        excluded=excluded(view, standing, lines),
        book=_book(view),
        checkpoints=_checkpoints(view, gathered),
        files=files,
        farthing_version=farthing.__version__,
    )


def statement_of(claim: Claim) -> dict[str, Any]:
    """The in-toto statement of a claim; its subjects are the claimed models."""
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {
                "name": f"{run.arm} {run.label}".rstrip() + f", seed {run.seed}",
                "digest": {"sha256": run.model},
            }
            for run in claim.runs
        ],
        "predicateType": CLAIM_TYPE,
        "predicate": claim.model_dump(mode="json"),
    }


def _claimed(training: Training, gathered: Gathered, tariff: Tariff) -> ClaimedRun:
    parts = [Part(number, work) for number, work in training.kept.items()]
    return ClaimedRun(
        arm=training.registered.arm,
        label=training.registered.label,
        seed=training.seed,
        runs=tuple(run.start.run for run in training.runs),
        model=training.model,
        bpb=dict(gathered.bpb[training.model]),
        amounts=amounts_of(parts, tariff),
    )


def _baselines(runs: Sequence[ClaimedRun], seeds: Sequence[int]) -> list[list[Model]]:
    """The baseline's models by seed, shortest first: they stand in the order of the draft."""
    return [
        [Model(run.bpb, run.amounts) for run in runs if run.arm == "baseline" and run.seed == seed]
        for seed in seeds
    ]


def _scoring(view: BookView, model: str, tariff: Tariff) -> Amounts:
    done = [run for run in evaluations_of(view, model) if run.status == "completed"]
    return amounts_of([Part(run.start.run, run.work) for run in done], tariff)


def _book(view: BookView) -> BookFacts:
    lines = book_bytes(view).splitlines(keepends=True)
    return BookFacts(
        entries=len(view.records),
        head=view.records[-1].entry.digest,
        merkle_root=merkle.root(lines),
    )


def _checkpoints(view: BookView, gathered: Gathered) -> CheckpointFacts:
    folder: Mapping[int, Any] = {
        number: gathered.places[training.model]
        for training in gathered.trainings
        for number in training.kept
    }
    chosen = {
        (segment.run, segment.first_step)
        for training in gathered.trainings
        for segment in training.segments
    }
    ordered = [each for each in view.segments if (each.run, each.first_step) in chosen]
    leaves = [
        canonical_json([each.run, each.first_step, each.last_step, each.checkpoint_digest])
        for each in ordered
    ]
    size = sum(bytes_of(checkpoint_after(folder[each.run], each.last_step + 1)) for each in ordered)
    return CheckpointFacts(root=merkle.root(leaves), segments=len(leaves), bytes=size)

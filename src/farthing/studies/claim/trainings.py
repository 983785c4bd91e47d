"""The trainings of a claim as the book tells of them: which runs count, and what of them is kept.

Of every registered run and seed the first training that completed counts, with all attempts that
led to it. A run that goes on from a checkpoint rests on what its predecessor did up to that
checkpoint; what that one did afterwards was done again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from farthing.artifacts.claims.entries import RegisteredRun
from farthing.artifacts.entries import Evaluation, Plan, Record, Segment
from farthing.artifacts.work import Work
from farthing.artifacts.workspace import Workspace
from farthing.ledger.accounts import RunAccount, collect_runs
from farthing.ledger.meter import NO_WORK
from farthing.studies.claim.registered import title, with_seed
from farthing.studies.claim.standing import Standing


@dataclass(frozen=True)
class BookView:
    """The entries that a claim holds, with the accounts of all their runs.

    Attributes:
        workspace: whose book it is.
        records: from genesis up to, and without, the entry that says that the claim was made.
    """

    workspace: Workspace
    records: tuple[Record, ...]

    @cached_property
    def runs(self) -> tuple[RunAccount, ...]:
        """Every run, by its number."""
        return tuple(collect_runs(self.workspace, self.records))

    @cached_property
    def starts(self) -> dict[int, int]:
        """Number of the entry that started each run."""
        return {run.start.run: run.entries[0].number for run in self.runs}

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """All, in the order of the book."""
        return tuple(r.body for r in self.records if isinstance(r.body, Segment))

    @cached_property
    def saved(self) -> dict[tuple[int, int], Work]:
        """By run and by steps done: the work of the run when it had saved a checkpoint there."""
        return {(each.run, each.last_step + 1): each.work for each in self.segments}

    def scores(self, model: str, split: str) -> dict[str, float]:
        """Mean bits per byte over the domains, by shape; the latest entry of each counts."""
        found: dict[str, float] = {}
        for record in self.records:
            body = record.body
            if isinstance(body, Evaluation) and (body.supernet, body.split) == (model, split):
                found[body.shape] = sum(body.scores.values()) / len(body.scores)
        return found


@dataclass(frozen=True)
class Training:
    """One registered run with one seed, completed.

    Attributes:
        registered: which.
        seed: as derived.
        runs: all attempts up to the one that completed, oldest first.
        kept: by run number, the work that the model rests on; other attempts led nowhere.
        until: by run number of those, the steps that were done when the next one took over.
        segments: those that the model rests on; they follow each other.
        model: content digest of what came out.
    """

    registered: RegisteredRun
    seed: int
    runs: tuple[RunAccount, ...]
    kept: Mapping[int, Work]
    until: Mapping[int, int]
    segments: tuple[Segment, ...]
    model: str

    @property
    def title(self) -> str:
        """Arm, label and seed."""
        return title(self.registered, self.seed)

    @property
    def last(self) -> RunAccount:
        """The attempt that made the model."""
        return self.runs[-1]

    @property
    def work(self) -> Work:
        """All that the model rests on."""
        return sum(self.kept.values(), NO_WORK)

    @property
    def steps(self) -> int:
        """Of the schedule."""
        return int(self.registered.recipe["train"]["steps"])

    @property
    def uncovered(self) -> range | None:
        """The first steps that no segment covers, or the first that are covered twice."""
        following = 0
        for segment in self.segments:
            if segment.first_step != following:
                return range(*sorted((following, segment.first_step)))
            following = segment.last_step + 1
        return range(following, self.steps) if following != self.steps else None


def find_training(
    view: BookView, standing: Standing, registered: RegisteredRun, seed: int
) -> Training | None:
    """The first training of a registered run and seed that completed; None where none did."""
    plans = plans_of(view, standing, registered, seed)
    nonce = standing.nonce_entry
    assert nonce is not None, "there are no seeds without it"
    completed = (
        run
        for run in view.runs
        if run.start.purpose == "training"
        and run.start.plan in plans
        and run.status == "completed"
        and view.starts[run.start.run] > nonce[0]
    )
    last = next(completed, None)
    if last is None or last.artifact_digest is None:
        return None
    same = (last.start.name, last.start.input_key, last.start.purpose)
    runs = tuple(
        run
        for run in view.runs[: last.start.run + 1]
        if (run.start.name, run.start.input_key, run.start.purpose) == same
    )
    kept, until = _kept(runs, view.saved, int(registered.recipe["train"]["steps"]))
    segments = tuple(
        each for each in view.segments if each.run in kept and each.last_step < until[each.run]
    )
    return Training(registered, seed, runs, kept, until, segments, last.artifact_digest)


def plans_of(
    view: BookView, standing: Standing, registered: RegisteredRun, seed: int
) -> frozenset[str]:
    """Digests of the entries that plan a registered run with a seed on the claim's corpus."""
    recipe = with_seed(registered.recipe, seed)
    return frozenset(
        record.entry.digest
        for record in view.records
        if isinstance(record.body, Plan)
        and record.body.corpus_digest == standing.draft.corpus_digest
        and record.body.recipe == recipe
    )


def _kept(
    runs: Sequence[RunAccount], saved: Mapping[tuple[int, int], Work], steps: int
) -> tuple[dict[int, Work], dict[int, int]]:
    """What the last run rests on, by run: its work, and the steps done when it was taken over."""
    kept: dict[int, Work] = {}
    until: dict[int, int] = {}
    for run in runs:
        step = run.start.resumed_from_step
        if step is None:
            kept.clear()
        else:
            # Back to the run that saved this checkpoint; younger ones got nowhere.
            while kept and (max(kept), step) not in saved:
                kept.pop(max(kept))
            if kept:
                kept[max(kept)], until[max(kept)] = saved[max(kept), step], step
        kept[run.start.run], until[run.start.run] = run.work, steps
    return kept, {number: until[number] for number in kept}

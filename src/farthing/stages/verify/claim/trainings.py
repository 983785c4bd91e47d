"""Which runs of the book trained the models of a claim, and on what part of them each rests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from farthing.artifacts.canonical import canonical_json
from farthing.artifacts.claims.entries import ClaimDraft, RegisteredRun
from farthing.artifacts.entries import Plan, Segment
from farthing.artifacts.work import Work
from farthing.stages.verify.claim.book import ClaimBook, Run, seed_of, without_seed

_PURPOSE = "training"


@dataclass(frozen=True)
class Rest:
    """What a model rests on of one attempt.

    Attributes:
        run: of the book.
        first_step: the step it began with.
        end_step: the step after the last one that counts.
        work: up to there, from the start of the attempt.
    """

    run: int
    first_step: int
    end_step: int
    work: Work


@dataclass(frozen=True)
class Training:
    """A registered run with one seed, as the book tells of it.

    Attributes:
        registered: what was to be trained.
        seed: of weights, data and draws.
        plan: that it ran under.
        attempts: of one input key, oldest first; the last one made the model.
        rests: the parts that the model rests on, oldest first.
        others: further attempts at the same training: begun again after it was done.
    """

    registered: RegisteredRun
    seed: int
    plan: Plan
    attempts: tuple[Run, ...]
    rests: tuple[Rest, ...]
    others: tuple[Run, ...]

    @property
    def name(self) -> str:
        """As findings call it."""
        label = f" {self.registered.label}" if self.registered.label else ""
        return f"{self.registered.arm}{label}, seed {self.seed}"

    @property
    def model(self) -> str | None:
        """Digest of the supernet."""
        end = self.attempts[-1].end
        return end.artifact.digest if end is not None and end.artifact is not None else None

    @property
    def steps(self) -> int:
        """That its recipe says."""
        return int(self.plan.recipe["train"]["steps"])

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Those that the model rests on, by step."""
        by_run = {run.number: run.segments for run in self.attempts}
        return tuple(
            segment
            for rest in self.rests
            for segment in by_run[rest.run]
            if segment.last_step < rest.end_step
        )


def find_trainings(
    book: ClaimBook, draft: ClaimDraft, seeds: Sequence[int], *, after: int
) -> tuple[list[Training], list[str]]:
    """The trainings of a claim, the method's by seed, then the baseline's by length and seed.

    Args:
        book: of the claim.
        draft: what was registered.
        seeds: as derived.
        after: number of the nonce's entry: what stands before it is no part of the claim.

    Returns:
        What was found, and in words what is missing or odd.
    """
    runs = _by_recipe(book, after)
    found, problems = [], []
    for registered in draft.runs:
        recipe = canonical_json(registered.recipe)
        for seed in seeds:
            label = f"{registered.arm} {registered.label}".strip()
            training = _one_training(registered, seed, runs.get((recipe, seed), []), book)
            if training is None:
                problems.append(f"{label}, seed {seed}: no completed training in the book")
            else:
                found.append(training)
    return found, problems


def _by_recipe(book: ClaimBook, after: int) -> dict[tuple[bytes, int], list[Run]]:
    """All runs that train, by their plan's recipe without its seed, and that seed."""
    names: dict[str, tuple[bytes, int]] = {}
    for digest, (place, plan) in book.plans.items():
        seed = seed_of(plan.recipe)
        if isinstance(seed, int) and place.number > after:
            names[digest] = canonical_json(without_seed(plan.recipe)), seed
    found: dict[tuple[bytes, int], list[Run]] = defaultdict(list)
    for run in book.runs.values():
        if run.start.purpose == _PURPOSE and run.start.plan in names:
            found[names[run.start.plan]].append(run)
    return found


def _one_training(
    registered: RegisteredRun, seed: int, runs: Sequence[Run], book: ClaimBook
) -> Training | None:
    """The first that was completed counts, whatever came of later ones."""
    done = [run for run in runs if run.completed]
    if not done or done[0].start.plan is None:
        return None
    # An attempt of an earlier plan of the same settings belongs to it too.
    attempts = tuple(
        run
        for run in book.runs.values()
        if run.number <= done[0].number and _same_work(run, done[0])
    )
    others = tuple(run for run in runs if run not in attempts)
    _, plan = book.plans[done[0].start.plan]
    return Training(registered, seed, plan, attempts, _rests(attempts), others)


def _same_work(run: Run, other: Run) -> bool:
    return (run.start.input_key, run.start.name, run.start.purpose) == (
        other.start.input_key,
        other.start.name,
        other.start.purpose,
    )


def _rests(attempts: Sequence[Run]) -> tuple[Rest, ...]:
    """Back from the attempt that was completed, over the checkpoints that were gone on from."""
    last = attempts[-1]
    begin = last.start.resumed_from_step
    end = max((segment.last_step + 1 for segment in last.segments), default=begin or 0)
    rests = [Rest(last.number, begin or 0, end, last.billed)]
    for run in reversed(attempts[:-1]):
        if begin is None:
            break
        saved = [segment for segment in run.segments if segment.last_step + 1 == begin]
        if saved:
            first = run.start.resumed_from_step
            rests.append(Rest(run.number, first or 0, begin, saved[-1].work))
            begin = first
    return tuple(reversed(rests))

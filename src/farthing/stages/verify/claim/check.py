"""Levels 0 and 1 of a claim, in order, and what each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from farthing.artifacts.claims.names import steps_name
from farthing.artifacts.claims.seeds import derive_seeds
from farthing.artifacts.entries import Record
from farthing.errors import FarthingError
from farthing.stages.verify.claim.anchoring import check_anchors
from farthing.stages.verify.claim.book import ClaimBook
from farthing.stages.verify.claim.checkpoints import check_checkpoints
from farthing.stages.verify.claim.corpus import check_corpus
from farthing.stages.verify.claim.cost import Costs, check_cost
from farthing.stages.verify.claim.level0 import Chained, check_chain
from farthing.stages.verify.claim.opening import OpenedClaim
from farthing.stages.verify.claim.plan import Registered, check_trainings, find_plan
from farthing.stages.verify.claim.plausible import check_plausible
from farthing.stages.verify.claim.quality import Scored, check_quality, scores_of
from farthing.stages.verify.claim.ratio import check_ratio
from farthing.stages.verify.claim.runs import check_claimed, check_numbers, check_subjects
from farthing.stages.verify.claim.step_rules import StepRules
from farthing.stages.verify.claim.steps import check_steps
from farthing.stages.verify.claim.trainings import Training, find_trainings
from farthing.stages.verify.finding import Finding

# What a stranger's recipe may raise where nobody foresaw what stands in it.
_MALFORMED = (
    *(ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError),
)


@dataclass
class CheckedClaim:
    """What levels 0 and 1 found, and what higher levels go on from.

    Attributes:
        opened: the claim.
        findings: in the order of the checks.
        seconds: of the processor, by level.
        book: as its checks look into it; None where level 0 failed.
        registered: draft and nonce; None where the book does not have them.
        trainings: of the claim, the method's first; empty where some failed.
    """

    opened: OpenedClaim
    findings: list[Finding] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)
    book: ClaimBook | None = None
    registered: Registered | None = None
    trainings: tuple[Training, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every check held."""
        return all(finding.ok for finding in self.findings)

    @property
    def records(self) -> tuple[Record, ...]:
        """Of the book; empty where level 0 failed."""
        return self.book.records if self.book is not None else ()

    @contextmanager
    def timed(self, level: int) -> Iterator[None]:
        """Add what happens inside to the seconds of a level."""
        begun = time.process_time()
        try:
            yield
        finally:
            self.seconds[level] = self.seconds.get(level, 0.0) + time.process_time() - begun

    def take(self, findings: Iterable[Finding]) -> None:
        """Note what was found."""
        self.findings += findings


def check_claim(
    opened: OpenedClaim,
    *,
    revoked: frozenset[str] = frozenset(),
    level: int = 1,
    roots: bytes | None = None,
) -> CheckedClaim:
    """Levels 0 and 1, or 0 alone; level 1 is not looked at where level 0 failed.

    Args:
        opened: whose form, signature and files hold.
        revoked: fingerprints of keys that are not to be believed.
        level: the highest to check here.
        roots: certificates in PEM of the time-stamp authorities to be believed; None for none.

    Raises:
        ConfigError: `roots` holds no certificate.
        MissingExtraError: `roots` is given, and what reads time stamps is not installed.
    """
    checked = CheckedClaim(opened)
    with checked.timed(0):
        chained = check_chain(opened, revoked)
        checked.take(chained.findings)
        if chained.ok:
            checked.book = ClaimBook(chained.records, chained.last_beats)
    if checked.book is None:
        return checked
    book = checked.book
    # The root of the checkpoints belongs to level 0, and is over the segments of trainings.
    with checked.timed(min(level, 1)):
        plan_findings = _guarded("plan", lambda: _find(checked, book))
    with checked.timed(0):
        if checked.trainings:
            checked.take([check_checkpoints(opened.claim, book, checked.trainings)])
    if level >= 1:
        with checked.timed(1):
            checked.take(plan_findings)
            if checked.registered is not None:
                checked.take(check_anchors(book, checked.registered.draft_at, roots))
            checked.take(_guarded("runs", lambda: [check_numbers(book)]))
            checked.take(_guarded("figures", lambda: _check_figures(checked, book, chained)))
    return checked


def _find(checked: CheckedClaim, book: ClaimBook) -> list[Finding]:
    """Draft, nonce and trainings."""
    registered, findings = find_plan(checked.opened.claim, book)
    checked.registered = registered
    if registered is None:
        return findings
    draft = registered.draft
    seeds = derive_seeds(registered.nonce.nonce, registered.draft_at.digest, draft.seeds)
    found, problems = find_trainings(book, draft, seeds, after=registered.nonce_at.number)
    checked.trainings = tuple(found)
    return [*findings, *check_trainings(found, problems, registered, book)]


def _check_figures(checked: CheckedClaim, book: ClaimBook, chained: Chained) -> Iterator[Finding]:
    opened, registered = checked.opened, checked.registered
    if registered is None:
        return
    claim, draft = opened.claim, registered.draft
    yield from check_plausible(book, chained.odd)
    vocabulary, finding = check_corpus(opened.bundle, draft)
    yield finding
    if vocabulary is not None:
        for training in checked.trainings:
            yield from _step_findings(opened, training, vocabulary)
    costs = Costs(book, draft, checked.trainings)
    scored = [
        Scored(each, scores_of(each, draft.split, book), costs.training(each))
        for each in checked.trainings
    ]
    methods = [each for each in scored if each.training.registered.arm == "method"]
    baselines = [each for each in scored if each.training.registered.arm == "baseline"]
    yield from check_subjects(opened.statement, claim)
    yield from check_claimed(claim, methods, baselines)
    yield from check_cost(claim, book, costs)
    # Without all of them there is nothing that bounds and ratios could be compared with.
    complete = len(scored) == len(draft.runs) * draft.seeds
    if complete and len(claim.reached) == len(draft.targets):
        yield from check_quality(claim, draft, methods, baselines)
        yield from check_ratio(claim, draft, methods, baselines, costs)


def _guarded(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What `look` finds; a stranger's recipe that is none must not end the verification.

    Args:
        check: what is looked at.
        look: the checks.
    """
    found: list[Finding] = []
    try:
        found.extend(look())
    except FarthingError as error:
        found.append(Finding(check, False, "claim", error.what, 1))
    except _MALFORMED as error:
        detail = f"something in it has no form that a claim has: {type(error).__name__}: {error}"
        found.append(Finding(check, False, "book.jsonl", detail[:500], 1))
    return found


def _step_findings(opened: OpenedClaim, training: Training, vocabulary: int) -> Iterator[Finding]:
    start = training.plan.recipe.get("start")
    if isinstance(start, dict) and start.get("distill") is not None:
        detail = "it learns from another model, whose sizes are not in the claim: nobody can count"
        yield Finding("steps", False, training.name, detail, 1)
        return
    rules = StepRules(training.plan.recipe, vocabulary)
    for run in training.attempts:
        name = steps_name(run.number)
        if name not in opened.bundle.names:
            yield Finding("steps", False, name, f"the steps of run {run.number} are missing", 1)
            continue
        yield from check_steps(run, opened.bundle.lines(name), rules, name)

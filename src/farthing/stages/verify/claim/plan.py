"""Level 1, the plan: draft before nonce before runs, seeds that nobody chose, nothing exchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farthing.artifacts.canonical import canonical_json, digest_json
from farthing.artifacts.claims.entries import ClaimDraft, ClaimMade, ClaimNonce
from farthing.artifacts.claims.seeds import derive_seeds
from farthing.artifacts.claims.statement import Claim
from farthing.stages.verify.claim.book import ClaimBook, Placed, seed_of, without_seed
from farthing.stages.verify.claim.trainings import Training
from farthing.stages.verify.finding import Finding

_CHECK = "plan"


@dataclass(frozen=True)
class Registered:
    """The draft and the nonce that a claim rests on."""

    draft_at: Placed
    draft: ClaimDraft
    nonce_at: Placed
    nonce: ClaimNonce


def find_plan(claim: Claim, book: ClaimBook) -> tuple[Registered | None, list[Finding]]:
    """The draft and nonce that the claim names, and whether they stand in order."""
    if claim.draft not in book.drafts:
        return None, [_wrong("claim.json, draft", "the book has no draft with this digest")]
    draft_at, draft = book.drafts[claim.draft]
    if claim.nonce not in book.nonces:
        return None, [_wrong("claim.json, nonce", "the book has no nonce with this digest")]
    nonce_at, nonce = book.nonces[claim.nonce]
    found = Registered(draft_at, draft, nonce_at, nonce)
    problems = [*_order_problems(found, book), *_statement_problems(claim, found)]
    if problems:
        return found, problems
    detail = (
        f"draft (entry {draft_at.number}) before nonce (entry {nonce_at.number}, {nonce.origin}: "
        f"{nonce.detail}); seeds {', '.join(map(str, claim.seeds))} follow from both"
    )
    return found, [Finding(_CHECK, True, draft_at.line, detail, 1), *_reported(found, book)]


def _order_problems(found: Registered, book: ClaimBook) -> Iterator[Finding]:
    if found.nonce.draft != found.draft_at.digest:
        yield _wrong(found.nonce_at.line, "the nonce was entered for another draft")
    if found.nonce_at.number < found.draft_at.number:
        yield _wrong(found.nonce_at.line, "the nonce stands before the draft")
    earlier = [
        place
        for place, nonce in book.nonces.values()
        if nonce.draft == found.draft_at.digest and place.number < found.nonce_at.number
    ]
    if earlier:
        yield _wrong(
            found.nonce_at.line,
            f"the draft had a nonce already ({earlier[0].line}): seeds were drawn more than once",
        )
    registered = {canonical_json(run.recipe) for run in found.draft.runs}
    seeds = derive_seeds(found.nonce.nonce, found.draft_at.digest, found.draft.seeds)
    for place, plan in book.plans.values():
        early = place.number < found.nonce_at.number and seed_of(plan.recipe) in seeds
        if early and canonical_json(without_seed(plan.recipe)) in registered:
            yield _wrong(place.line, "a plan with a seed of the claim stands before the nonce")
    # The book of an honest bundle ends before the entry that says so.
    for place, made in book.of_kind(ClaimMade):
        if made.draft == found.draft_at.digest:
            told = f"a claim of this draft was made before: {made.claim}; ask what it said"
            yield _wrong(place.line, told)


def _statement_problems(claim: Claim, found: Registered) -> Iterator[Finding]:
    draft = found.draft
    seeds = derive_seeds(found.nonce.nonce, found.draft_at.digest, draft.seeds)
    if claim.seeds != seeds:
        yield _wrong("claim.json, seeds", f"{claim.seeds}; draft and nonce give {seeds}")
    for field in ("name", "statement", "baseline", "basis"):
        said, registered = getattr(claim, field), getattr(draft, field)
        if said != registered:
            yield _wrong(f"claim.json, {field}", f"{said!r}; the draft says {registered!r}")
    said = tuple((each.shape, each.target) for each in claim.reached)
    targets = tuple((each.shape, each.bpb) for each in draft.targets)
    if said != targets:
        yield _wrong("claim.json, reached", "members and targets are not those of the draft")


def _reported(found: Registered, book: ClaimBook) -> Iterator[Finding]:
    """What is no fault but must be seen: other drafts, nonces of theirs."""
    for digest, (place, draft) in book.drafts.items():
        if digest != found.draft_at.digest:
            relation = "of the same name " if draft.name == found.draft.name else ""
            nonces = sum(nonce.draft == digest for _, nonce in book.nonces.values())
            detail = (
                f"another draft {relation}stands in this book ({draft.name}, {nonces} nonces): "
                "ask what came of it"
            )
            yield Finding("drafts", True, place.line, detail, 1)


def check_trainings(
    trainings: Sequence[Training], problems: Sequence[str], found: Registered, book: ClaimBook
) -> Iterator[Finding]:
    """Every registered run with every seed, after the nonce, on the registered text.

    Args:
        trainings: those that were found.
        problems: what is missing.
        found: draft and nonce.
        book: of the claim.
    """
    for problem in problems:
        yield _wrong(found.draft_at.line, problem)
    for training in trainings:
        yield from _training_problems(training, found, book)
        if training.others:
            again = ", ".join(str(run.number) for run in training.others)
            detail = f"{training.name}: run {again} trained it again; the first completed counts"
            yield Finding("plan", True, training.others[0].started.line, detail, 1)
    excess = _too_much_tuning(found.draft, book, found.draft_at.number)
    if excess is not None:
        yield _wrong(found.draft_at.line, excess)


def _training_problems(training: Training, found: Registered, book: ClaimBook) -> Iterator[Finding]:
    plan, start = training.plan, training.attempts[0].started
    if start.number < found.nonce_at.number:
        yield _wrong(start.line, f"{training.name} began before the nonce was there")
    packages = digest_json(found.draft.packages)
    for run in training.attempts:
        # None where nobody noted them: books of earlier rules.
        if run.start.environment.packages not in (None, packages):
            detail = f"{training.name}: run {run.number} ran with other packages than the draft has"
            yield _wrong(run.started.line, detail)
    if plan.corpus_digest != found.draft.corpus_digest:
        yield _wrong(start.line, f"{training.name} read another corpus than the draft names")
    made = {run.end.artifact.digest for run in book.runs.values() if run.end and run.end.artifact}
    needed = {plan.parent, *(each.digest for each in plan.inherits)} - {None}
    for digest in sorted(str(each) for each in needed - made):
        yield _wrong(
            start.line,
            f"{training.name} starts from {digest[:16]}, whose cost is in no run of this book",
        )
    if training.registered.arm == "method":
        members = {member.shape for member in plan.members}
        lacking = [each.shape for each in found.draft.targets if each.shape not in members]
        if lacking:
            yield _wrong(start.line, f"{training.name}: the plan does not register {lacking[0]}")


def _too_much_tuning(draft: ClaimDraft, book: ClaimBook, after: int) -> str | None:
    allowed = draft.tuning.method_runs + draft.tuning.baseline_runs
    tuned = [
        run.number
        for run in book.runs.values()
        if run.start.purpose == "tuning" and run.started.number > after
    ]
    if len(tuned) <= allowed:
        return None
    return f"{len(tuned)} tuning runs after the draft, which allows {allowed}"


def _wrong(where: str, detail: str) -> Finding:
    return Finding(_CHECK, False, where, detail, 1)

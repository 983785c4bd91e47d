"""Shares of the parent, registered in the book before training."""

from __future__ import annotations

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.entries import Member, Plan, RunEnd
from farthing.artifacts.references import Inherited
from farthing.cost.flops import flops_per_token
from farthing.errors import ConfigError
from farthing.flow.config import RunConfig
from farthing.ledger.accounts import collect_runs
from farthing.model.shape import distinct_shapes
from farthing.session import Session, starts_of
from farthing.stages.train.start.begin import Start
from farthing.text.corpus import Corpus

_SHARE_ROUNDING = 1e-9


def registered_plan(run: RunConfig, corpus: Corpus, start: Start | None = None) -> Plan:
    """Recipe and members, each with its share: in proportion to active FLOPs per token.

    Args:
        run: the recipe.
        corpus: what it reads.
        start: what it starts from; the plan names that by its digest, wherever it stands.
    """
    shapes = distinct_shapes(run.evaluate.members, run.model)
    flops = [flops_per_token(run.model, corpus.vocab_size, shape) for shape in shapes]
    # The share that is carried stands in the plan itself, and changes nothing about the training.
    recipe = run.model_dump(mode="json", exclude={"inherit"})
    if start is not None:
        recipe["start"] = start.identity
    return Plan(
        name=run.name,
        recipe=recipe,
        recipe_digest=digest_json(recipe),
        corpus_digest=corpus.digest,
        parent=start.source.parent if start else None,
        inherits=_stated(run, start),
        members=tuple(
            Member(shape=str(shape), share=cost / sum(flops))
            for shape, cost in zip(shapes, flops, strict=True)
        ),
    )


def sign_plan(plan: Plan, session: Session) -> str:
    """Enter the plan into the book, once; returns the entry's digest.

    Where it starts from an earlier model and states no share of what that one cost, it takes what
    the plans before it left: the first child all, later ones nothing. A plan that was given up and
    of whose shares others took some since is signed anew, with what is left by now.

    Raises:
        ConfigError: it takes more of an earlier model than the plans before it left.
    """
    known = _entry_of(plan, session)
    if known is not None and _still_left(known, session):
        return known
    return session.book.append(_with_shares(plan, session)).entry.digest


def check_resumption(key: str, plan: Plan, session: Session) -> None:
    """Shares are signed before training: a run goes on under the plan it began with.

    Raises:
        ConfigError: the run with this input key began under another plan.
    """
    begun = starts_of(key, session)
    if begun and begun[-1].plan != _entry_of(plan, session):
        raise ConfigError(
            "this run is half trained, under a plan that registered other members or settings",
            remedy="go on with the recipe it began with (evaluate.members too), "
            "or start another run, for example with another train.seed",
        )


def check_stated_share(key: str, plan: Plan, session: Session) -> None:
    """A share that is stated for a finished run comes too late, and must not seem to count.

    Raises:
        ConfigError: the run with this input key was finished under a plan that signed another.
    """
    plans = {r.entry.digest: r.body for r in session.book.records if isinstance(r.body, Plan)}
    ended = {
        r.body.run
        for r in session.book.records
        if isinstance(r.body, RunEnd) and r.body.status == "completed"
    }
    finished = [start for start in starts_of(key, session) if start.run in ended]
    if not plan.inherits or not finished or finished[-1].plan not in plans:
        return
    signed = plans[finished[-1].plan].inherits
    if signed != plan.inherits:
        shares = ", ".join(f"{each.share:g}" for each in signed) or "none"
        raise ConfigError(
            f"inherit.share = {plan.inherits[0].share:g}: run {finished[-1].run} made this "
            f"already, under a plan that signed {shares}; shares are signed before training",
            remedy="leave inherit.share out to use what is there, or train another run, for "
            "example with another train.seed",
        )


def _stated(run: RunConfig, start: Start | None) -> tuple[Inherited, ...]:
    """The share that the recipe states of the model that it starts from; empty without one."""
    if run.inherit is None or start is None:
        return ()
    whole = start.source.parent
    return (Inherited(digest=whole, role="weights", share=run.inherit.share),)


def _entry_of(plan: Plan, session: Session) -> str | None:
    """The entry of this very plan, the newest if it was signed anew.

    Shares that it took when it was signed do not tell it apart.
    """
    found = (
        record.entry.digest
        for record in reversed(session.book.records)
        if isinstance(record.body, Plan)
        and (
            record.body == plan
            or (not plan.inherits and record.body.model_copy(update={"inherits": ()}) == plan)
        )
    )
    return next(found, None)


def _still_left(known: str, session: Session) -> bool:
    """Whether other plans leave what an entry signed: one that was given up holds nothing."""
    (plan,) = (
        record.body
        for record in session.book.records
        if record.entry.digest == known and isinstance(record.body, Plan)
    )
    signed: dict[str, float] = {}
    for each in plan.inherits:
        signed[each.digest] = signed.get(each.digest, 0.0) + each.share
    return all(
        share + _taken(digest, session, without=known) <= 1.0 + _SHARE_ROUNDING
        for digest, share in signed.items()
        if share
    )


def _with_shares(plan: Plan, session: Session) -> Plan:
    """The plan with its shares of earlier models, as they are signed."""
    left = {
        digest: max(0.0, 1.0 - _taken(digest, session))
        for digest in {plan.parent, *(each.digest for each in plan.inherits)} - {None}
        if digest is not None
    }
    for digest in {each.digest for each in plan.inherits}:
        share = sum(each.share for each in plan.inherits if each.digest == digest)
        if share > left[digest] + _SHARE_ROUNDING:
            raise ConfigError(
                f"the plan {plan.name} takes {share:g} of what {digest} cost, but earlier plans "
                f"left {left[digest]:g} of it",
                remedy=f"state inherit.share {left[digest]:g} or less: no more than the whole of a "
                "model is ever carried",
            )
    if plan.inherits or plan.parent is None:
        return plan
    own = Inherited(digest=plan.parent, role="weights", share=left[plan.parent])
    return plan.model_copy(update={"inherits": (own,)})


def _taken(digest: str, session: Session, *, without: str | None = None) -> float:
    """The part of a model's cost that plans carry; one that was given up carries nothing.

    A plan counts while it may yet yield something: until all its runs have ended without. That
    with the entry `without` is left out.
    """
    runs = collect_runs(session.workspace, session.book.records)
    taken = 0.0
    for record in session.book.records:
        if isinstance(record.body, Plan) and record.entry.digest != without:
            ends = {run.status for run in runs if run.start.plan == record.entry.digest}
            if not ends or ends & {"completed", "open"}:
                taken += sum(each.share for each in record.body.inherits if each.digest == digest)
    return taken

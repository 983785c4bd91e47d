"""Shares of the parent, registered in the book before training."""

from __future__ import annotations

from farthing.artifacts.canonical import digest_json
from farthing.artifacts.entries import Member, Plan
from farthing.cost.flops import flops_per_token
from farthing.errors import ConfigError
from farthing.flow.config import RunConfig
from farthing.model.shape import distinct_shapes
from farthing.session import Session, starts_of
from farthing.stages.train.start.begin import Start
from farthing.text.corpus import Corpus


def registered_plan(run: RunConfig, corpus: Corpus, start: Start | None = None) -> Plan:
    """Recipe and members, each with its share: in proportion to active FLOPs per token.

    Args:
        run: the recipe.
        corpus: what it reads.
        start: what it starts from; the plan names that by its digest, wherever it stands.
    """
    shapes = distinct_shapes(run.evaluate.members, run.model)
    flops = [flops_per_token(run.model, corpus.vocab_size, shape) for shape in shapes]
    recipe = run.model_dump(mode="json")
    if start is not None:
        recipe["start"] = start.identity
    return Plan(
        name=run.name,
        recipe=recipe,
        recipe_digest=digest_json(recipe),
        corpus_digest=corpus.digest,
        parent=start.source.parent if start else None,
        members=tuple(
            Member(shape=str(shape), share=cost / sum(flops))
            for shape, cost in zip(shapes, flops, strict=True)
        ),
    )


def sign_plan(plan: Plan, session: Session) -> str:
    """Enter the plan into the book, once; returns the entry's digest."""
    return _entry_of(plan, session) or session.book.append(plan).entry.digest


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


def _entry_of(plan: Plan, session: Session) -> str | None:
    found = (record.entry.digest for record in session.book.records if record.body == plan)
    return next(found, None)

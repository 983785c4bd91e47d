"""Under whose plan the runs stand that are about a finished supernet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from farthing.artifacts.entries import RunEnd, RunStart
from farthing.artifacts.manifest import Manifest
from farthing.ledger.book import Book
from farthing.ledger.journal import RunRecorder
from farthing.session import Job, Session, made


def made_under_plan(
    supernet: str,
    job: Job,
    session: Session,
    make: Callable[[Path, RunRecorder], Manifest],
    *,
    rerun: bool,
) -> Path:
    """`session.made`, in a run under the plan that the supernet (its digest) was trained under.

    No other family of the workspace is charged for what is found out about this one.
    """
    plan = {"plan": plan_of(session.book, supernet)}
    return made(job, session, make, rerun=rerun, before=lambda _place: dict(plan))


def plan_of(book: Book, supernet: str) -> str | None:
    """The plan under which a supernet (its digest) was trained; None if the book does not know."""
    plans: dict[int, str | None] = {}
    found = None
    for record in book.records:
        if isinstance(record.body, RunStart):
            plans[record.body.run] = record.body.plan
        elif isinstance(record.body, RunEnd):
            made = record.body.artifact
            if made is not None and made.digest == supernet:
                found = plans.get(record.body.run) or found
    return found

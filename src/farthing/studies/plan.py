"""Under whose plan a study's runs stand in the book."""

from __future__ import annotations

from farthing.artifacts.entries import RunEnd, RunStart
from farthing.ledger.book import Book


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

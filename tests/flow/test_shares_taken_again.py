"""A plan that was given up and comes back takes no share that others have taken since."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from farthing.artifacts.entries import Member, Plan
from farthing.artifacts.references import Inherited
from farthing.artifacts.settings import WorkspaceSettings
from farthing.errors import ConfigError
from farthing.flow.plan import check_resumption, sign_plan
from farthing.ledger.bill import make_bill

SOURCE = "the earlier supernet"


@pytest.fixture
def session(book, workspace):
    return SimpleNamespace(book=book, workspace=workspace)


@pytest.fixture
def train(book, meter, session):
    """Sign a plan and train under it; returns the digest of the plan's entry."""

    def train(plan, made=None):
        entry = sign_plan(plan, session)
        run = book.start_run("training", plan.name, input_key=plan.name, meter=meter, plan=entry)
        if made is None:
            run.end("failed", reason="why")
        else:
            run.end(artifact_kind="x", artifact_digest=made)
        return entry

    return train


@pytest.fixture
def source(train):
    train(plan("source", parent=None), SOURCE)


def plan(name, parent=SOURCE, share=None):
    return Plan(
        name=name,
        recipe={"name": name},
        recipe_digest=name,
        corpus_digest=None,
        parent=parent,
        inherits=() if share is None else (Inherited(digest=SOURCE, role="weights", share=share),),
        members=(Member(shape="A", share=1.0),),
    )


def signed(book):
    """Name and share of every plan of the book that starts from the earlier model."""
    plans = [record.body for record in book.records if isinstance(record.body, Plan)]
    return [(each.name, each.inherits[0].share) for each in plans if each.parent is not None]


@pytest.mark.usefixtures("source")
def test_what_others_took_meanwhile_is_not_carried_twice(train, book, session, workspace):
    first = train(plan("one"))
    train(plan("two"), "second child")
    again = train(plan("one"), "first child")
    assert again != first
    assert signed(book) == [("one", 1), ("two", 1), ("one", 0)]
    assert [
        note for note in make_bill(workspace, WorkspaceSettings()).notes if "carried" in note
    ] == []
    # What goes on later goes on under the newest.
    check_resumption("one", plan("one"), session)
    assert train(plan("one"), "first child, again") == again


@pytest.mark.usefixtures("source")
def test_what_nobody_took_is_still_the_plans_own(train, book):
    first = train(plan("one"))
    assert train(plan("one"), "first child") == first
    assert signed(book) == [("one", 1)]


@pytest.mark.usefixtures("source")
def test_a_stated_share_that_others_took_meanwhile_is_refused(train, book):
    first = train(plan("one", share=0.75))
    train(plan("two", share=0.5), "second child")
    entries = len(book.records)
    with pytest.raises(ConfigError, match=r"takes 0\.75 of .* left 0\.5 of it") as refused:
        train(plan("one", share=0.75))
    assert "state inherit.share 0.5 or less" in refused.value.remedy
    assert len(book.records) == entries
    assert train(plan("one", share=0.5), "first child") != first
    assert signed(book) == [("one", 0.75), ("two", 0.5), ("one", 0.5)]

"""A run that writes a member in another form serves that member's family, also where it failed."""

from __future__ import annotations

import pytest
from entering import Enter

from farthing.artifacts.settings import WorkspaceSettings
from farthing.ledger.bill import make_bill


@pytest.mark.parametrize("role", ["supernet", "weights"])
def test_a_failed_run_about_one_family_is_in_no_other_ones_parent(book, meter, workspace, role):
    enter = Enter(book, meter)
    for name in ("a", "b"):
        plan = enter.plan(name, (("A", 1.0),))
        enter.run("training", 1, plan=plan, made=f"supernet {name}", key=name)
    reads = [("supernet", "supernet a")]
    cut = [("supernet a", "A", 0.5, "member a")]
    enter.run("extraction", 1, cut=cut, reads=reads, key="cut")
    about = {"supernet": "supernet a", "weights": "member a"}[role]
    enter.run("extraction", 7, status="failed", reads=[(role, about)], key="form")
    families = make_bill(workspace, WorkspaceSettings()).families
    hours = {family.name: family.parent.wall_hours.value for family in families}
    # Of a: its training, what the cut took beside the member's part, and the failed run.
    assert hours == pytest.approx({"a": 1 + 0.5 + 7, "b": 1})


def test_a_failed_run_about_weights_that_nobody_knows_is_in_every_parent(book, meter, workspace):
    enter = Enter(book, meter)
    for name in ("a", "b"):
        plan = enter.plan(name, (("A", 1.0),))
        enter.run("training", 1, plan=plan, made=f"supernet {name}", key=name)
    enter.run("extraction", 7, status="failed", reads=[("weights", "somebody's")], key="form")
    families = make_bill(workspace, WorkspaceSettings()).families
    assert [family.parent.wall_hours.value for family in families] == pytest.approx([8, 8])

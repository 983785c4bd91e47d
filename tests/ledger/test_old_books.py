"""A book that began under the rules before: stored as that farthing wrote it, read by this one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from farthing.artifacts.claims.entries import ClaimNonce
from farthing.artifacts.curation_step import CurationStep
from farthing.artifacts.entries import RULES_VERSION, Genesis, Plan, RunEnd, RunStart, read_book
from farthing.artifacts.forecast import Forecast
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.workspace import Workspace
from farthing.ledger.bill import make_bill
from farthing.stages.verify.run import verify_workspace

BOOKS = Path(__file__).parent / "books"


@pytest.fixture
def old(tmp_path):
    """Curation 1 h, failed 2 h, training 8 h, evaluation 1 h, search 0.5 h, extraction 0.5 h."""
    return Workspace(shutil.copytree(BOOKS / "rules-1", tmp_path / "old"))


def test_it_was_written_under_older_rules_and_lacks_what_is_new(old):
    assert RULES_VERSION == 5
    lines = [json.loads(line) for line in old.book_file.read_text("utf-8").splitlines()]
    assert lines[0]["body"]["rules_version"] == 1
    starts = [line["body"] for line in lines if line["kind"] == "run.start"]
    assert starts
    assert not any("inputs" in start or "accelerator" in start["machine"] for start in starts)
    assert not any("packages" in start["environment"] for start in starts)
    assert not any("energy_parts" in line["body"].get("work", {}) for line in lines)


def test_every_entry_is_read_and_what_is_new_is_empty(old):
    bodies = [record.body for record in read_book(old.book_file).records]
    assert len(bodies) == 18
    assert isinstance(bodies[0], Genesis)
    starts = [body for body in bodies if isinstance(body, RunStart)]
    assert {start.inputs for start in starts} == {()}
    assert {(start.machine.accelerator, start.machine.device_ids) for start in starts} == {
        (None, ())
    }
    assert [plan.inherits for plan in bodies if isinstance(plan, Plan)] == [()]
    ends = [body for body in bodies if isinstance(body, RunEnd)]
    assert [end.work.energy_method for end in ends] == [
        *("tdp_model", "tdp_model", "rapl", "tdp_model", "none", "tdp_model")
    ]
    assert {end.work.energy_parts for end in ends} == {()}


def test_its_bill_is_what_it_was(old):
    bill = make_bill(old, WorkspaceSettings())
    assert bill.total.wall_hours.value == pytest.approx(13.0)
    assert bill.total.device_hours.value == pytest.approx(26.0)
    # 10 Wh for each hour; nobody metered the search.
    assert bill.purposes["training"].kwh.value == pytest.approx(0.1)
    assert bill.purposes["search"].kwh is None
    assert bill.total.kwh is None
    (family,) = bill.families
    a, b = family.members
    assert a.marginal.wall_hours.value == pytest.approx(0.75)
    assert family.parent.wall_hours.value == pytest.approx(12.25)
    assert b.amortised.wall_hours.value == pytest.approx(0.25 * 12.25)


def test_it_verifies_but_for_the_artifacts_that_are_not_stored_with_it(old):
    verdict = verify_workspace(old)
    assert verdict.ok, [finding for finding in verdict.findings if not finding.ok]
    assert sum(finding.check == "journal" for finding in verdict.findings) == 6


@pytest.fixture
def before_steps(tmp_path):
    """Of rules 2: curation 1 h, training 8 h, evaluation 1 h; rates, and 2 dollars of storage."""
    return Workspace(shutil.copytree(BOOKS / "rules-2", tmp_path / "old"))


def test_a_book_of_rules_2_has_what_came_with_them_and_no_steps_of_curation(before_steps):
    bodies = [record.body for record in read_book(before_steps.book_file).records]
    assert isinstance(bodies[0], Genesis)
    assert bodies[0].rules_version == 2
    starts = [body for body in bodies if isinstance(body, RunStart)]
    assert [ref.digest for start in starts for ref in start.inputs] == ["c" * 64, "5" * 64]
    assert not any(isinstance(body, CurationStep) for body in bodies)
    assert all(finding.ok for finding in verify_workspace(before_steps).findings)


def test_the_bill_of_a_book_of_rules_2_is_what_it_was(before_steps):
    bill = make_bill(before_steps, WorkspaceSettings(), book_only=True)
    assert bill.total.wall_hours.value == pytest.approx(10.0)
    # 10 h of two devices at half a dollar, and the storage.
    assert bill.total.usd["spot"].value == pytest.approx(12.0)
    # 10 W for 10 h, half as much again for the site, at 100 g/kWh.
    assert bill.total.kwh.value == pytest.approx(0.15)
    assert bill.total.kg_co2e.value == pytest.approx(0.015)
    ((a, b),) = [family.members for family in bill.families]
    assert (a.marginal.wall_hours.value, b.marginal.wall_hours.value) == pytest.approx((0.25, 0.0))
    assert bill.steps.lines == ()


@pytest.fixture
def before_claims(tmp_path):
    """Of rules 3: curation 1 h in one step, training 8 h, evaluation 1 h."""
    return Workspace(shutil.copytree(BOOKS / "rules-3", tmp_path / "old"))


def test_a_book_of_rules_3_has_steps_of_curation_and_no_claims(before_claims):
    bodies = [record.body for record in read_book(before_claims.book_file).records]
    assert isinstance(bodies[0], Genesis)
    assert bodies[0].rules_version == 3
    assert sum(isinstance(body, CurationStep) for body in bodies) == 1
    environments = [body.environment for body in bodies if isinstance(body, RunStart)]
    assert len(environments) == 3
    for environment in environments:
        later = (environment.instructions, environment.packages, environment.deterministic)
        assert later == (None, None, None)
    assert all(finding.ok for finding in verify_workspace(before_claims).findings)
    assert make_bill(before_claims, WorkspaceSettings()).total.wall_hours.value == pytest.approx(10)


@pytest.fixture
def before_forecasts(tmp_path):
    """Of rules 4: curation, a claim's nonce, training, evaluation; each in no time."""
    return Workspace(shutil.copytree(BOOKS / "rules-4", tmp_path / "old"))


def test_a_book_of_rules_4_has_what_a_claim_needs_and_no_forecasts(before_forecasts):
    bodies = [record.body for record in read_book(before_forecasts.book_file).records]
    assert isinstance(bodies[0], Genesis)
    assert bodies[0].rules_version == 4
    assert sum(isinstance(body, ClaimNonce) for body in bodies) == 1
    packages = [body.environment.packages for body in bodies if isinstance(body, RunStart)]
    assert len(packages) == 3
    assert None not in packages
    assert not any(isinstance(body, Forecast) for body in bodies)
    assert all(finding.ok for finding in verify_workspace(before_forecasts).findings)

"""A claim made by hand, and what a verifier finds in it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from farthing.stages.verify.claim.check import check_claim
from farthing.stages.verify.claim.opening import open_claim

_SCRIPTS = str(Path(__file__).parents[4] / "bench" / "claims")


@pytest.fixture(scope="session")
def scripts():
    """Imports the scripts of bench/claims, which find each other beside themselves."""
    sys.path.insert(0, _SCRIPTS)
    yield importlib.import_module
    sys.path.remove(_SCRIPTS)


@pytest.fixture(scope="session")
def synthetic(scripts):
    return scripts("synthetic")


@pytest.fixture
def tell(synthetic, tmp_path):
    """Makes a claim, with edits by the holder of the key."""

    def made(**edits):
        return synthetic.Story(tmp_path, **edits).write()

    return made


@pytest.fixture
def find():
    """All that is wrong with a claim, as (level, check, where and detail)."""

    def wrong(path, **options):
        with open_claim(path) as opened:
            checked = check_claim(opened, **options)
        return [
            (finding.level, finding.check, f"{finding.where}: {finding.detail}")
            for finding in checked.findings
            if not finding.ok
        ]

    return wrong

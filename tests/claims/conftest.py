"""The claims that stand in the repository, and the scripts that tell of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
if str(ROOT / "scripts") not in sys.path:
    sys.path.insert(0, str(ROOT / "scripts"))


def pytest_generate_tests(metafunc):
    if "bundle" in metafunc.fixturenames:
        found = sorted((ROOT / "claims").glob("*/*.claim"))
        metafunc.parametrize("bundle", found, ids=lambda path: path.stem)


@pytest.fixture
def root():
    return ROOT

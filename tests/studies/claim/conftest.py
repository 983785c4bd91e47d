"""One whole claim for all tests, and copies of it for those that change something."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from claim_example import one_example


@pytest.fixture(scope="session")
def made_example(tmp_path_factory):
    """The claim; nobody changes it, and FARTHING_HOME is not set to its home."""
    return one_example(tmp_path_factory)


@pytest.fixture
def example(made_example, monkeypatch):
    """The same to look at, with its key in place."""
    monkeypatch.setenv("FARTHING_HOME", str(made_example.home))
    monkeypatch.setattr("farthing.session.find_loads", lambda *_, **__: ())
    return made_example


@pytest.fixture
def own_example(made_example, tmp_path, monkeypatch):
    """A copy to change, with its key in place."""
    root, home = tmp_path / "ws", tmp_path / "key"
    shutil.copytree(made_example.root, root)
    shutil.copytree(made_example.home, home)
    monkeypatch.setenv("FARTHING_HOME", str(home))
    monkeypatch.setattr("farthing.session.find_loads", lambda *_, **__: ())
    places = {"bundle": made_example.bundle, "answer": made_example.answer}
    moved = {name: root / path.relative_to(made_example.root) for name, path in places.items()}
    return replace(made_example, root=root, home=home, **moved)

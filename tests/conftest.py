"""A book of one's own, away from the user's key, on a machine whose figures are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from farthing.artifacts.workspace import Workspace
from farthing.hardware.machine import Machine
from farthing.ledger.book import Book
from farthing.ledger.meter import Meter
from farthing.quantity import Provenance, Quantity


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if torch.accelerator.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="there is no accelerator on this machine"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """The same sums everywhere, and no test waits for another's threads; undone at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("FARTHING_HOME", str(folder))
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "ws")


@pytest.fixture
def machine() -> Machine:
    watts = Quantity(
        value=5.0, unit="W", provenance=Provenance.ASSUMED, source="test", low=2.0, high=8.0
    )
    return Machine("m", "test cpu", "cpu-thread", 2, watts)


@pytest.fixture
def meter(machine: Machine) -> Meter:
    return Meter(machine, from_process_start=False)


@pytest.fixture
def book(workspace: Workspace) -> Book:
    return Book.open(workspace)

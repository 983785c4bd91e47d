"""What a run with phases notes about its data, and that no later run goes on in its order."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from farthing.errors import ConfigError
from farthing.stages.evaluate.calibration import read_in_phases
from farthing.stages.train.start.config import StartConfig
from farthing.stages.train.start.order import first_sequence, read_so_far
from farthing.text.order import Phase, PhasedOrder

LENGTHS = {"en": 50_000, "zh": 20_000}


def batches(*phases: tuple[float, dict[str, float]]) -> SimpleNamespace:
    order = PhasedOrder(LENGTHS, [Phase(*each) for each in phases], 16, 3, 4 * 1024)
    return SimpleNamespace(order=order, first=0)


START = StartConfig.model_validate({"from": "x"})
ONE = batches((1.0, {"en": 1, "zh": 3}))
TWO = batches((0.5, {"en": 1}), (1.0, {"en": 1, "zh": 3}))


def test_a_run_of_one_phase_notes_its_quotas_as_ever():
    noted = read_so_far(ONE, "c", 10)
    assert noted == {
        "corpus": "c",
        "mixture": {"en": 256, "zh": 768},
        "context": 16,
        "seed": 3,
        "next_sequence": 10,
    }


def test_what_was_read_in_phases_can_be_counted_from_the_note():
    noted = read_so_far(TWO, "c", 2 * 1024 + 5)
    # The third block is begun: it counts whole.
    drawn = Counter(TWO.order.locate(i).domain for i in range(3 * 1024))
    assert read_in_phases(noted["phases"], noted["next_sequence"]) == drawn


@pytest.mark.parametrize(
    ("before", "now"),
    [(ONE, TWO), (TWO, ONE), (TWO, TWO)],
    ids=["one, two", "two, one", "two, two"],
)
def test_a_run_never_goes_on_in_an_order_with_phases(before, now):
    origin = {"data_order": read_so_far(before, "c", 1024)}
    found = first_sequence(START, origin, now, "c")
    assert found.number == 0
    assert "phases" in found.reason
    follow = StartConfig.model_validate({"from": "x", "first_sequence": "follow"})
    with pytest.raises(ConfigError, match="phases ends with its run"):
        first_sequence(follow, origin, now, "c")


def test_an_order_without_phases_goes_on():
    origin = {"data_order": read_so_far(ONE, "c", 1024)}
    assert first_sequence(START, origin, ONE, "c").number == 1024

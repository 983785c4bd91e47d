"""A loss that is no number, or that jumps, is refused."""

from __future__ import annotations

import math

import pytest

from farthing.stages.train.guard import LossGuard


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_refused_from_the_first_step(loss: float):
    assert str(loss) in (LossGuard(2.0).complaint(loss) or "")


def test_a_jump_over_the_recent_median_is_refused_and_not_remembered():
    guard = LossGuard(2.0, recent=[3.0, 3.1, 2.9, 3.0, 3.2, 2.8, 3.0, 3.1, 2.9, 3.0])
    assert "jumped to 5.100" in (guard.complaint(5.1) or "")
    assert 5.1 not in guard.recent
    assert guard.complaint(4.9) is None


def test_early_losses_may_move_freely():
    guard = LossGuard(0.5)
    assert all(guard.complaint(loss) is None for loss in (9.0, 3.0, 8.0, 2.0))

"""Cheats with the key against signatures and arithmetic: where each is caught, or that none is."""

from __future__ import annotations

import pytest
from by_hand import CAUGHT, SHOWN, UNSEEN
from cheats import told


def test_an_honest_claim_made_by_hand_is_caught_at_nothing(caught, tmp_path):
    assert caught(told()(tmp_path)) == (None, [])


@pytest.mark.parametrize("name", sorted(CAUGHT))
def test_a_cheat_is_caught_at_its_level_and_named(name, caught, tmp_path):
    attack = CAUGHT[name]
    level, sentences = caught(attack.make(tmp_path))
    assert level == attack.level, sentences
    assert any(attack.words in each for each in sentences), sentences


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_what_is_no_fault_by_itself_is_shown(name, findings, tmp_path):
    attack = SHOWN[name]
    found = findings(attack.make(tmp_path))
    assert all(ok for _, ok, _ in found)
    assert [level for level, _, words in found if attack.words in words] == [attack.level]


@pytest.mark.parametrize("name", sorted(UNSEEN))
def test_what_no_arithmetic_can_see_passes(name, caught, tmp_path):
    """Listed among the undetectable: a test that fails here is good news for that page."""
    assert caught(UNSEEN[name].make(tmp_path)) == (None, [])

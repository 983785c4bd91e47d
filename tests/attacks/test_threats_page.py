"""docs/threats.md and the attacks of these tests are one list."""

from __future__ import annotations

import re
from pathlib import Path

import by_hand
import pytest
import with_models
from attack import listed

PAGE = (Path(__file__).parents[2] / "docs" / "threats.md").read_text(encoding="utf-8")
CAUGHT = listed(
    by_hand.CAUGHT,
    by_hand.SHOWN,
    with_models.RELEASED,
    {name: attack for name, (attack, _) in with_models.REPLAYED.items()},
)
UNSEEN = listed(by_hand.UNSEEN, with_models.UNSEEN)


def rows(heading):
    """The rows of the table below a heading, by the name in their first column."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = {}
    for line in section.splitlines():
        if named := re.match(r"\| `([a-z-]+)`", line):
            assert named[1] not in found, f"{named[1]} stands there twice"
            found[named[1]] = [cell.strip() for cell in line.strip("|").split(" | ")]
    return found


def test_every_attack_has_a_row_and_every_row_a_test():
    assert set(rows("What is caught")) == set(CAUGHT)
    assert set(rows("What is not")) == set(UNSEEN)
    assert not CAUGHT.keys() & UNSEEN.keys()


def test_there_are_more_than_twenty():
    assert len(CAUGHT) >= 20


@pytest.mark.parametrize("name", sorted(CAUGHT))
def test_the_row_says_level_and_sentence_as_they_are(name):
    attack = CAUGHT[name]
    _, level, sentence, remains = rows("What is caught")[name]
    assert level == (f"{attack.level}, shown" if attack.shown else str(attack.level))
    assert attack.words in sentence
    assert remains


@pytest.mark.parametrize("name", sorted(UNSEEN))
def test_the_row_says_what_would_help(name):
    _, why, helps = rows("What is not")[name]
    assert why
    assert helps


def test_the_page_counts_them():
    counted = f"{len(CAUGHT)} ways to cheat that are caught and {len(UNSEEN)} that are not"
    assert counted in " ".join(PAGE.split())

"""One claim in which nine trainings lie, in accord with every signature, figure and score."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
from claim_example import VERIFIER_NONCE, home_at
from forger import claim_anew, rewrite
from lies import LIES, Liar
from with_models import REPLAYED


@pytest.fixture(scope="module")
def lied(honest, tmp_path_factory):
    """The honest claim's workspace with all lies, and claim and answer of it."""
    folder = tmp_path_factory.mktemp("forged")
    shutil.copytree(honest.root, folder / "ws")
    shutil.copytree(honest.home, folder / "home")
    example = replace(honest, root=folder / "ws", home=folder / "home")
    with home_at(example.home):
        liar = Liar(example)
        for lie in LIES:
            lie(liar)
        rewrite(example.root, liar.edit)
        return claim_anew(example)


@pytest.fixture(scope="module")
def verdict():
    """What was found, once for all tests."""
    return []


@pytest.fixture
def sentences(lied, verdict, findings):
    """All that fails, as (level, sentence)."""
    if not verdict:
        verdict += findings(lied.claim, answer=lied.answer, nonce=VERIFIER_NONCE)
    return [(level, words) for level, ok, words in verdict if not ok]


def test_signatures_figures_and_scores_all_hold(sentences, verdict):
    assert {level for level, _, _ in verdict} == {0, 1, 2, 3}
    assert {level for level, _ in sentences} == {3}


@pytest.mark.parametrize("name", sorted(REPLAYED))
def test_a_lie_about_training_is_found_by_replay_where_it_was_told(name, sentences):
    attack, place = REPLAYED[name]
    own = [words for _, words in sentences if f": {place}: " in words]
    assert any(attack.words in words for words in own), (attack.words, own)


def test_nothing_else_is_accused(sentences):
    """A forged state spoils the segment that begins with it, and no other."""
    places = {words.split(": ")[1] for _, words in sentences}
    spoilt = {
        *("run 6, steps 6-7", "run 6, steps 12-13", "run 8, steps 2-3", "run 12, steps 6-7"),
        "run 16, steps 2-3",
        "run 18, steps 8-9",
    }
    assert places == {place for _, place in REPLAYED.values()} | spoilt

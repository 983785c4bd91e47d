from __future__ import annotations


def test_every_one_of_two_hundred_random_mutations_is_seen(scripts, tell, tmp_path):
    mutations = scripts("mutations")
    path = tell()
    outcome = mutations.run(path, tmp_path, count=208, seed=7)
    assert (outcome.missed, outcome.crashed) == ([], [])
    assert outcome.seen == outcome.tried
    assert set(outcome.tried) == set(mutations.KINDS)
    # And the claim itself is one that holds.
    assert not mutations.is_seen(path)

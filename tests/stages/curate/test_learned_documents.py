from __future__ import annotations

import numpy as np
import pytest

from farthing.stages.curate.phases.tokenizer import learned_from


@pytest.fixture
def pile():
    draw = np.random.default_rng(0)
    ranks = draw.integers(0, 1 << 63, 4000).astype(np.uint64)
    sizes = draw.integers(1, 2000, 4000)
    domains = draw.choice(4, 4000, p=[0.6, 0.3, 0.099, 0.001]).astype(np.int32)
    return ranks, sizes, domains


def test_a_small_pile_is_learned_from_whole(pile):
    ranks, sizes, domains = pile
    assert learned_from(ranks, sizes, domains, int(sizes.sum())).all()
    assert not learned_from(ranks, sizes, domains, int(sizes.sum()) // 2).all()


def test_every_domain_gives_its_share_and_a_document_at_most_beyond_it(pile):
    ranks, sizes, domains = pile
    drawn = learned_from(ranks, sizes, domains, 200_000)
    for domain in range(4):
        mine = domains == domain
        share = 200_000 * sizes[mine].sum() / sizes.sum()
        given = sizes[mine & drawn]
        assert share <= given.sum() < share + sizes.max()
        assert len(given) > 0
        # Those with the smallest ranks.
        assert ranks[mine & drawn].max() < ranks[mine & ~drawn].min()


def test_the_order_of_documents_does_not_matter(pile):
    order = np.random.default_rng(1).permutation(4000)
    drawn = learned_from(*pile, 200_000)
    assert np.array_equal(learned_from(*(each[order] for each in pile), 200_000), drawn[order])

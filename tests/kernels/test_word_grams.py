from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.kernels.grams import gram_hashes, gram_occurrences, score_items
from farthing.kernels.key_table import key_table

DOCUMENTS = st.lists(st.lists(st.integers(1, 2), max_size=20), min_size=1, max_size=4)


@settings(deadline=None)  # the first call compiles
@given(DOCUMENTS, st.lists(st.integers(1, 2), min_size=5, max_size=12))
def test_known_grams_are_found_where_their_words_stand_within_one_document(documents, known):
    flat = np.array([word for document in documents for word in document], dtype=np.uint64)
    firsts = np.cumsum([0, *map(len, documents)])
    table = key_table(np.unique(gram_hashes(np.array(known, dtype=np.uint64), 5)))
    places, grams = gram_occurrences(flat, firsts, table)
    wanted = {tuple(known[i : i + 5]) for i in range(len(known) - 4)}
    expected = [
        (first + i, tuple(document[i : i + 5]))
        for first, document in zip(firsts.tolist(), documents, strict=False)
        for i in range(len(document) - 4)
        if tuple(document[i : i + 5]) in wanted
    ]
    assert places.tolist() == [place for place, _ in expected]
    numbers = set(zip(grams.tolist(), (gram for _, gram in expected), strict=True))
    assert len(numbers) == len({number for number, _ in numbers}) == len({g for _, g in numbers})


@settings(deadline=None)
@given(
    st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=5),
    st.lists(st.sets(st.integers(0, 7)), min_size=1, max_size=5),
    st.lists(st.integers(1, 9), min_size=8, max_size=8),
    st.integers(1, 20),
)
def test_items_score_the_weights_of_the_grams_that_a_document_holds(held, items, weights, least):
    holders = defaultdict(list)
    for item, grams in enumerate(items):
        for gram in grams:
            holders[gram].append(item)
    found = score_items(
        np.cumsum([0, *map(len, held)]),
        np.array([gram for grams in held for gram in sorted(grams)], dtype=np.int32),
        np.array(weights),
        np.cumsum([0, *(len(holders[gram]) for gram in range(8))]),
        np.array([item for gram in range(8) for item in holders[gram]], dtype=np.int32),
        np.full(len(items), least),
    )
    expected = {
        (document, item)
        for document, grams in enumerate(held)
        for item, wanted in enumerate(items)
        if sum(weights[gram] for gram in grams & wanted) >= least
    }
    assert set(map(tuple, found.tolist())) == expected
    assert len(found) == len(expected)
    assert found[:, 0].tolist() == sorted(found[:, 0].tolist())

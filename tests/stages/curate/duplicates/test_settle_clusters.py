from __future__ import annotations

import numpy as np
import pytest

from farthing.stages.curate.duplicates.clusters import REASONS, settle


def settled(copies, similar, qualities=None, documents=None, count=None):
    count = len(copies) if count is None else count
    documents = np.arange(count) if documents is None else np.array(documents)
    pairs = np.array(similar, dtype=np.int64).reshape(-1, 2)
    scores = None if qualities is None else np.array(qualities, dtype=np.float64)
    return settle(documents, np.array(copies), pairs, scores, count=count)


def reasons(clusters):
    return [REASONS[code] for code in clusters.reasons]


def test_of_equal_texts_the_first_stays():
    found = settled([0, 1, 0, 1, 4], [])
    assert reasons(found) == ["", "", "exact_duplicate", "exact_duplicate", ""]
    assert found.clusters.tolist() == [0, 1, 0, 1, 4]
    assert found.sizes.tolist() == [2, 2, 2, 2, 1]


def test_a_chain_of_similar_documents_is_one_cluster_and_counts_its_copies():
    found = settled([0, 1, 2, 3, 2], [[0, 3], [2, 3]])
    assert found.clusters.tolist() == [0, 1, 0, 0, 0]
    assert found.sizes.tolist() == [4, 1, 4, 4, 4]
    assert reasons(found) == ["", "", "near_duplicate", "near_duplicate", "exact_duplicate"]


@pytest.mark.parametrize(
    ("qualities", "kept"),
    [([0.1, 0.9, 0.5], 1), ([0.5, 0.5, 0.1], 0), ([np.nan, 0.0, -3.0], 1), ([np.nan] * 3, 0)],
    ids=["the best", "the first of two equals", "any before none", "the first without scores"],
)
def test_the_best_of_similar_documents_stays(qualities, kept):
    found = settled([0, 1, 2], [[0, 1], [1, 2]], qualities)
    assert [i for i, reason in enumerate(reasons(found)) if not reason] == [kept]


def test_documents_that_were_dropped_before_are_left_alone():
    found = settled([1, 3, 3], [], documents=[1, 3, 4], count=6)
    assert reasons(found) == ["", "", "", "", "exact_duplicate", ""]
    assert found.sizes.tolist() == [1, 1, 1, 2, 2, 1]


def test_the_order_of_the_pairs_does_not_matter():
    pairs = [[0, 1], [1, 2], [3, 4], [2, 4], [5, 6]]
    one, two = settled(range(8), pairs), settled(range(8), pairs[::-1])
    assert one.clusters.tolist() == two.clusters.tolist() == [0, 0, 0, 0, 0, 5, 5, 7]

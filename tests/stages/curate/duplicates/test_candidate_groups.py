from __future__ import annotations

import numpy as np
import pytest

from farthing.kernels.minhash import NO_KEY
from farthing.stages.curate.duplicates.candidates import candidate_pairs


def pairs_of(keys, low_bytes=None, documents=None):
    keys = np.array(keys, dtype=np.uint64)
    low_bytes = np.zeros((len(keys), 8), dtype=np.uint8) if low_bytes is None else low_bytes
    documents = np.arange(len(keys)) if documents is None else np.array(documents)
    return candidate_pairs([keys], low_bytes, documents, similarity=0.8).tolist()


def test_all_pairs_of_a_small_group_are_candidates_whatever_stands_between():
    assert pairs_of([5, 9, 5, 7, 5]) == [[0, 2], [0, 4], [2, 4]]


@pytest.mark.parametrize("size", [31, 32, 33, 100])
def test_the_pairs_of_a_group_grow_linearly_from_33_documents_on(size):
    pairs = pairs_of([3] * size)
    if size <= 32:
        assert len(pairs) == size * (size - 1) // 2
    else:
        first = {(0, i) for i in range(1, size)}
        assert set(map(tuple, pairs)) == first | {(i - 1, i) for i in range(1, size)}


def test_documents_without_words_are_nobodys_candidates():
    assert pairs_of([NO_KEY, NO_KEY, 4]) == []


def test_documents_that_take_no_part_are_left_out():
    assert pairs_of([5, 5, 5, 5], documents=[1, 3]) == [[1, 3]]


def test_a_pair_whose_signatures_disagree_is_no_candidate():
    low_bytes = np.zeros((3, 100), dtype=np.uint8)
    low_bytes[1, :30] = 1  # .70 agree with document 0
    low_bytes[2, :40] = 2  # .60 agree with document 0, .60 with document 1
    assert pairs_of([1, 1, 1], low_bytes) == [[0, 1]]


def test_signatures_may_be_read_for_the_documents_that_take_part_alone():
    asked = []

    def read(documents):
        asked.extend(documents.tolist())
        return np.zeros((len(documents), 4), dtype=np.uint8)

    keys = np.array([5, 5, 5, 6, 5], dtype=np.uint64)
    pairs = candidate_pairs([keys], read, np.array([1, 3, 4]), similarity=0.8)
    assert pairs.tolist() == [[1, 4]]
    assert asked == [1, 3, 4]


def test_a_pair_is_named_once_though_it_agrees_in_every_band():
    band = np.array([8, 8], dtype=np.uint64)
    low_bytes = np.zeros((2, 4), dtype=np.uint8)
    pairs = candidate_pairs([band, band, band], low_bytes, np.arange(2), similarity=0.8)
    assert pairs.tolist() == [[0, 1]]

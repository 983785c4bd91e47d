"""Near-duplicates against the exact similarity of all pairs, counted on strings."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from itertools import combinations

import numpy as np
import pytest
from sample_texts import EDITS, edited, passages, words_of

from farthing.stages.curate.duplicates.candidates import candidate_pairs
from farthing.stages.curate.duplicates.clusters import REASONS, settle
from farthing.stages.curate.duplicates.sketch import sketch
from farthing.stages.curate.duplicates.verify import sets_of, similar_pairs

SIMILARITY = 0.8
COPIED = 70  # of each language, with each share of edits


@pytest.fixture(scope="module")
def pile() -> list[str]:
    """1,600 documents: 900 that differ, and 700 copies with edits."""
    draw = random.Random(7)
    originals = [*passages("en", 450), *passages("zh", 450)]
    copies = [
        edited(text, share, draw)
        for language in (originals[:450], originals[450:])
        for text in draw.sample(language, COPIED)
        for share in EDITS
    ]
    pile = originals + copies
    draw.shuffle(pile)
    return pile


@pytest.fixture(scope="module")
def similarities(pile: list[str]) -> dict[tuple[int, int], float]:
    """Of every pair with a shingle in common: by an inverted index over tuples of words."""
    sets = []
    for text in pile:
        words = re.findall(r"[一-鿿]|[^\W_一-鿿]+", text.lower())
        sets.append({tuple(words[i : i + 5]) for i in range(len(words) - 4)})
    holders = defaultdict(list)
    for document, shingles in enumerate(sets):
        for shingle in shingles:
            holders[shingle].append(document)
    pairs = {pair for found in holders.values() for pair in combinations(found, 2)}
    return {(a, b): len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs}


@pytest.fixture(scope="module")
def found(pile: list[str]) -> set[tuple[int, int]]:
    words, documents = words_of(pile), np.arange(len(pile))
    made = sketch(words, bands=20, rows=6)
    candidates = candidate_pairs(made.keys.T, made.low_bytes, documents, similarity=SIMILARITY)
    sets = sets_of(words, documents, np.unique(candidates))
    pairs = similar_pairs(candidates, sets, similarity=SIMILARITY)
    return set(map(tuple, pairs.tolist()))


def test_at_least_99_of_100_similar_pairs_are_found_and_no_other(similarities, found):
    wanted = {pair for pair, similarity in similarities.items() if similarity >= SIMILARITY}
    assert len(wanted) > 300
    assert len(wanted & found) >= 0.99 * len(wanted)
    assert found <= wanted


def test_what_is_dropped_is_all_but_one_of_each_group(pile, similarities, found):
    # Groups by strings: walk from document to document over pairs that are similar enough.
    near = defaultdict(set)
    for (a, b), similarity in similarities.items():
        if similarity >= SIMILARITY:
            near[a].add(b)
            near[b].add(a)
    groups, seen = [], set()
    for document in range(len(pile)):
        if document in near and document not in seen:
            group, todo = set(), [document]
            while todo:
                if (one := todo.pop()) not in group:
                    group.add(one)
                    todo += near[one]
            groups.append(group)
            seen |= group
    everybody = np.arange(len(pile))
    settled = settle(everybody, everybody, np.array(sorted(found)), None, count=len(pile))
    dropped = set(np.flatnonzero(settled.reasons == REASONS.index("near_duplicate")).tolist())
    assert dropped == seen - {min(group) for group in groups}
    assert {frozenset(np.flatnonzero(settled.clusters == min(g)).tolist()) for g in groups} == {
        frozenset(group) for group in groups
    }
    assert all(settled.sizes[document] == len(g) for g in groups for document in g)

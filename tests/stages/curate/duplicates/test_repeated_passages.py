from __future__ import annotations

import itertools
import random

import numpy as np
from sample_texts import packed, passages

from farthing.kernels.words import split_words
from farthing.stages.curate.duplicates import passages as cut


def shortened(texts):
    data, offsets = packed(texts)
    words = split_words(data, offsets)
    found = cut.passages(words)
    again = cut.second_times(found.keys)
    rest, places = cut.without_passages(data, offsets, words, found.bounds[again])
    whole = rest.tobytes()
    texts = [whole[b:e].decode() for b, e in itertools.pairwise(places)]
    return texts, found


def english(count, seed):
    """`count` different texts of 600 words each."""
    draw = random.Random(seed)
    return [" ".join(f"w{draw.randrange(5000)}" for _ in range(600)) for _ in range(count)]


def test_pieces_have_64_to_256_words_and_leave_less_than_64_at_the_end():
    data, offsets = packed([*passages("en", 3), "", "few words", *english(3, 0)])
    words = split_words(data, offsets)
    found = cut.passages(words)
    sizes = found.bounds[:, 1] - found.bounds[:, 0]
    assert sizes.min() >= 64
    assert sizes.max() <= 256
    for document in range(len(offsets) - 1):
        rows = found.bounds[found.ends[document] : found.ends[document + 1]]
        begins = [words.firsts[document], *rows[:, 1]]
        assert rows[:, 0].tolist() == begins[:-1]
        assert words.firsts[document + 1] - begins[-1] < 64


def test_what_stands_once_stays():
    texts = english(5, 1)
    assert shortened(texts)[0] == texts


def test_a_copied_text_goes_but_for_its_end_and_the_first_one_stays():
    one, other = english(2, 2)
    (first, second, third), _ = shortened([one, other, one + " and an end"])
    assert (first, second) == (one, other)
    assert third.endswith("and an end")
    assert len(third.split()) < 256


def test_a_passage_inside_another_text_is_found_again_behind_its_first_cut():
    one, before, after = english(3, 3)
    (_, text), _ = shortened([one, f"{before} {one} {after}"])
    words = text.split()
    assert words[:300] == before.split()[:300]
    assert words[-300:] == after.split()[-300:]
    assert 1200 <= len(words) < 1800 - 200


def test_a_shift_moves_the_cuts_with_the_words():
    [text] = english(1, 4)
    plain, shifted = (shortened([t])[1].keys for t in (text, "some words before " + text))
    assert len(np.intersect1d(plain[:, 0], shifted[:, 0])) >= len(plain) - 2


def test_the_bytes_that_go_reach_up_to_the_next_word_also_at_the_end_of_a_text():
    unit = [" ".join(f"{w}{i}" for i in range(64)) for w in "ab"]
    texts = [unit[0] + ".", unit[0] + " !!!", "", unit[1]]
    assert shortened(texts)[0] == [texts[0], "", "", texts[3]]

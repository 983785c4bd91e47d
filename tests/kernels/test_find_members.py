import numpy as np
from mixed_texts import packed

from farthing.kernels.word_sets import MOST_MEMBERS, find_members
from farthing.kernels.words import split_words, word_hash


def found(members, *texts):
    hashes = np.array([word_hash(word) for word in members])
    bits = find_members(split_words(*packed(texts)), hashes)
    return [{word for m, word in enumerate(members) if int(row) >> m & 1} for row in bits]


def test_the_members_of_each_text_are_found_and_no_other_word_is():
    members = ["the", "be", "to", "of", "and", "that", "have", "with"]
    texts = ["The cat and THE dog", "", "thee bee too", "withof have."]
    assert found(members, *texts) == [{"the", "and"}, set(), set(), {"have"}]


def test_whole_hashes_are_compared():
    members = [f"m{n}" for n in range(MOST_MEMBERS)]
    others = " ".join(f"w{n}" for n in range(20_000))
    assert found(members, others, " ".join(members)) == [set(), set(members)]


def test_a_single_member_does_not_match_empty_slots():
    assert found(["x"], "a b c", "x") == [set(), {"x"}]

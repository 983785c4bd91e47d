from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_texts import batches, packed
from plain_signals import repeated_grams, top_gram

from farthing.kernels.repeats import REPEATED_LENGTHS, TOP_LENGTHS, count_repeats
from farthing.kernels.words import split_words

# Few different words: n-grams of every length repeat, overlap and tie.
few = st.lists(st.sampled_from(["a", "bb", "ccc", "水", "é"]), max_size=60).map(" ".join)


def counted(batch, **limits):
    data, offsets = packed(batch)
    return count_repeats(data, split_words(data, offsets), **limits).tolist()


def expected(text):
    return [top_gram(text, n) for n in TOP_LENGTHS] + [
        repeated_grams(text, n) for n in REPEATED_LENGTHS
    ]


@settings(max_examples=150, deadline=None)
@given(st.one_of(batches, st.lists(few, max_size=4)))
def test_repeats_are_those_of_the_plain_reading(batch):
    assert counted(batch) == [expected(text) for text in batch]


def test_repeats_by_hand():
    once = "one two three four five six seven eight nine ten eleven twelve thirteen"
    words = len(once.replace(" ", ""))
    (row,) = counted([f"{once} {once}"])
    # "one two" twice, with its space; then 10 of 13 words by runs of five, and so on.
    assert row[:3] == [2 * 7, 2 * 13, 2 * 18]
    characters = [len(word) for word in once.split()]
    tens, twelves = sum(characters[:10]), sum(characters[:12])
    assert row[3:] == [tens, twelves, sum(characters[:7]), sum(characters[:8]),
                       sum(characters[:9]), tens, words]  # fmt: skip


def test_a_text_without_repeats_or_without_words_has_none():
    assert counted(["a b c d e f", "", "x", "。。。", "x x"]) == [
        [0] * 10, [0] * 10, [0] * 10, [0] * 10, [0] * 10
    ]  # fmt: skip


def test_of_a_text_beyond_the_limit_the_beginning_is_counted():
    few = "a b c d e f a b c d e f"
    cut, whole = counted([few + " g a b c d e f", "x y"], most_words=12), counted([few, "x y"])
    assert cut == whole
    assert counted([few + " g a b c d e f"]) != whole[:1]

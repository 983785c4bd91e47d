from __future__ import annotations

import random

import numpy as np
import plain_near_duplicates as plain
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.kernels.windows import known_windows
from farthing.kernels.windows_index import hash_texts, index_windows, some_texts
from farthing.stages.curate.near_duplicates import NearDuplicates, window_hashes
from farthing.text.bpe import flat_texts

# Letters whose folding is one, several or no characters, in one to four bytes; all white space.
ALPHABET = "ab Aß\u0130\u0131\u017fΣςŉЯ水豈가𐐀\U0001d400😀\u0301\u3000\u00a0\u2028\u1680\x1c\r\n\t"


@settings(deadline=None)  # the first call compiles
@given(st.text("ab 水", max_size=90))
def test_equal_windows_have_equal_hashes_and_others_do_not(text):
    folded = " ".join(text.split())
    windows = [folded[i : i + 32] for i in range(max(1, len(folded) - 31))]
    hashes = window_hashes(text).tolist()
    assert len(hashes) == len(windows)
    assert len(set(zip(hashes, windows, strict=True))) == len(set(hashes)) == len(set(windows))


@given(st.text(ALPHABET, max_size=120) | st.text(max_size=80))
def test_the_hashes_are_those_of_the_plain_reference(text):
    assert np.array_equal(window_hashes(text), plain.window_hashes(text))


def test_the_hashes_of_a_long_text_are_those_of_the_plain_reference():
    text = "".join(random.Random(0).choices(ALPHABET, k=70_000))
    assert np.array_equal(window_hashes(text), plain.window_hashes(text))


def test_the_answers_are_those_of_the_plain_reference():
    draw = random.Random(1)
    held = ["".join(draw.choices("abcß 水", k=draw.randrange(300))) for _ in range(20)]
    index = NearDuplicates.of_texts(held, share=0.3)
    reference = plain.PlainNearDuplicates(held, share=0.3)
    texts = ["".join(draw.choices("abcß 水", k=200)) for _ in range(60)]
    texts += [
        one[: draw.randrange(300)] + draw.choice(texts)[: draw.randrange(200)] for one in held
    ]
    expected = [reference.repeats(text) for text in texts]
    assert 5 < sum(expected) < len(texts) - 5
    assert [index.repeats(text) for text in texts] == expected
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)])
    data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    everything = np.ones(len(texts), dtype=np.bool_)
    assert index.which_repeat(data, offsets, everything).tolist() == expected
    asked = np.array([draw.random() < 0.5 for _ in texts])
    answers = index.which_repeat(data, offsets, asked)
    assert answers.tolist() == [one and also for one, also in zip(expected, asked, strict=True)]


def test_the_index_names_every_window_and_the_texts_that_hold_it():
    draw = random.Random(2)
    texts = ["".join(draw.choices("ab", k=draw.randrange(500))) for _ in range(30)]
    texts += [texts[3], "a" * 100, ""]
    expected: dict[int, list[int]] = {}
    for number, text in enumerate(texts):
        for hashed in sorted(set(plain.window_hashes(text).tolist())):
            expected.setdefault(hashed, []).append(number)
    assert max(map(len, expected.values())) > 1
    data, offsets = flat_texts(texts)
    index = index_windows(hash_texts(data, offsets))
    assert index.table.keys.tolist() == sorted(expected)
    parts = np.split(index.owners, index.begins[1:-1])
    assert [part.tolist() for part in parts] == [expected[key] for key in sorted(expected)]
    assert index.sizes.tolist() == [len(set(plain.window_hashes(text).tolist())) for text in texts]


def test_every_window_is_found_wherever_it_stands():
    # Only one place in 9 is looked up at first: a copy may begin and end at any distance from it.
    draw = random.Random(5)
    held = "".join(draw.choices("abcß 水", k=900))
    index = index_windows(hash_texts(*flat_texts([held])))
    others = ["".join(draw.choices("defg", k=10_000 + number)) for number in range(40)]
    texts = [
        other[:number] + held[3 * number : 3 * number + 32 + number] + other
        for number, other in enumerate(others)
    ]
    known = known_windows(
        *flat_texts(texts), np.ones(len(texts), dtype=np.bool_), index.table, index.cores
    )
    for number, text in enumerate(texts):
        hashes = plain.window_hashes(text)
        expected = np.searchsorted(index.table.keys, hashes[np.isin(hashes, index.table.keys)])
        found = known.numbers[known.ends[number] : known.ends[number + 1]]
        assert len(expected) > number / 2
        assert found.tolist() == expected.tolist()
        assert known.counts[number] == len(hashes)


def test_an_index_of_some_texts_is_as_if_the_others_had_not_been_hashed():
    draw = random.Random(6)
    texts = ["".join(draw.choices("ab", k=draw.randrange(400))) for _ in range(20)]
    which = np.array([draw.random() < 0.5 for _ in texts])
    some = index_windows(some_texts(hash_texts(*flat_texts(texts)), which))
    alone = index_windows(
        hash_texts(*flat_texts([text for text, one in zip(texts, which, strict=True) if one]))
    )
    assert some.table.keys.tolist() == alone.table.keys.tolist()
    assert some.owners.tolist() == alone.owners.tolist()
    assert some.begins.tolist() == alone.begins.tolist()
    assert some.sizes.tolist() == alone.sizes.tolist()


@pytest.mark.parametrize("count", [0, 20], ids=["empty", "of 20 texts"])
def test_an_index_that_was_saved_answers_as_before(tmp_path, count):
    draw = random.Random(3)
    held = ["".join(draw.choices("abc", k=200)) for _ in range(count)]
    index = NearDuplicates.of_texts(held, share=0.3)
    index.save(tmp_path / "index")
    opened = NearDuplicates.open(tmp_path / "index", share=0.3)
    texts = [*(text[:100] + "d" * 60 for text in held), "x" * 200]
    answers = [index.repeats(text) for text in texts]
    assert any(answers) == bool(held)
    assert [opened.repeats(text) for text in texts] == answers


def plain_share(a: str, b: str) -> float:
    """Share of the windows of `a` that occur in `b`, by strings."""
    windows = [a[i : i + 32] for i in range(len(a) - 31)]
    return sum(w in b for w in windows) / len(windows)


@pytest.mark.parametrize("copied", [0, 100, 300, 420, 700, 1000])
def test_the_share_is_that_of_a_plain_comparison(copied):
    draw = random.Random(copied)
    held = "".join(draw.choices("abcdefghij", k=1000))
    text = held[:copied] + "".join(draw.choices("klmnopqrst", k=1000 - copied))
    expected = max(plain_share(text, held), plain_share(held, text)) > 0.4
    assert NearDuplicates.of_texts([held, "x" * 50], share=0.4).repeats(text) == expected


def test_nothing_repeats_an_empty_index():
    assert not NearDuplicates.of_texts([], share=0.1).repeats("anything at all")

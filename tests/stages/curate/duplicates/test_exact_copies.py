from __future__ import annotations

import hashlib
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_texts import packed

from farthing.stages.curate.duplicates.exact import first_copies, text_digests

ALPHABET = "aé가각ᄀ ᅡ\u0301\u0327\n\t\u3000\u00a0水豈Å\u2126𝅘𝅥😀"


def plain_digest(text: str) -> bytes:
    normal = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.blake2b(normal.encode(), digest_size=16).digest()


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.text(ALPHABET, max_size=20), min_size=1, max_size=5))
def test_the_digest_is_that_of_the_text_normalised_by_python(texts):
    digests = text_digests(*packed(texts))
    assert [one.tobytes() for one in digests] == [plain_digest(text) for text in texts]


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        ("a b", " a\r\n\tb ", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("水 调", "水\u3000调", True),
        ("a b", "ab", False),
        ("a", "A", False),
    ],
    ids=["layout", "accents", "wide space", "a space", "case"],
)
def test_layout_and_the_form_of_accents_do_not_matter(one, two, equal):
    digests = text_digests(*packed([one, two]))
    assert np.array_equal(digests[0], digests[1]) == equal


def test_each_document_is_led_to_the_first_with_its_text_among_those_that_take_part():
    digests = text_digests(*packed(["x", "y", "x", "y", "x", "z"]))
    assert first_copies(digests, np.arange(6)).tolist() == [0, 1, 0, 1, 0, 5]
    assert first_copies(digests, np.array([2, 3, 4, 5])).tolist() == [2, 3, 2, 5]
    assert first_copies(digests, np.array([], dtype=np.int64)).tolist() == []

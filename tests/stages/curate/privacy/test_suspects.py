"""The byte pass misses nothing that the patterns would find at any other place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import LOOK_ALIKES, PLANTED

from farthing.documents.batch import large_strings, text_bytes
from farthing.kernels.find import ADDRESS, KEY, LONG_NUMBER, MAIL, PHONE, suspects
from farthing.stages.curate.privacy.mask import mask
from farthing.stages.curate.privacy.patterns import judge

KINDS = (MAIL, ADDRESS, PHONE, LONG_NUMBER, KEY)
FRAGMENTS = st.one_of(
    st.sampled_from(
        [item for items in (*PLANTED.values(), *LOOK_ALIKES.values()) for item in items]
    ),
    st.sampled_from([" ", "\n", "-", ".", "+", "@", "86", "\uff1a", "x", "1", "2"]),
)


def covered(document, places):
    """The bytes that lie in any finding."""
    found = [judge(document, place, kind) for place, kind in places]
    return {byte for finding in found if finding for byte in range(finding.begin, finding.end)}


@given(st.lists(FRAGMENTS, max_size=6).map("".join))
@settings(max_examples=150, deadline=None)
def test_trying_every_pattern_everywhere_finds_no_more(text):
    document = text.encode()
    places, kinds, _ = suspects(*text_bytes(large_strings([text])))
    everywhere = [
        (place, kind)
        for place in range(len(document))
        for kind in KINDS
        # A name could begin in the middle of a longer one, and a key in the middle of a word.
        if kind != MAIL and not (kind == KEY and document[place - 1 : place].isalnum())
    ]
    mails = [(place, kind) for place, kind in zip(places, kinds, strict=True) if kind == MAIL]
    suspected = list(zip(places.tolist(), kinds.tolist(), strict=True))
    assert covered(document, suspected) >= covered(document, everywhere + mails)


def test_places_belong_to_their_texts():
    texts = ["a@b.com", "", "no", "call 13812345678 or b@c.com"]
    data, offsets = text_bytes(large_strings(texts))
    places, kinds, firsts = suspects(data, offsets)
    assert firsts.tolist() == [0, 1, 1, 1, 3]
    assert [data[place:].tobytes()[:5] for place in places] == [b"a@b.c", b"13812", b"b@c.c"]
    assert kinds.tolist() == [MAIL, PHONE, MAIL]


@pytest.mark.parametrize("text", ["@" * 10_000, "a@b" * 5_000, "1.1" * 5_000, "+1" * 9_000])
def test_there_is_room_however_many_places_there_are(text):
    places, kinds, firsts = suspects(*text_bytes(large_strings([text])))
    assert len(places) == len(kinds) == firsts[-1]
    assert all(0 <= place < len(text) for place in places)


HOSTILE = ["sk-", "sk-ab-", " sk-ab-", "xoxb-", "eyJ-", "ghp_a", "a@", "a@b.", "a.b@c.d-"]
HOSTILE += ["1.1.", "2000:", "+1 (2) ", "138 ", "4111 ", "1-", "-----BEGIN PRIVATE KEY-----A:b\n"]


@pytest.mark.timeout(60)  # each takes a tenth of a second, and hours if a pattern were quadratic
@pytest.mark.parametrize("unit", HOSTILE)
def test_hostile_texts_take_time_in_proportion_to_their_length(unit):
    texts = large_strings([unit * (100_000 // len(unit))])
    once, _ = mask(texts)
    assert mask(once)[0] is once


def test_ordinary_prose_is_not_suspected():
    text = "In 1999, 12 of the 300 ships (4 %) came back; see page 17, and the note at 3:15. " * 20
    assert len(suspects(*text_bytes(large_strings([text])))[0]) == 0

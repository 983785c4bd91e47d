# ruff: noqa: RUF001 - Chinese punctuation is meant
"""What is planted is masked and counted, what looks like it stays, and nothing else changes."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import LOOK_ALIKES, PLANTED

from farthing.documents.batch import large_strings
from farthing.stages.curate.privacy.mask import KINDS, MASKS, mask, wanted_kinds
from farthing.stages.curate.settings.privacy import PrivacyConfig

FRAMES = ["Write to {} today.", "{}", "({}),", "联系：{}。", 'x = "{}"  # no comment', "<b>{}</b>"]
FRAGMENTS = st.one_of(
    st.sampled_from([item for items in PLANTED.values() for item in items]),
    st.sampled_from([item for items in LOOK_ALIKES.values() for item in items]),
    st.sampled_from([" ", "\n", "-", ".", ", ", "+", "@", "86", "1", "：", "a", '"', "<EMAIL>"]),
    st.text(max_size=5),
)


def masked(text):
    texts, counts = mask(large_strings([text]))
    return texts[0].as_py(), dict(zip(KINDS, counts[0].tolist(), strict=True))


def only(kind, count):
    return {name: count if name == kind else 0 for name in KINDS}


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("kind", KINDS)
def test_each_planted_item_is_masked_alone(kind, frame):
    assert len(set(PLANTED[kind])) == len(PLANTED[kind]) >= 10
    for item in PLANTED[kind]:
        assert masked(frame.format(item)) == (
            frame.format(MASKS[kind].decode()),
            only(kind, 1),
        ), item


@pytest.mark.parametrize("kind", KINDS)
def test_look_alikes_stay(kind):
    assert len(set(LOOK_ALIKES[kind])) >= 10
    for item in LOOK_ALIKES[kind]:
        assert masked(f"see {item} there") == (f"see {item} there", only(kind, 0))


def test_a_file_of_everything_gives_the_planted_counts_and_no_other_change():
    parts, expected = [], []
    for kind in KINDS:
        for number in range(10):
            item, other = PLANTED[kind][number], LOOK_ALIKES[kind][number]
            parts.append(f"{kind} {number}: {item}\nnot: {other}\n")
            expected.append(f"{kind} {number}: {MASKS[kind].decode()}\nnot: {other}\n")
    text, counts = masked("".join(parts))
    assert text == "".join(expected)
    assert counts == dict.fromkeys(KINDS, 10)


def test_a_key_in_a_program_is_masked_over_quoted_lines():
    program = (
        'KEY = ("-----BEGIN PRIVATE KEY-----\\n" +\n'
        '       "MIIEvQIBADANBgkqhkiG9w0B\\n" +\n'
        '       "AQEFAASCBKcwggSj==\\n-----END PRIVATE KEY-----")\n'
        'os.environ["TOKEN"] = "ghp_' + "a1B2c3D4e" * 4 + '"\n'
    )
    text, counts = masked(program)
    assert text == 'KEY = ("<KEY>")\nos.environ["TOKEN"] = "<KEY>"\n'
    assert counts == only("key", 2)


def test_an_unfinished_private_key_ends_where_its_lines_do():
    body = "A1b2C3d4E5f6G7h8" * 4
    text, _ = masked(f"-----BEGIN PRIVATE KEY-----\n{body}\n{body}\n\nThen we go on - and on.\n")
    assert text == "<KEY>Then we go on - and on.\n"


def test_texts_without_findings_are_handed_back_as_they_are():
    texts = large_strings(["nothing", "", "here 1.2.3.4 neither"])
    same, counts = mask(texts)
    assert same is texts
    assert not counts.any()


def test_texts_beside_a_changed_one_stay_and_so_does_a_slice():
    texts = large_strings(["left out", "", "a 13812345678", "山水", "b@corp.com!"])
    changed, counts = mask(texts.slice(1))
    assert changed.to_pylist() == ["", "a <PHONE>", "山水", "<EMAIL>!"]
    assert counts.sum(axis=1).tolist() == [0, 1, 0, 1]


def test_kinds_are_left_alone_in_the_profiles_that_say_so():
    config = PrivacyConfig(mask=("phone", "email"), not_in={"maths": ("phone",)})
    wanted = wanted_kinds(config, ["en", "maths"], np.array([0, 1, 1]))
    texts = large_strings(["13812345678 a@b.com 66.249.64.13"] * 2 + ["13812345678"])
    changed, counts = mask(texts, wanted)
    assert changed.to_pylist() == [
        "<PHONE> <EMAIL> 66.249.64.13",
        "13812345678 <EMAIL> 66.249.64.13",
        "13812345678",
    ]
    assert counts.sum(axis=1).tolist() == [2, 1, 0]


@given(st.lists(st.lists(FRAGMENTS, max_size=8).map("".join), max_size=4))
@settings(max_examples=200, deadline=None)
def test_masking_twice_changes_nothing_and_neighbours_in_a_batch_do_not_matter(texts):
    once, counts = mask(large_strings(texts))
    twice, more = mask(once)
    assert twice is once
    assert not more.any()
    for place, text in enumerate(texts):
        alone, count = mask(large_strings([text]))
        assert once[place].as_py() == alone[0].as_py()
        assert counts[place].tolist() == count[0].tolist()
        if not count.any():
            assert alone[0].as_py() == text


def test_nothing_that_was_found_is_printed_or_logged(caplog, capfd):
    caplog.set_level(logging.DEBUG)
    mask(large_strings([item for items in PLANTED.values() for item in items]))
    assert caplog.text == ""
    assert tuple(capfd.readouterr()) == ("", "")

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_texts import packed

from farthing.kernels.line_hashes import line_sets
from farthing.stages.curate.duplicates.lines import RepeatedLines, repeated_lines

LEAST_BYTES = 8
LINES = st.sampled_from(
    ["", "short", "exactly8", "  a longer line\t", "a longer line", "另一行文字", "third line!\r"]
)
TEXTS = st.lists(st.lists(LINES, max_size=6).map("\n".join), min_size=1, max_size=8)


def removed(texts, least_documents=2, least_left=1, spared=()):
    data, offsets = packed(texts)
    lines, _ = line_sets(data, offsets, LEAST_BYTES)
    hashes = repeated_lines(lambda: [lines], least_documents=least_documents)
    table = RepeatedLines(hashes, least_bytes=LEAST_BYTES, least_left=least_left)
    stay = np.array([i in spared for i in range(len(texts))])
    result = table.remove(data, offsets, stay)
    whole, places = result.data.tobytes(), result.offsets.tolist()
    rest = [whole[b:e].decode() for b, e in itertools.pairwise(places)]
    return rest, result


def plain(texts, least_documents):
    counts = Counter(
        line
        for text in texts
        for line in {bare(line) for line in text.split("\n")}
        if len(line.encode()) >= LEAST_BYTES
    )
    kept = []
    for text in texts:
        lines = text.splitlines(keepends=True)
        kept.append("".join(li for li in lines if counts[bare(li)] < least_documents))
    return kept


def bare(line):
    return line.strip(" \t\r\n")


@settings(deadline=None)  # the first call compiles
@given(TEXTS.map(lambda texts: [text.replace("\r", "") for text in texts]), st.integers(2, 12))
def test_the_lines_that_go_are_those_of_a_plain_count(texts, least_documents):
    assert removed(texts, least_documents)[0] == plain(texts, least_documents)


def test_a_line_counts_once_a_document_and_carriage_returns_do_not_hide_it():
    menu = "home | about | contact"
    texts = [f"{menu}\n{menu}\none", f"two\r\n  {menu}\r\n", "three"]
    assert removed(texts, 2)[0] == ["one", "two\r\n", "three"]
    assert removed(texts, 3)[0] == texts


def test_spared_texts_keep_their_lines():
    texts = ["the same line\nx", "the same line\ny"]
    assert removed(texts, spared={1})[0] == ["x", "the same line\ny"]


def test_a_text_that_lost_nearly_all_is_too_short_and_one_that_was_short_before_is_not():
    _, result = removed(["the same line\nx", "the same line\nlong enough a rest", "y"], 2, 10)
    assert result.too_short.tolist() == [True, False, False]
    assert result.removed_bytes.tolist() == [14, 14, 0]


@pytest.mark.parametrize("pieces", [1, 3, 7])
def test_the_count_is_the_same_however_the_pile_is_cut(pieces):
    lines = np.random.default_rng(0).integers(0, 1 << 64, size=50, dtype=np.uint64)
    pile = np.repeat(lines, np.arange(50) % 5)
    wanted = np.sort(lines[np.arange(50) % 5 >= 3])
    parts = np.array_split(np.random.default_rng(1).permutation(pile), pieces)
    assert np.array_equal(repeated_lines(lambda: parts, least_documents=3), wanted)

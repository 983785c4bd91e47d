"""Learning merges and encoding with them, against plain Python that looks at everything."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farthing.kernels import bpe_encode
from farthing.kernels.bpe_encode import empty_cache, encode_pieces
from farthing.kernels.bpe_encode_piece import make_merges
from farthing.kernels.bpe_train import learn_merges

BYTES = np.arange(256, dtype=np.int32)


def plain_merges(counts: dict[bytes, int], most: int) -> list[tuple[int, int]]:
    """All pairs counted anew for every merge."""
    words = {piece: list(piece) for piece in counts}
    merges: list[tuple[int, int]] = []
    while len(merges) < most:
        pairs: Counter[tuple[int, int]] = Counter()
        for piece, word in words.items():
            for pair in itertools.pairwise(word):
                pairs[pair] += counts[piece]
        # A run of one token counts each place, though every second cannot be joined.
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word in words.values():
            join(word, best, 255 + len(merges))
    return merges


def join(word: list[int], pair: tuple[int, int], new: int) -> None:
    at = 0
    while at + 1 < len(word):
        if (word[at], word[at + 1]) == pair:
            word[at : at + 2] = [new]
        at += 1


def plain_encode(piece: bytes, merges: list[tuple[int, int]]) -> list[int]:
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    word = list(piece)
    while True:
        places = [
            (ranks.get(pair, 1 << 40), at) for at, pair in enumerate(itertools.pairwise(word))
        ]
        rank, at = min(places, default=(1 << 40, 0))
        if rank == 1 << 40:
            return word
        word[at : at + 2] = [256 + rank]


def learned(counts: dict[bytes, int], most: int) -> list[tuple[int, int]]:
    pieces = list(counts)
    offsets = np.cumsum([0, *map(len, pieces)])
    data = np.frombuffer(b"".join(pieces), np.uint8)
    found = learn_merges(data, offsets, np.array([*counts.values()]), BYTES, 256, most)
    return [tuple(pair) for pair in found.tolist()]


@given(
    st.dictionaries(
        st.text("abc", min_size=1, max_size=12).map(str.encode), st.integers(1, 9), max_size=8
    )
)
@settings(max_examples=150, deadline=None)
def test_merges_are_those_of_counting_everything_each_time(counts):
    assert learned(counts, 40) == plain_merges(counts, 40)


def test_runs_of_one_byte_are_joined_from_the_left():
    counts = {b"a" * n: 3 * n + 1 for n in range(1, 40)}
    assert learned(counts, 60) == plain_merges(counts, 60)


def test_many_pieces_outgrow_the_first_tables():
    draw = random.Random(1)
    counts = {draw.randbytes(draw.randint(1, 30)): draw.randint(1, 5) for _ in range(12_000)}
    # More pairs than the table begins with is checked by its size, equality on the first merges.
    assert len({pair for piece in counts for pair in itertools.pairwise(piece)}) > 60_000
    assert learned(counts, 2) == plain_merges(counts, 2)
    assert len(learned(counts, 100_000)) > 80_000


def encoded(texts: list[bytes], merges: list[tuple[int, int]], cache=None) -> list[list[int]]:
    table = make_merges(
        BYTES,
        np.array(merges, dtype=np.int32).reshape(-1, 2),
        np.arange(256, 256 + len(merges), dtype=np.int32),
    )
    offsets = np.cumsum([0, *map(len, texts)])
    ids, starts = encode_pieces(
        np.frombuffer(b"".join(texts), np.uint8), offsets, table, cache or empty_cache()
    )
    return [ids[a:b].tolist() for a, b in itertools.pairwise(starts.tolist())]


MERGES = plain_merges({b"banana": 5, b"bandana": 3, b"cabana": 2, b"aaaaaaa": 4}, 16)


@given(st.lists(st.text("abnd", min_size=1, max_size=400).map(str.encode), max_size=6))
@settings(max_examples=100, deadline=None)
def test_pieces_of_any_length_are_joined_by_rank_and_then_from_the_left(texts):
    # Letters only, so that each text is one piece; above 128 bytes another way is taken.
    assert encoded(texts, MERGES) == [plain_encode(text, MERGES) for text in texts]


def test_ids_do_not_depend_on_what_the_cache_holds_or_on_its_size(monkeypatch):
    monkeypatch.setattr(bpe_encode, "_CACHE_SLOTS", 16)
    monkeypatch.setattr(bpe_encode, "_CACHE_WORDS", 64)
    draw = random.Random(5)
    texts = [bytes(draw.choices(b"abnd", k=draw.randint(1, 12))) for _ in range(3000)]
    expected = [plain_encode(text, MERGES) for text in texts]
    cache = empty_cache()
    assert len(cache.hashes) == 16
    assert encoded(texts, MERGES, cache) == expected
    assert encoded(texts[::-1], MERGES, cache) == expected[::-1]


def test_pieces_with_one_hash_are_told_apart_by_their_bytes():
    cache = empty_cache()
    encoded([b"banana"], MERGES, cache)
    (slot,) = np.flatnonzero(cache.entries)
    # As if another piece of that length had the same hash: its bytes are put in the store.
    start = int(cache.entries[slot]) >> 8
    held = 4 * (start + 1 + int(cache.store[start]))
    assert cache.store_bytes[held : held + 6].tobytes() == b"banana"
    cache.store_bytes[held : held + 6] = np.frombuffer(b"dnabda", np.uint8)
    assert encoded([b"banana"], MERGES, cache) == [plain_encode(b"banana", MERGES)]


@pytest.mark.parametrize("merges", [[], MERGES], ids=["no merges", "merges"])
def test_nothing_and_single_bytes(merges):
    assert encoded([b"", b"a", b"", b" ", b"9"], merges) == [[], [97], [], [32], [57]]

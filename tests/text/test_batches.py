from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farthing.errors import ArtifactError, CorpusError
from farthing.text.batches import Batches, count_attended_pairs
from farthing.text.corpus import Corpus


def brute_force_pairs(rows: list[list[int]], end_of_text: int) -> int:
    """Look at every pair: the key is not later, and no document starts between them."""
    return sum(
        end_of_text not in row[key + 1 : query + 1]
        for row in rows
        for query in range(len(row))
        for key in range(query + 1)
    )


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(0, 3), min_size=12, max_size=12), min_size=n, max_size=n
        )
    )
)
def test_attended_pairs_equal_the_count_by_brute_force(rows):
    tokens = np.array(rows, dtype=np.int64)
    assert count_attended_pairs(tokens, 0) == brute_force_pairs(rows, 0)


def test_the_same_sequences_come_in_batches_of_any_size(small_corpus):
    batches = Batches(small_corpus, context=33, weights=None, seed=4)
    whole = batches.batch(5, 12).tokens
    again = Batches(small_corpus, context=33, weights=None, seed=4)
    pieces = [again.batch(5, 5).tokens, again.batch(10, 1).tokens, again.batch(11, 6).tokens]
    assert np.array_equal(whole, np.concatenate(pieces))
    assert whole.shape == (12, 34)
    assert whole.dtype == np.int64


def test_a_batch_is_what_the_shards_hold_and_its_digest_is_that_of_its_bytes(small_corpus):
    batches = Batches(small_corpus, context=16, weights={"en": 1, "zh": 3}, seed=0)
    batch = batches.batch(0, 8)
    for row, i in zip(batch.tokens, range(8), strict=True):
        place = batches.order.locate(i)
        tokens = small_corpus.shard("train", place.domain).tokens
        assert row.tolist() == tokens[place.start : place.start + 17].tolist()
    data = b"".join(int(t).to_bytes(8, "little") for row in batch.tokens for t in row)
    assert batch.digest == hashlib.sha256(data).hexdigest()
    assert batch.attended_pairs == brute_force_pairs(batch.tokens[:, :-1].tolist(), 0)


def test_sequences_are_described_by_their_documents(small_corpus):
    batches = Batches(small_corpus, context=400, weights=None, seed=0)
    place = batches.order.locate(3)
    shard = small_corpus.shard("train", place.domain)
    ids = [record.id for record in small_corpus.documents("train", place.domain)]
    window = range(place.start, place.start + 401)
    inside = [
        ids[d]
        for d in range(len(ids))
        if set(window) & set(range(shard.starts[d], shard.starts[d + 1]))
    ]
    (line,) = batches.describe(3, 1)
    assert line == f"sequence 3: domain {place.domain!r}, documents {', '.join(inside)}"


def test_a_corpus_counts_what_its_shards_hold(small_corpus):
    assert small_corpus.domains == ("en", "zh")
    for split in ("train", "dev", "test"):
        for domain in small_corpus.domains:
            shard = small_corpus.shard(split, domain)
            assert small_corpus.tokens(split, domain) == len(shard.tokens)
            # Byte tokens: one end_of_text a document, and a token for every byte.
            assert small_corpus.bytes(split, domain) == len(shard.tokens) - shard.num_documents
            records = list(small_corpus.documents(split, domain))
            assert [r.bytes for r in records] == shard.byte_counts.tolist()
            assert [r.tokens for r in records] == np.diff(shard.starts).tolist()
    with pytest.raises(CorpusError, match="no domain 'fr'"):
        small_corpus.tokens("train", "fr")


def test_a_changed_byte_is_found_when_a_corpus_is_verified(small_corpus, tmp_path):
    copy = tmp_path / "corpus"
    for file in small_corpus.directory.rglob("*"):
        if file.is_file():
            target = copy / file.relative_to(small_corpus.directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    assert Corpus.open(copy, verify=True).digest == small_corpus.digest
    tokens = copy / "dev" / "zh" / "tokens.bin"
    data = bytearray(tokens.read_bytes())
    data[7] ^= 1
    tokens.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"dev/zh/tokens\.bin is corrupted"):
        Corpus.open(copy, verify=True)

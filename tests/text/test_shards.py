from __future__ import annotations

import hashlib

import numpy as np
import pytest

from farthing.errors import ArtifactError
from farthing.text.shards import ShardWriter, TokenShard, write_shard

DOCUMENTS = [([5, 6, 7], 9), ([8], 1), ([9, 9], 4)]


def test_documents_come_back_each_after_its_end_of_text(tmp_path):
    write_shard(tmp_path, DOCUMENTS, end_of_text=0, vocab_size=10)
    shard = TokenShard.open(tmp_path)
    assert shard.tokens.tolist() == [0, 5, 6, 7, 0, 8, 0, 9, 9]
    assert shard.starts.tolist() == [0, 4, 6, 9]
    assert shard.byte_counts.tolist() == [9, 1, 4]
    assert [shard.document_at(p) for p in range(9)] == [0, 0, 0, 0, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65536, "<u2"), (65537, "<u4")])
def test_the_type_is_the_smallest_that_holds_the_vocabulary(tmp_path, vocab_size, dtype):
    write_shard(tmp_path, [([vocab_size - 1], 1)], end_of_text=0, vocab_size=vocab_size)
    shard = TokenShard.open(tmp_path)
    assert shard.tokens.dtype == np.dtype(dtype)
    assert int(shard.tokens[1]) == vocab_size - 1


@pytest.mark.parametrize("name", ["tokens.bin", "starts.npy", "bytes.npy", "shard.json"])
def test_a_file_that_is_cut_or_missing_is_an_error(tmp_path, name):
    write_shard(tmp_path, DOCUMENTS, end_of_text=0, vocab_size=10)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ArtifactError, match="token shard"):
        TokenShard.open(tmp_path)
    path.unlink()
    with pytest.raises(ArtifactError, match="token shard"):
        TokenShard.open(tmp_path)


def test_an_index_that_does_not_fit_the_tokens_is_an_error(tmp_path):
    write_shard(tmp_path, DOCUMENTS, end_of_text=0, vocab_size=10)
    np.save(tmp_path / "starts.npy", np.array([0, 6, 4, 9]))
    with pytest.raises(ArtifactError, match="does not cut"):
        TokenShard.open(tmp_path)


def test_a_flat_batch_and_a_copied_shard_are_the_documents_one_by_one(tmp_path):
    write_shard(tmp_path / "one", DOCUMENTS, end_of_text=0, vocab_size=10)
    ids = np.array([99, 5, 6, 7, 8, 9, 9], dtype=np.int32)
    with ShardWriter(tmp_path / "flat", end_of_text=0, vocab_size=10) as writer:
        # The first token belongs to nobody: starts need not begin at 0.
        writer.add_flat(ids, np.array([1, 4, 5]), np.array([9, 1]))
        writer.add_flat(ids[5:], np.array([0, 2]), np.array([4]))
        writer.add_flat(ids[:0], np.array([0]), np.zeros(0, dtype=np.int64))
    part = TokenShard.open(tmp_path / "one")
    with ShardWriter(tmp_path / "copy", end_of_text=0, vocab_size=10) as writer:
        digest = writer.append(part)
        writer.append(part)
    one, flat, copy = (TokenShard.open(tmp_path / name) for name in ("one", "flat", "copy"))
    for name in ("tokens", "starts", "byte_counts"):
        assert getattr(flat, name).tolist() == getattr(one, name).tolist()
    assert digest == hashlib.sha256((tmp_path / "one/tokens.bin").read_bytes()).hexdigest()
    assert copy.tokens.tolist() == one.tokens.tolist() * 2
    assert copy.starts.tolist() == [0, 4, 6, 9, 13, 15, 18]
    assert copy.byte_counts.tolist() == [9, 1, 4] * 2

"""Pieces of text as token shards, and the corpus that they are joined to."""

from __future__ import annotations

import hashlib
from collections import Counter

import pyarrow.parquet as pq
import pytest
from encoded_corpora import made_up_rows, make_corpus

from farthing.text.corpus import SPLITS
from farthing.text.tokenizer import byte_vocabulary, train_bpe

ROWS = made_up_rows(150)
BPE = train_bpe([row["text"] for row in ROWS], 300)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("joined"), [ROWS[:61], [], ROWS[61:]], BPE)


def test_shards_hold_every_document_in_the_order_of_the_input(corpus):
    for split in SPLITS:
        for domain in corpus.domains:
            here = [row for row in ROWS if (row["split"], row["domain"]) == (split, domain)]
            shard = corpus.shard(split, domain)
            texts = [
                BPE.decode(shard.tokens[a + 1 : b].tolist())
                for a, b in zip(shard.starts, shard.starts[1:], strict=False)
            ]
            assert texts == [row["text"] for row in here]
            assert {int(shard.tokens[a]) for a in shard.starts[:-1]} == {BPE.end_of_text}
            assert corpus.tokens(split, domain) == len(shard.tokens)
            assert corpus.bytes(split, domain) == sum(len(row["text"].encode()) for row in here)


def test_every_document_has_its_row_with_digest_and_origin(corpus):
    by_id = {row["id"]: row for row in ROWS}
    found = [r for split in SPLITS for d in corpus.domains for r in corpus.documents(split, d)]
    assert len(found) == len(ROWS)
    for record in found:
        row = by_id[record.id]
        assert record.digest == hashlib.sha256(row["text"].encode()).hexdigest()
        assert record.tokens == len(BPE.encode(row["text"])) + 1
        for name in ("source", "licence", "language", "work", "split", "file", "record"):
            assert getattr(record, name) == row[name]


@pytest.mark.parametrize("cuts", [[], [1], [40, 41, 99]], ids=["one", "two", "four"])
@pytest.mark.parametrize("batch_rows", [1, 1000])
def test_the_tokens_do_not_depend_on_pieces_or_batches(corpus, tmp_path, cuts, batch_rows):
    bounds = zip([0, *cuts], [*cuts, len(ROWS)], strict=True)
    pieces = [ROWS[a:b] for a, b in bounds]
    other = make_corpus(tmp_path, pieces, BPE, batch_rows=batch_rows)
    same = {name: digest for name, digest in corpus.manifest.files.items() if "pieces" not in name}
    assert {n: d for n, d in other.manifest.files.items() if "pieces" not in n} == same
    assert [len(link.outputs) > 0 for link in other.verify_pieces()] == [True] * len(pieces)


def test_what_the_manifest_says_adds_up(corpus):
    detail = corpus.manifest.detail
    licences: Counter[str] = Counter()
    for row in ROWS:
        licences[row["licence"]] += len(row["text"].encode())
    assert detail["licences"] == dict(licences)
    assert detail["pieces"]["count"] == 3
    links = corpus.verify_pieces()
    assert [link.inputs for link in links] == [{f"raw-{n}": f"{n:02}"} for n in range(3)]
    assert links[1].outputs == {}
    # Windows of 1,024 tokens leave out whatever does not fill one.
    tokens = {domain: corpus.tokens("train", domain) for domain in corpus.domains}
    assert max(tokens.values()) < 1024
    lost = {domain: size - 1 for domain, size in tokens.items()}
    assert detail["packing"]["lost_tokens"] == lost


def test_sources_say_what_each_file_gave(corpus):
    for row in pq.read_table(corpus.directory / "sources.parquet").to_pylist():
        here = [each for each in ROWS if each["file"] == row["file"]]
        assert row["documents"] == len(here)
        assert row["licences"] == sorted({each["licence"] for each in here})


def test_bytes_as_tokens_and_domains_without_text_on_a_side(tmp_path):
    rows = [row for row in ROWS if row["split"] != "dev" or row["domain"] == "en"]
    corpus = make_corpus(tmp_path, [rows], byte_vocabulary())
    assert corpus.tokens("dev", "zh") == corpus.shard("dev", "zh").num_documents == 0
    assert corpus.tokens("dev", "en") == corpus.bytes("dev", "en") + sum(
        row["split"] == "dev" for row in rows
    )

"""Exported corpora, read back by readers written from the published layouts."""

from __future__ import annotations

import csv
import gzip
import itertools
import struct

import numpy as np
import pytest
from encoded_corpora import made_up_rows, make_corpus

from farthing.errors import CorpusError
from farthing.stages.curate.export.megatron import export_megatron
from farthing.stages.curate.export.numpy import export_numpy
from farthing.text.corpus import SPLITS
from farthing.text.tokenizer import Tokenizer, train_bpe

ROWS = made_up_rows(80)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    rows = [row for row in ROWS if (row["split"], row["domain"]) != ("test", "zh")]
    tokenizer = train_bpe([row["text"] for row in ROWS], 300)
    return make_corpus(tmp_path_factory.mktemp("exported"), [rows], tokenizer)


def read_megatron(stem) -> list[list[int]]:
    """Documents of an indexed dataset, as `_IndexReader` of Megatron-LM reads it."""
    index = stem.with_suffix(".idx").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    version, code, sequences, documents = struct.unpack_from("<QBQQ", index, 9)
    assert version == 1
    dtype = {4: np.int32, 8: np.uint16}[code]
    at = 9 + 8 + 1 + 8 + 8
    lengths = np.frombuffer(index, np.int32, sequences, at)
    pointers = np.frombuffer(index, np.int64, sequences, at + 4 * sequences)
    bounds = np.frombuffer(index, np.int64, documents, at + 12 * sequences)
    assert len(index) == at + 12 * sequences + 8 * documents
    data = stem.with_suffix(".bin").read_bytes()
    found = []
    for begin, end in itertools.pairwise(bounds.tolist()):
        tokens: list[int] = []
        for sequence in range(begin, end):
            tokens += np.frombuffer(data, dtype, lengths[sequence], pointers[sequence]).tolist()
        found.append(tokens)
    assert sum(map(len, found)) * np.dtype(dtype).itemsize == len(data)
    return found


def expected(corpus, split: str, domain: str) -> list[list[int]]:
    tokenizer = corpus.tokenizer
    here = [row for row in ROWS if (row["split"], row["domain"]) == (split, domain)]
    if (split, domain) == ("test", "zh"):
        here = []
    return [[*tokenizer.encode(row["text"]), tokenizer.end_of_text] for row in here]


def test_megatron_reads_every_document_closed_by_end_of_text(corpus, tmp_path):
    files = export_megatron(corpus, tmp_path / "out")
    assert len(files) == 6
    for split in SPLITS:
        for domain in corpus.domains:
            found = read_megatron(tmp_path / "out" / f"{split}-{domain}.bin")
            assert found == expected(corpus, split, domain)
    exported = Tokenizer.load(tmp_path / "out")
    assert exported.encode("the ship 12") == corpus.tokenizer.encode("the ship 12")


def test_numpy_maps_the_tokens_and_the_lines_say_where_each_document_is(corpus, tmp_path):
    files = export_numpy(corpus, tmp_path / "out")
    assert len(files) == 6
    dtype = (tmp_path / "out" / "dtype.txt").read_text().strip()
    for split in SPLITS:
        for domain in corpus.domains:
            stem = tmp_path / "out" / f"{split}-{domain}"
            want = expected(corpus, split, domain)
            raw = stem.with_suffix(".npy")
            tokens = np.memmap(raw, dtype=dtype, mode="r") if want else np.zeros(0)
            assert raw.stat().st_size == 2 * len(tokens)
            with gzip.open(stem.with_suffix(".csv.gz"), "rt", newline="") as file:
                lines = list(csv.reader(file))
            assert [tokens[int(a) : int(b)].tolist() for a, b, *_ in lines] == want
            records = list(corpus.documents(split, domain))
            assert [line[2:] for line in lines] == [
                [record.id, record.source, str(record.record)] for record in records
            ]


def test_exporting_twice_gives_the_same_bytes_and_never_overwrites(corpus, tmp_path):
    for export in (export_megatron, export_numpy):
        one, two = (tmp_path / f"{export.__name__}-{n}" for n in (1, 2))
        export(corpus, one)
        export(corpus, two)
        assert {p.name: p.read_bytes() for p in one.iterdir()} == {
            p.name: p.read_bytes() for p in two.iterdir()
        }
        with pytest.raises(CorpusError, match="already there"):
            export(corpus, one)

from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from farthing.errors import ArtifactError
from farthing.text import provenance
from farthing.text.chain import ChainWriter, Stretch, verify_chain
from farthing.text.corpus import Corpus
from farthing.text.provenance import (
    DOCUMENTS_SCHEMA,
    DocumentRecord,
    DocumentsWriter,
    document_batches,
    records_of,
    write_sources,
)
from farthing.text.shards import write_shard

FULL = {
    "digest": "d" * 64,
    "parents": ["p1", "p2"],
    "file": 3,
    "record": 17,
    "profile": "zh",
    "quality": 0.5,
    "cluster": 4,
    "cluster_size": 9,
    "masked": [("email", 2)],
}


def rows(count: int) -> list[dict[str, object]]:
    names = ("source", "licence", "language", "domain", "work")
    return [
        {
            **{name: f"{name} {n % 7}" for name in names},
            "id": f"文{n}",
            "split": "train",
            "bytes": n,
            "tokens": n + 1,
            **(FULL if n % 2 else {}),
        }
        for n in range(count)
    ]


def write(directory, written, cuts):
    with DocumentsWriter(directory) as writer:
        for begin, end in zip([0, *cuts], [*cuts, len(written)], strict=True):
            table = pa.Table.from_pylist(written[begin:end], DOCUMENTS_SCHEMA)
            for batch in table.to_batches():
                writer.add(batch)


def test_records_come_back_with_what_is_known_and_none_for_the_rest(tmp_path):
    write(tmp_path, rows(5), [2])
    found = [record for batch in document_batches(tmp_path) for record in records_of(batch)]
    assert [record.id for record in found] == [f"文{n}" for n in range(5)]
    known = {**FULL, "parents": ("p1", "p2"), "masked": {"email": 2}}
    for n, record in enumerate(found):
        assert record.tokens == n + 1
        assert {name: getattr(record, name) for name in FULL} == (
            known if n % 2 else dict.fromkeys(FULL)
        )
    assert {field.name for field in DOCUMENTS_SCHEMA} == set(DocumentRecord.model_fields)


def test_columns_that_are_not_known_may_be_left_out_and_others_are_not_written(tmp_path):
    stated = [{k: v for k, v in row.items() if k not in FULL} for row in rows(3)]
    with DocumentsWriter(tmp_path) as writer:
        writer.add(pa.RecordBatch.from_pylist([{**row, "text": "x"} for row in stated]))
    table = pq.read_table(tmp_path / "documents.parquet")
    assert table.schema.equals(DOCUMENTS_SCHEMA)
    assert table["masked"].null_count == 3


def test_the_file_does_not_depend_on_how_the_rows_arrived(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "_GROUP_ROWS", 50)
    digests = set()
    for name, cuts in (("one", []), ("two", [1, 2, 49, 51]), ("three", list(range(3, 230, 9)))):
        (tmp_path / name).mkdir()
        write(tmp_path / name, rows(230), cuts)
        file = tmp_path / name / "documents.parquet"
        digests.add(hashlib.sha256(file.read_bytes()).hexdigest())
        assert pq.ParquetFile(file).metadata.num_row_groups == 5
    assert len(digests) == 1


def test_an_older_or_damaged_file_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "documents.jsonl").write_text("{}\n")
    with pytest.raises(ArtifactError, match="older version"):
        list(document_batches(tmp_path))
    (tmp_path / "documents.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(ArtifactError, match="cannot be read"):
        list(document_batches(tmp_path))
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "documents.parquet")
    with pytest.raises(ArtifactError, match="other columns"):
        list(document_batches(tmp_path))


def test_sources_are_a_table_that_any_tool_reads(tmp_path):
    write_sources(tmp_path, [{"file": 0, "name": "a.jsonl", "bytes": 5, "sha256": "ab"}])
    (row,) = pq.read_table(tmp_path / "sources.parquet").to_pylist()
    assert row == {
        "file": 0, "name": "a.jsonl", "bytes": 5, "sha256": "ab", "documents": None,
        "licences": None,
    }  # fmt: skip


PARTS = [[([5, 6], 2)], [([7], 1), ([8, 9, 9], 4)], [([4], 1)]]


@pytest.fixture
def chained(tmp_path):
    """A shard of three pieces and its chain, digested here by hand."""
    whole = [document for part in PARTS for document in part]
    write_shard(tmp_path / "train/en", whole, end_of_text=0, vocab_size=10)
    with ChainWriter(tmp_path) as chain:
        for number, part in enumerate(PARTS):
            tokens = [token for ids, _ in part for token in (0, *ids)]
            digest = hashlib.sha256(b"".join(t.to_bytes(2, "little") for t in tokens)).hexdigest()
            stretch = Stretch(documents=len(part), tokens=len(tokens), sha256=digest)
            chain.add({f"raw {number}": "ab"}, {"train/en": stretch})
    return tmp_path, chain.head


def test_a_whole_chain_holds_and_each_line_carries_the_digest_of_the_one_before(chained):
    directory, head = chained
    assert [link.number for link in verify_chain(directory, head)] == [0, 1, 2]
    lines = (directory / "pieces.jsonl").read_bytes().splitlines()
    digests = [hashlib.sha256(line).hexdigest() for line in lines]
    assert [json.loads(line)["previous"] for line in lines] == ["0" * 64, *digests[:2]]
    assert head == digests[2]


@pytest.mark.parametrize(
    ("damage", "broken"),
    [
        (lambda lines: [lines[0].replace(b"raw 0", b"raw 9"), *lines[1:]], 1),
        (lambda lines: [lines[0], lines[1].replace(b'"documents":2', b'"documents":3'), lines[2]],
         2),
        (lambda lines: [lines[0], lines[2]], 1),
        (lambda lines: [lines[1], lines[0], lines[2]], 0),
        (lambda lines: lines[:2], 1),
        (lambda lines: [*lines[:2], lines[2].replace(b"raw 2", b"raw 9")], 2),
        (lambda lines: [*lines[:2], b"{}"], 2),
    ],
    ids=["input", "count", "cut out", "swapped", "end cut", "last changed", "unreadable"],
)  # fmt: skip
def test_the_first_broken_link_is_named(chained, damage, broken):
    directory, head = chained
    file = directory / "pieces.jsonl"
    file.write_bytes(b"\n".join(damage(file.read_bytes().splitlines())) + b"\n")
    with pytest.raises(ArtifactError, match=f"link {broken} is broken"):
        verify_chain(directory, head)


def test_a_changed_or_added_token_breaks_the_link_of_its_piece(chained):
    directory, head = chained
    file = directory / "train/en/tokens.bin"
    data = bytearray(file.read_bytes())
    data[2 * 4] ^= 1  # in the second piece
    file.write_bytes(data)
    with pytest.raises(ArtifactError, match="link 1 is broken: the tokens that it added to train"):
        verify_chain(directory, head)
    more = [document for part in [*PARTS, PARTS[0]] for document in part]
    write_shard(directory / "train/en", more, end_of_text=0, vocab_size=10)
    with pytest.raises(ArtifactError, match="tokens that no piece added"):
        verify_chain(directory, head)


def test_a_corpus_verifies_its_own_chain(small_corpus: Corpus):
    (link,) = small_corpus.verify_pieces()
    assert link.inputs == {"raw": "00"}
    assert link.outputs["train/en"].tokens == small_corpus.tokens("train", "en")

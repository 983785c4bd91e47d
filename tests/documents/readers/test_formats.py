"""The same documents in any format, cut anywhere, are read as the same batches."""

from __future__ import annotations

import gzip
import json
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_files import FIELDS, json_lines, make_documents, packed, plain, read_all, write_parquet

from farthing.documents.readers import streams
from farthing.documents.readers.cut import cut
from farthing.documents.readers.files import find_files
from farthing.documents.readers.options import Reading
from farthing.documents.readers.read import read_documents, read_piece
from farthing.documents.record import Document

ROWS = make_documents(200)


@pytest.mark.parametrize("frames", [1, 7], ids=lambda n: f"{n}-frames")
@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json.gz", "a.json.zst"]
)
def test_json_lines_of_every_packing_are_read_as_they_were_written(tmp_path, name, frames):
    (tmp_path / name).write_bytes(packed(json_lines(ROWS), name, frames))
    rows, refusals = read_all([tmp_path])
    assert plain(rows) == ROWS
    assert [(row["file"], row["record"]) for row in rows] == [(0, n) for n in range(1, 201)]
    assert refusals.by_reason() == {}
    assert refusals.records == {0: 200}


def test_parquet_rows_are_read_as_they_were_written(tmp_path):
    write_parquet(tmp_path / "a.parquet", ROWS)
    for piece_bytes in (1, 16 << 20):
        rows, _ = read_all([tmp_path], piece_bytes)
        assert plain(rows) == ROWS
        assert [row["record"] for row in rows] == list(range(1, 201))


def test_text_files_are_one_document_each_called_after_the_file(tmp_path):
    for number, row in enumerate(ROWS):
        (tmp_path / f"{number:03d}.txt").write_text(row["text"], newline="")
    rows, _ = read_all([tmp_path])
    assert [row["text"] for row in rows] == [row["text"] for row in ROWS]
    assert [row["id"] for row in rows] == [f"{number:03d}.txt" for number in range(200)]
    assert {row["licence"] for row in rows} == {"unstated"}
    assert {row["language"] for row in rows} == {"und"}
    assert [row["file"] for row in rows] == list(range(200))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    piece_bytes=st.integers(1, 40_000),
    suffix=st.sampled_from([".jsonl", ".jsonl.gz", ".jsonl.zst"]),
    ends_in_newline=st.booleans(),
)
def test_where_pieces_are_cut_changes_nothing(tmp_path, piece_bytes, suffix, ends_in_newline):
    data = json_lines(ROWS[:60])
    name = f"a{suffix}"
    (tmp_path / name).write_bytes(packed(data if ends_in_newline else data[:-1], name, 3))
    (tmp_path / "b.txt").write_text("a text beside it")
    rows, refusals = read_all([tmp_path / name, tmp_path / "b.txt"], piece_bytes)
    assert plain(rows[:-1]) == ROWS[:60]
    assert [row["record"] for row in rows[:-1]] == list(range(1, 61))
    assert rows[-1]["text"] == "a text beside it"
    assert refusals.records == {0: 60, 1: 1}


def test_pieces_are_about_as_large_as_asked_and_small_files_share_one(tmp_path):
    line = b'{"id": "a", "text": "b"}'.ljust(99) + b"\n"
    (tmp_path / "long.jsonl").write_bytes(line * 1000)
    for number in range(50):
        (tmp_path / f"small{number:02d}.txt").write_bytes(b"x" * 100)
    pieces = cut(find_files([tmp_path]), 10_000)
    assert [piece.number for piece in pieces] == list(range(11))
    assert [piece.size for piece in pieces] == [10_000] * 10 + [5_000]
    assert len(pieces[-1].spans) == 50
    assert [piece.spans[0].record for piece in pieces[:10]] == list(range(1, 1001, 100))


def test_a_cut_depends_on_names_and_bytes_alone(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jsonl").write_bytes(json_lines(ROWS))
    one, two = (cut(find_files([tmp_path / folder]), 5000) for folder in ("one", "two"))
    assert len(one) > 3
    assert [piece.identity for piece in one] == [piece.identity for piece in two]


def test_consecutive_pieces_unpack_each_byte_once(tmp_path, monkeypatch):
    (tmp_path / "a.jsonl.zst").write_bytes(packed(json_lines(ROWS), "a.zst"))
    pieces = cut(find_files([tmp_path]), 5000)
    opened = []
    monkeypatch.setattr(
        streams.OpenFile,
        "_unpacked",
        lambda self, make=streams.OpenFile._unpacked: opened.append(1) or make(self),
    )
    for piece in pieces:
        list(read_piece(piece, Reading()))
    assert len(pieces) > 3
    # The last cutting stands at the end of the file.
    assert len(opened) == 1
    list(read_piece(pieces[1], Reading()))
    assert len(opened) == 2


def test_batches_hold_two_mebibytes_of_text_or_one_document(tmp_path):
    texts = ["a" * 100_000] * 50 + ["b" * 5_000_000] + ["c"] * 20_000
    rows = [{"id": n, "text": text} for n, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_bytes(json_lines(rows))
    (piece,) = cut(find_files([tmp_path]), 1 << 30)
    batches = list(read_piece(piece, Reading()))
    sizes = [[len(text) for text in batch.column("text").to_pylist()] for batch in batches]
    assert list(chain(*sizes)) == [len(text) for text in texts]
    assert all(sum(size) <= 2 << 20 or len(size) == 1 for size in sizes)
    assert len(batches) <= 3 + 1 + 3


def test_columns_with_foreign_names_are_read_under_ours(tmp_path):
    foreign = [{"url": row["id"], "content": row["text"], "text": "not this"} for row in ROWS]
    (tmp_path / "a.jsonl").write_bytes(json_lines(foreign))
    pq.write_table(pa.Table.from_pylist(foreign), tmp_path / "b.parquet")
    rows, _ = read_all([tmp_path], columns={"id": "url", "text": "content"})
    expected = [(row["id"], row["text"]) for row in ROWS]
    assert [(row["id"], row["text"]) for row in rows] == expected * 2


def test_what_is_not_stated_says_so(tmp_path):
    lines = [
        {"text": "nothing else"},
        {"text": "spelt otherwise", "id": 7, "license": "MIT", "lang": "en"},
        {
            "text": "several",
            "id": "c",
            "licence": ["MIT", "BSD"],
            "parents": "p",
            "language": "udhr:7",
        },
        {"text": "empty", "id": "d", "licence": "", "language": None, "source": None, "work": ""},
        {"text": "kept as stated", "id": "e", "format": "latex", "domain": "maths"},
    ]
    (tmp_path / "a.jsonl").write_bytes(json_lines(lines))
    rows, refusals = read_all([tmp_path / "a.jsonl"])
    assert refusals.by_reason() == {}
    shown = [tuple(row[k] for k in FIELDS if k != "text") for row in rows]
    missing = ("unstated", "unstated", "und", "und")
    assert shown == [
        ("a.jsonl:1", *missing, "a.jsonl:1", "text", []),
        ("7", "unstated", "MIT", "en", "en", "7", "text", []),
        ("c", "unstated", "MIT; BSD", "udhr:7", "und", "c", "text", ["p"]),
        ("d", *missing, "d", "text", []),
        ("e", "unstated", "unstated", "und", "maths", "e", "latex", []),
    ]


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_no_records(tmp_path):
    data = b'\xef\xbb\xbf{"id": "a", "text": "one"}\r\n\r\n  \n{"id": "b", "text": "two"}\r\n'
    (tmp_path / "a.jsonl").write_bytes(data)
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfthree\r\n")
    rows, refusals = read_all([tmp_path])
    assert [(row["text"], row["record"]) for row in rows] == [
        ("one", 1),
        ("two", 4),
        ("three\r\n", 1),
    ]
    assert refusals.by_reason() == {}


def test_gzip_with_zeros_behind_it_and_zstd_with_a_skippable_frame_are_whole(tmp_path):
    data = json_lines(ROWS)
    half = data.index(b"\n", len(data) // 2) + 1
    (tmp_path / "a.jsonl.gz").write_bytes(
        gzip.compress(data[:half]) + gzip.compress(b"") + gzip.compress(data[half:]) + bytes(1000)
    )
    skipped = (0x184D2A53).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"12345"
    pack = zstandard.ZstdCompressor().compress
    (tmp_path / "b.jsonl.zst").write_bytes(pack(data[:half]) + skipped + pack(data[half:]))
    rows, refusals = read_all([tmp_path])
    assert plain(rows) == ROWS * 2
    assert refusals.by_reason() == {}


def test_a_row_is_a_document(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "text": "\u4f60\u597d", "lang": "zh"}))
    (document,) = read_documents([tmp_path])
    assert document == Document(
        id="a",
        text="\u4f60\u597d",
        source="unstated",
        licence="unstated",
        language="zh",
        domain="zh",
        work="a",
    )
    assert document.size == 6

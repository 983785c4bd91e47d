"""A line longer than the limit is refused without being held, and the next one is read."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from reader_files import read_all

from farthing.documents.readers.lines import TooLong, bounded_lines
from farthing.documents.readers.streams import BLOCK_BYTES

# Reads in a process of its own: the highest memory of a process is never forgotten.
READING = """
import json, resource, sys
from farthing.documents.readers.cut import cut
from farthing.documents.readers.files import find_files
from farthing.documents.readers.options import Reading
from farthing.documents.readers.read import read_piece
from farthing.documents.refusals import Refusals

def most():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

refusals, ids = Refusals(), []
list(read_piece(cut(find_files([sys.argv[1]]))[0], Reading()))  # load the libraries
before = most()
for piece in cut(find_files([sys.argv[2]])):
    for batch in read_piece(piece, Reading(most_document_bytes=8 << 20), refusals):
        ids += batch.column("id").to_pylist()
print(json.dumps([ids, refusals.by_reason(), [one.record for one in refusals.listed["too_long"]],
                  most() - before]))
"""


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.zst"])
def test_a_line_of_two_hundred_megabytes_takes_no_memory(tmp_path, suffix):
    small = tmp_path / "small.jsonl.zst"
    small.write_bytes(zstandard.compress(b'{"id": "a", "text": "b"}\n'))
    path = tmp_path / f"long.{suffix}"
    pack = zstandard.ZstdCompressor().compressobj()
    block = bytes(1 << 20)
    parts = [b'{"id": 1, "text": "before"}\n{"id": 2, "text": "', *[block] * 200]
    parts.append(b'"}\n{"id": 3, "text": "behind"}\n')
    with path.open("wb") as file:
        for part in parts:
            file.write(part if suffix == "jsonl" else pack.compress(part))
        file.write(b"" if suffix == "jsonl" else pack.flush())
    done = subprocess.run(
        [sys.executable, "-c", READING, small, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ids, reasons, records, grown = json.loads(done.stdout)
    assert ids == ["1", "3"]
    assert reasons == {"too_long": 1}
    assert records == [2]
    assert grown < 40 << 20


def _lines(data, most_bytes, read_bytes=BLOCK_BYTES):
    file = io.BytesIO(data)
    return list(bounded_lines(lambda n: file.read(min(n, read_bytes)), len(data), 5, most_bytes))


@pytest.mark.parametrize("read_bytes", [1, 2, 3, 7, 100], ids=lambda n: f"{n}-bytes-a-read")
@pytest.mark.parametrize(
    "data",
    [b"", b"\n", b"a", b"abc\n\nabcd\nabcde", b"abcde\nabcdefghij\n\n", b"\n\n\nabcdef\na\n"],
)
def test_lines_are_those_of_split_whatever_a_read_returns(data, read_bytes):
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    expected = [
        (number, line if len(line) <= 4 else TooLong(len(line)))
        for number, line in enumerate(lines, start=5)
    ]
    assert _lines(data, 4, read_bytes) == expected


def test_text_and_pages_longer_than_the_limit_are_refused_unread(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"x" * 2000)
    (tmp_path / "b.txt").write_bytes(b"x" * 1000)
    rows, refusals = read_all([tmp_path], most_document_bytes=1024)
    assert [row["id"] for row in rows] == ["b.txt"]
    assert refusals.by_reason() == {"too_long": 1}


def test_rows_of_parquet_longer_than_the_limit_are_refused(tmp_path):
    table = pa.table({"id": ["a", "b", "c"], "text": ["x" * 1000, "x" * 1025, "\u597d" * 400]})
    pq.write_table(table, tmp_path / "a.parquet")
    rows, refusals = read_all([tmp_path], most_document_bytes=1024)
    assert [row["id"] for row in rows] == ["a"]
    assert [one.detail for one in refusals.listed["too_long"]] == ["1025 bytes", "1200 bytes"]

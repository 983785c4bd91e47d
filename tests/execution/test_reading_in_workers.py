"""Files read in pieces by any number of workers and shards, cut anywhere, give the same rows."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
import zstandard
from reading_pieces import work

from farthing.documents.readers.cut import cut
from farthing.documents.readers.files import find_files
from farthing.documents.refusals import merge_refusals
from farthing.execution.run import run_pieces
from farthing.execution.workers import Workers


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Two packed files of lines, a bad one among them, and a text."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("a", "b"):
        lines = [
            json.dumps({"id": f"{name}{n}", "text": f"text {n} " * (n % 50)}) for n in range(900)
        ]
        lines[501] = '{"id": "cut'
        data = zstandard.compress("\n".join(lines).encode())
        (folder / f"{name}.jsonl.zst").write_bytes(data)
    (folder / "c.txt").write_text("a text")
    return folder


def _read(folder, sources, piece_bytes, count, shards=1):
    pieces = cut(find_files([sources]), piece_bytes)
    with Workers(count) as workers:
        for number in range(shards):
            run_pieces(work(), pieces, folder, workers, shard=(number, shards))
        results = run_pieces(work(), pieces, folder, workers)
    rows = []
    for result in results:
        with pa.ipc.open_file(str(result.directory / "kept.arrow")) as file:
            rows += file.read_all().to_pylist()
    return rows, merge_refusals(result.counts["refusals"] for result in results), len(pieces)


@pytest.mark.parametrize(
    ("piece_bytes", "count", "shards"), [(3000, 2, 1), (10_000, 2, 3), (50_000, 1, 2)]
)
def test_the_rows_are_the_same(tmp_path, sources, piece_bytes, count, shards):
    expected, refused, _ = _read(tmp_path / "one", sources, 1 << 24, 1)
    rows, refusals, pieces = _read(tmp_path / "other", sources, piece_bytes, count, shards)
    assert pieces > 5
    assert len(rows) == 1 + 2 * (900 - 18 - 1)
    assert rows == expected
    assert refusals.by_reason() == {"empty_text": 36, "not_json": 2}
    assert refusals.to_json() == refused.to_json()

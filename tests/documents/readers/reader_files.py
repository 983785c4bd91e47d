"""Documents as plain data, files of every format that hold them, and reading them all back."""

from __future__ import annotations

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from farthing.documents.batch import SCHEMA
from farthing.documents.readers.cut import cut
from farthing.documents.readers.files import find_files
from farthing.documents.readers.options import Reading
from farthing.documents.readers.read import read_piece
from farthing.documents.refusals import Refusals

WORDS = [
    "sparse",
    "farthing",
    "\u4e13\u5bb6",
    "\u6a21\u578b",
    "caf\u00e9",
    "\U00020bb7",
    "x\\y",
    '"',
    "\u2028",
    "\t",
]
FIELDS = ("id", "text", "source", "licence", "language", "domain", "work", "format", "parents")


def make_documents(count, seed=0, most_words=60):
    """Plain rows with every field of a batch but the place."""
    draw = random.Random(seed)
    return [
        {
            "id": f"document {number}",
            "text": "start " + " ".join(draw.choices(WORDS, k=draw.randrange(most_words))),
            "source": draw.choice(["here", "there"]),
            "licence": draw.choice(["MIT", "CC0-1.0"]),
            "language": draw.choice(["en", "zh-Hans"]),
            "domain": draw.choice(["en", "code"]),
            "work": f"work {number // 3}",
            "format": "text",
            "parents": [f"parent {number}"] * (number % 3),
        }
        for number in range(count)
    ]


def json_lines(rows):
    """One object a line; only every second with escapes, as writers differ."""
    return b"".join(
        json.dumps(row, ensure_ascii=number % 2 == 0).encode() + b"\n"
        for number, row in enumerate(rows)
    )


def packed(data, name, frames=1):
    """`data` as a file of this name holds it, in one or several frames or members."""
    size = -(-len(data) // frames) if data else 1
    parts = [data[at : at + size] for at in range(0, max(len(data), 1), size)]
    if name.endswith(".gz"):
        return b"".join(gzip.compress(part) for part in parts)
    if name.endswith(".zst"):
        # One with and one without its size in the header; one with a checksum.
        makers = [
            zstandard.ZstdCompressor(write_content_size=False, write_checksum=True),
            zstandard.ZstdCompressor(),
        ]
        return b"".join(makers[i % 2].compress(part) for i, part in enumerate(parts))
    return data


def write_parquet(path, rows, row_group_size=70):
    """Rows as a table of strings."""
    kinds = {name: pa.string() for name in FIELDS} | {"parents": pa.list_(pa.string())}
    schema = pa.schema(list(kinds.items()))
    pq.write_table(pa.Table.from_pylist(rows, schema), path, row_group_size=row_group_size)


def read_all(paths, piece_bytes=16 << 20, **options):
    """Rows of all pieces, one after another, and what was refused."""
    refusals = Refusals()
    rows = []
    for piece in cut(find_files(paths), piece_bytes):
        for batch in read_piece(piece, Reading(**options), refusals):
            assert batch.schema == SCHEMA
            batch.validate(full=True)
            rows += batch.to_pylist()
    return rows, refusals


def plain(rows):
    """Rows without the place where they stand."""
    return [{name: row[name] for name in FIELDS} for row in rows]

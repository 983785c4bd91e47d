"""Raw documents in record batches: the columns that every step of curation reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

UNSTATED = "unstated"
UNDETERMINED = "und"  # ISO 639-2 for "language not known"

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        # 64-bit offsets: a batch may hold more than 2 GiB. Never empty, always UTF-8.
        pa.field("text", pa.large_string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # or UNSTATED
        pa.field("licence", pa.string(), nullable=False),  # as stated; or UNSTATED
        pa.field("language", pa.string(), nullable=False),  # BCP 47 as stated; or UNDETERMINED
        # What it is mixed and scored as; the stated language unless the data say otherwise.
        pa.field("domain", pa.string(), nullable=False),
        # What stays on one side of the split: the id unless the data say otherwise.
        pa.field("work", pa.string(), nullable=False),
        pa.field("format", pa.string(), nullable=False),  # "text" or "html", as it was read
        pa.field("parents", pa.list_(pa.string()), nullable=False),  # digests or ids it came from
        pa.field("file", pa.int32(), nullable=False),  # number of the source file
        pa.field("record", pa.int64(), nullable=False),  # line or row in that file, from 1
    ]
)


def text_bytes(texts: pa.LargeStringArray) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The bytes of all texts one after another, and where each begins; nothing is copied.

    Returns:
        data: uint8, read-only; offsets: int64 (texts + 1) into it.
    """
    assert texts.null_count == 0
    _, places, data = texts.buffers()
    offsets = np.frombuffer(places, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    empty = np.zeros(0, dtype=np.uint8)
    return (empty if data is None else np.frombuffer(data, dtype=np.uint8)), offsets


def large_strings(texts: Sequence[str]) -> pa.LargeStringArray:
    """`texts` as the `text` column of a batch."""
    return pa.array(texts, type=pa.large_string())

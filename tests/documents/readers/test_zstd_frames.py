"""A Zstandard file is whole exactly where a frame ends."""

from __future__ import annotations

import io

import pytest
import zstandard

from farthing.documents.readers.zstd_frames import is_whole


def _frame(data, **options):
    return zstandard.ZstdCompressor(**options).compress(data)


FRAMES = [
    _frame(b"a text with a checksum", write_checksum=True),
    _frame(b"a text of unknown size", write_content_size=False),
    (0x184D2A5F).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"xyz",  # to be skipped
    _frame(bytes(1000), write_checksum=True),  # one byte, repeated
    _frame(b""),
    _frame(bytes(range(256)) * 1200),  # several blocks
]


@pytest.mark.parametrize("last", range(len(FRAMES)), ids=lambda n: f"frame-{n}")
def test_every_prefix_but_those_that_end_with_a_frame_is_cut_short(last):
    before, frame = b"".join(FRAMES[:last]), FRAMES[last]
    lengths = [*range(min(len(frame), 60)), *range(max(len(frame) - 8, 0), len(frame) + 1)]
    whole = {
        length
        for length in lengths
        if is_whole(io.BytesIO(before + frame[:length]), len(before) + length)
    }
    assert whole == {0, len(frame)}

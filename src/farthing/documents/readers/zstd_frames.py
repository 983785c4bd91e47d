"""Whether a Zstandard file is whole, told from its frames' and blocks' headers alone.

The library's stream reader gives what it can of a file that was cut short, and says nothing. The
headers hold the size of each block, so walking over them reads three bytes in about 128 KiB.
Layout: RFC 8878, section 3.1.
"""

from __future__ import annotations

from typing import BinaryIO

import zstandard

_FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = 0x184D2A50  # the last four bits are free
_LONGEST_HEADER_BYTES = 18
_RLE_BLOCK = 1
_CHECKSUM_BYTES = 4


def is_whole(file: BinaryIO, size: int) -> bool:
    """Whether the frames in `file` end where its `size` bytes end.

    What is no frame at all counts as whole here: decompressing it says so better.
    """
    at = 0
    while at < size:
        file.seek(at)
        start = file.read(_LONGEST_HEADER_BYTES)
        if len(start) < len(_FRAME_MAGIC):
            return False
        if int.from_bytes(start[:4], "little") & ~0xF == _SKIPPABLE:
            at += 8 + int.from_bytes(start[4:8], "little") if len(start) >= 8 else size
        elif not start.startswith(_FRAME_MAGIC):
            return True
        else:
            end = _end_of_frame(file, at, start, size)
            if end is None:
                return False
            at = end
    return at == size


def _end_of_frame(file: BinaryIO, at: int, start: bytes, size: int) -> int | None:
    """Where the frame that begins at `at` ends; None if the file ends before."""
    try:
        header_bytes = zstandard.frame_header_size(start)
        has_checksum = zstandard.get_frame_parameters(start).has_checksum
    except zstandard.ZstdError:
        return None
    at += header_bytes
    while True:
        file.seek(at)
        header = file.read(3)
        if len(header) < 3:
            return None
        value = int.from_bytes(header, "little")
        last, kind, length = value & 1, value >> 1 & 3, value >> 3
        at += 3 + (1 if kind == _RLE_BLOCK else length)
        if last:
            break
    at += _CHECKSUM_BYTES if has_checksum else 0
    return at if at <= size else None

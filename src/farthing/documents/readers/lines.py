"""Lines of a stream, each with its number, none longer in memory than a limit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from farthing.documents.readers.streams import BLOCK_BYTES


@dataclass(frozen=True)
class TooLong:
    """Stands for a line over the limit; `size` is its length in bytes."""

    size: int


def bounded_lines(
    read: Callable[[int], bytes], length: int, first: int, most_bytes: int
) -> Iterator[tuple[int, bytes | TooLong]]:
    """The lines of the next `length` bytes, without their newline, with their numbers.

    Args:
        read: returns 1 to n bytes; it is asked for no more than is left of `length`.
        length: bytes to read. What stands behind the last newline is a line if it is not empty.
        first: number of the first line.
        most_bytes: a longer line comes as `TooLong`; no more of it than this is held.
    """
    number = first
    kept: list[bytes] = []
    size = 0  # of the line that has begun, also where it is no longer kept
    while length > 0 and (block := read(min(BLOCK_BYTES, length))):
        length -= len(block)
        *whole, rest = block.split(b"\n")
        if whole:
            size += len(whole[0])
            yield number, b"".join((*kept, whole[0])) if size <= most_bytes else TooLong(size)
            kept.clear()
            size = 0
            number += 1
            for line in islice(whole, 1, None):
                yield number, line if len(line) <= most_bytes else TooLong(len(line))
                number += 1
        size += len(rest)
        kept.append(rest)
        if size > most_bytes:
            kept.clear()
    if size:
        yield number, b"".join(kept) if size <= most_bytes else TooLong(size)

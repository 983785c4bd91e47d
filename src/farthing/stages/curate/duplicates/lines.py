"""Lines that stand in many documents: menus, notices and licence headers, taken out of the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.kernels.key_table import KeyTable, key_table
from farthing.kernels.line_hashes import without_lines

SHORT_REASON = "short_after_line_removal"

# The lines of the whole pile are counted in so many parts, by their hashes.
_PARTS = 16
_PART_SHIFT = np.uint64(60)


def repeated_lines(
    read: Callable[[], Iterable[npt.NDArray[np.uint64]]], *, least_documents: int
) -> npt.NDArray[np.uint64]:
    """The lines that stand in at least so many documents.

    Args:
        read: gives, from the beginning at each call, the lines of the documents that take part
            (`line_hashes.line_sets`: each line once a document), cut in any way. It is called once
            for each of 16 parts of the hashes, so that a sixteenth of them is held.
        least_documents: at least 2.

    Returns:
        uint64, ascending, without repeats.
    """
    found = []
    for part in range(_PARTS):
        mine = [lines[(lines >> _PART_SHIFT) == np.uint64(part)] for lines in read()]
        lines = np.sort(np.concatenate([np.zeros(0, dtype=np.uint64), *mine]))
        # A line that stands `least_documents` further on too has as many occurrences.
        reach = min(least_documents - 1, len(lines))
        found.append(np.unique(lines[reach:][lines[reach:] == lines[: len(lines) - reach]]))
    return np.concatenate(found)


@dataclass(frozen=True)
class Shortened:
    """Texts of a batch without repeated lines."""

    data: npt.NDArray[np.uint8]  # one after another
    offsets: npt.NDArray[np.int64]  # [D + 1], into it
    removed_bytes: npt.NDArray[np.int64]  # [D]
    too_short: npt.NDArray[np.bool_]  # [D], something went and less is left than is asked for


class RepeatedLines:
    """The lines to take out, ready to be looked up; the same in every worker."""

    def __init__(
        self, hashes: npt.NDArray[np.uint64], *, least_bytes: int, least_left: int
    ) -> None:
        """Make the table.

        Args:
            hashes: uint64, from `repeated_lines`.
            least_bytes: shorter lines stay; the same number as for `line_sets`.
            least_left: a text of which fewer bytes are left is too short.
        """
        self._table: KeyTable = key_table(hashes)
        self._least_bytes = least_bytes
        self._least_left = least_left

    def remove(
        self,
        data: npt.NDArray[np.uint8],
        offsets: npt.NDArray[np.int64],
        spared: npt.NDArray[np.bool_],
    ) -> Shortened:
        """The texts of a batch without these lines.

        Args:
            data: uint8, UTF-8.
            offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.
            spared: bool [D], texts that are left as they are: code, mathematics, held-out text.
        """
        rest, places = without_lines(data, offsets, spared, self._least_bytes, self._table)
        left = np.diff(places)
        removed = np.diff(offsets) - left
        return Shortened(rest, places, removed, (removed > 0) & (left < self._least_left))

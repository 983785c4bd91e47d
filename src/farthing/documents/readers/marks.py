"""Where a file of lines may be cut."""

from __future__ import annotations

from dataclasses import dataclass, field

from farthing.documents.readers.files import SourceFile
from farthing.documents.readers.streams import BLOCK_BYTES, opened_at


@dataclass
class Marks:
    """Places in a file's unpacked bytes.

    Attributes:
        places: (position, number of the record that begins there), ascending, from (0, 1) on.
        end: where the last whole record ends.
        truncated: the file was cut short; what stands behind `end` is lost.
        trailing: what stands behind its packed bytes is none of it, and was passed over.
    """

    places: list[tuple[int, int]] = field(default_factory=lambda: [(0, 1)])
    end: int = 0
    truncated: bool = False
    trailing: bool = False


def line_marks(file: SourceFile, step: int) -> Marks:
    """The first line that begins at or behind each multiple of `step` bytes.

    Raises:
        CorpusError: the file is damaged or cannot be read.
    """
    marks = Marks()
    position, record, target, lines_end = 0, 1, step, 0
    with opened_at(file, 0) as opened:
        while block := opened.read(BLOCK_BYTES):
            counted = 0
            # A line begins behind a newline: from the byte before the target on.
            while (seek := max(target - 1 - position, 0)) < len(block):
                newline = block.find(b"\n", seek)
                if newline < 0:
                    break
                record += block.count(b"\n", counted, newline + 1)
                counted = newline + 1
                begin = position + counted
                marks.places.append((begin, record))
                target = begin - begin % step + step
            record += block.count(b"\n", counted)
            last = block.rfind(b"\n")
            lines_end = position + last + 1 if last >= 0 else lines_end
            position += len(block)
        marks.truncated, marks.trailing = opened.truncated, opened.trailing
    marks.end = lines_end if marks.truncated else position
    return marks

"""Ids that come twice: the first document stays; sets that were numbered alike end the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farthing.documents.refusals import FEW_RECORDS, NamedFile, worst_files
from farthing.errors import CorpusError
from farthing.stages.curate.duplicates.exact import first_copies
from farthing.stages.curate.phases.columns import Columns


def repeated_ids(columns: Columns) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Documents whose id was there before.

    Returns:
        firsts: int64 (documents), the first document with the id; the document itself where it is.
        same: bool (documents), whether it is a repeat with the text of that first document.
    """
    everything = np.arange(len(columns))
    firsts = first_copies(columns.numbers("id"), everything)
    repeats = np.flatnonzero(firsts != everything)
    texts = columns.numbers("text")
    same = np.zeros(len(columns), dtype=np.bool_)
    same[repeats] = np.all(texts[repeats] == texts[firsts[repeats]], axis=1)
    return firsts, same


def check_ids(columns: Columns, files: Sequence[NamedFile], most_repeated: float) -> None:
    """End the run where the documents of two files were numbered alike.

    The second file would be lost: of several documents with one id, the first stays.

    Args:
        columns: of all documents.
        files: that they stand in.
        most_repeated: share of a file's documents that may have an id of another document in
            another file. Repeats with the same text do not count.

    Raises:
        CorpusError: naming the file with the largest share, and the one that has its ids.
    """
    if len(files) < 2 or not len(columns):
        return
    firsts, same = repeated_ids(columns)
    codes, names = columns.strings("file")
    numbers = np.array([int(name) for name in names])[codes]
    foreign = (numbers[firsts] != numbers) & ~same
    bad = Counter(numbers[foreign].tolist())
    records = Counter(numbers.tolist())
    worst = worst_files(bad, records, most_repeated)
    if not worst:
        return
    of_worst = foreign & np.isin(numbers, worst)
    pairs = Counter(
        zip(numbers[of_worst].tolist(), numbers[firsts[of_worst]].tolist(), strict=True)
    )
    second, first = max(pairs, key=lambda pair: (pairs[pair], -pair[0], -pair[1]))
    named = {file.number: file.name for file in files}
    what = named[second]
    if len(worst) > 1:
        what = f"{len(worst)} files with fewer than {FEW_RECORDS} documents, such as {what}"
    raise CorpusError(
        f"{what}: {int(of_worst.sum())} of {sum(records[number] for number in worst)} documents "
        f"have the id of another document in another file, such as {named[first]}",
        remedy="an id names one document: name a key that holds such ids under "
        "`corpus.reading.columns.id`, or take the ids out of the data: documents are called "
        "FILE:RECORD then",
    )

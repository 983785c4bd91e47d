"""Which of a few known words a text contains."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled
from farthing.kernels.words import Words

MOST_MEMBERS = 64  # a bit each


def find_members(words: Words, members: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The members among the words of each text.

    Args:
        words: the words of the batch.
        members: [at most 64] hashes by `word_hash`, all different.

    Returns:
        uint64 [D]: bit m is set where member m occurs.
    """
    assert 0 < len(members) <= MOST_MEMBERS
    size = 64
    # The hashes are random bits: a table not much larger gives each a slot of its own.
    while len({int(member) % size for member in members}) < len(members):
        size *= 2
    # Whole hashes are compared; an empty slot holds a member, which has its slot elsewhere.
    table = np.full(size, members[0], dtype=np.uint64)
    bits = np.zeros(size, dtype=np.uint64)
    for number, member in enumerate(members):
        table[int(member) % size] = member
        bits[int(member) % size] = 1 << number
    found = np.zeros(len(words.firsts) - 1, dtype=np.uint64)
    _find(words.hashes, words.firsts, table, bits, found)
    return found


@compiled
def _find(
    hashes: npt.NDArray[np.uint64],
    firsts: npt.NDArray[np.int64],
    table: npt.NDArray[np.uint64],
    bits: npt.NDArray[np.uint64],
    found: npt.NDArray[np.uint64],
) -> None:
    mask = np.uint64(len(table) - 1)
    for document in range(len(found)):
        seen = np.uint64(0)
        for place in range(firsts[document], firsts[document + 1]):
            slot = hashes[place] & mask
            if table[slot] == hashes[place]:
                seen |= bits[slot]
        found[document] = seen

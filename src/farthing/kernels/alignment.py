"""How much of a short text stands in a longer one in the same order, changes in between allowed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled


@compiled
def densest_stretch(places: npt.NDArray[np.int64], reach: int) -> tuple[int, int]:
    """The stretch of at most `reach` with the most places in it, the first of several.

    Args:
        places: int64 [N], ascending, N > 0.
        reach: greatest difference between the last place and the first.

    Returns:
        First and last place of the stretch.
    """
    best_first, best_last, first = 0, 0, 0
    for last in range(len(places)):
        while places[last] - places[first] > reach:
            first += 1
        if last - first > best_last - best_first:
            best_first, best_last = first, last
    return places[best_first], places[best_last]


@compiled
def common_in_order(
    text: npt.NDArray[np.uint64],
    wanted: npt.NDArray[np.uint64],
    weights: npt.NDArray[np.int64],
) -> tuple[int, int, int]:
    """The heaviest common subsequence of two runs of words.

    Args:
        text: uint64 [N], hashes of the words that are looked through.
        wanted: uint64 [M], hashes of the words that are looked for.
        weights: int64 [M], positive; what finding each is worth.

    Returns:
        The weight found, and begin and end of it in `text` (0, 0 where nothing was found).
    """
    count = len(wanted)
    best = np.zeros(count + 1, dtype=np.int64)
    begins = np.zeros(count + 1, dtype=np.int64)
    end = 0
    for place in range(len(text)):
        before, before_begin = np.int64(0), np.int64(place)
        for at in range(1, count + 1):
            old, old_begin = best[at], begins[at]
            if text[place] == wanted[at - 1] and before + weights[at - 1] > best[at]:
                best[at] = before + weights[at - 1]
                begins[at] = before_begin if before > 0 else place
                if at == count:
                    end = place + 1
            if best[at - 1] > best[at]:
                best[at], begins[at] = best[at - 1], begins[at - 1]
                if at == count:
                    end = place + 1
            before, before_begin = old, old_begin
    return best[count], begins[count] if end else 0, end

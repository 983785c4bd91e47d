"""How much of a short text stands in a longer one in the same order, changes in between allowed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined


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
    """The heaviest common subsequence of two runs of words, in the shortest stretch of the text.

    Args:
        text: uint64 [N], hashes of the words that are looked through.
        wanted: uint64 [M], hashes of the words that are looked for.
        weights: int64 [M], positive; what finding each is worth.

    Returns:
        The weight found, and begin and end in `text` of the shortest stretch that holds as much,
        the first of several (0, 0 where nothing was found).
    """
    count = len(wanted)
    # For the first words of `wanted`: the most that was found so far, and the last place from
    # which on it is all there. Among equals the last begins the shortest stretch.
    best = np.zeros(count + 1, dtype=np.int64)
    begins = np.zeros(count + 1, dtype=np.int64)
    weight, begin, end = np.int64(0), np.int64(0), np.int64(0)
    for place in range(len(text)):
        before, before_begin = np.int64(0), np.int64(place)
        for at in range(1, count + 1):
            old, old_begin = best[at], begins[at]
            if text[place] == wanted[at - 1]:
                found = before + weights[at - 1]
                found_begin = before_begin if before > 0 else np.int64(place)
                if _is_better(found, found_begin, best[at], begins[at]):
                    best[at], begins[at] = found, found_begin
            if _is_better(best[at - 1], begins[at - 1], best[at], begins[at]):
                best[at], begins[at] = best[at - 1], begins[at - 1]
            before, before_begin = old, old_begin
        if best[count] > weight or (
            best[count] == weight and place + 1 - begins[count] < end - begin
        ):
            weight, begin, end = best[count], begins[count], np.int64(place + 1)
    return int(weight), int(begin), int(end)


@inlined
def _is_better(
    weight: np.int64, begin: np.int64, than_weight: np.int64, than_begin: np.int64
) -> bool:
    """Whether it weighs more, or the same from a later place on."""
    return bool(weight > than_weight or (weight == than_weight and begin > than_begin))

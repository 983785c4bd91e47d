"""Connected groups of numbered things, from the pairs that belong together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from farthing.kernels.compiled import compiled, inlined


@inlined
def _root(parents: npt.NDArray[np.int64], one: int) -> int:
    while parents[one] != one:
        parents[one] = parents[parents[one]]  # halves the path for the next search
        one = parents[one]
    return one


@compiled
def least_connected(pairs: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """For each of `count` things the least one that it is connected with, itself included.

    The order of the pairs does not matter.

    Args:
        pairs: int64 [P, 2], numbers below `count`.
        count: of things.

    Returns:
        int64 [count].
    """
    parents = np.arange(count, dtype=np.int64)
    for pair in range(len(pairs)):
        one = _root(parents, pairs[pair, 0])
        two = _root(parents, pairs[pair, 1])
        parents[max(one, two)] = min(one, two)
    for thing in range(count):
        parents[thing] = _root(parents, thing)
    return parents

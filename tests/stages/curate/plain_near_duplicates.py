"""The reference of `near_duplicates`: the same hashes and the same answers, in NumPy alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

WINDOW_CHARACTERS = 32

# Odd, so that it has an inverse modulo 2**64. The other digits do not matter.
_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_MIXER = np.uint64(0xBF58476D1CE4E5B9)
_FILTER_BITS = 24
# The powers of a long document are computed in pieces of this many characters.
_PIECE = 1 << 16


class PlainNearDuplicates:
    """An index of some texts that says whether another text nearly repeats any of them."""

    def __init__(self, texts: Iterable[str], *, share: float) -> None:
        """Index `texts`; `share` is the largest share of common windows that is let pass."""
        self._share = share
        hashes = [np.unique(window_hashes(text)) for text in texts]
        owners = [np.full(len(h), i, dtype=np.int64) for i, h in enumerate(hashes)]
        empty = np.zeros(0, dtype=np.uint64)
        all_hashes = np.concatenate([empty, *hashes])
        order = np.argsort(all_hashes, kind="stable")
        self._hashes = all_hashes[order]
        self._owners = np.concatenate([np.zeros(0, dtype=np.int64), *owners])[order]
        self._sizes = np.array([len(h) for h in hashes], dtype=np.int64)
        # One bit of memory access rules out nearly all windows before the binary search.
        self._filter = np.zeros(1 << _FILTER_BITS, dtype=np.bool_)
        self._filter[_top_bits(self._hashes)] = True

    def repeats(self, text: str) -> bool:
        """Whether `text` nearly repeats an indexed text, or holds one of them."""
        hashes = window_hashes(text)
        candidates = hashes[self._filter[_top_bits(hashes)]]
        begin = np.searchsorted(self._hashes, candidates, side="left")
        end = np.searchsorted(self._hashes, candidates, side="right")
        hits = end > begin
        if not hits.any():
            return False
        if np.count_nonzero(hits) > self._share * len(hashes):
            return True
        _, firsts = np.unique(candidates[hits], return_index=True)
        owners = np.concatenate(
            [self._owners[b:e] for b, e in zip(begin[hits][firsts], end[hits][firsts], strict=True)]
        )
        held = np.bincount(owners, minlength=len(self._sizes))
        return bool(np.any(held > self._share * self._sizes))


def window_hashes(text: str) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each window of 32 characters; of the whole text where it is shorter.

    Case is folded and runs of white space count as one space, so that another edition's layout
    does not hide a copy.
    """
    folded = " ".join(text.casefold().split())
    points = np.frombuffer(folded.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    if len(points) <= WINDOW_CHARACTERS:
        points = np.pad(points, (0, WINDOW_CHARACTERS - len(points)))
    pieces = [
        _piece_hashes(points[at : at + _PIECE + WINDOW_CHARACTERS - 1])
        for at in range(0, len(points) - WINDOW_CHARACTERS + 1, _PIECE)
    ]
    return np.concatenate(pieces)


def _piece_hashes(points: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    # A window's polynomial is a difference of two prefix sums, divided by the power at its start;
    # all arithmetic is modulo 2**64, which is what unsigned overflow does.
    count = len(points) - WINDOW_CHARACTERS + 1
    sums = np.zeros(len(points) + 1, dtype=np.uint64)
    np.cumsum(points * _POWERS[: len(points)], out=sums[1:])
    hashes = (sums[WINDOW_CHARACTERS:] - sums[:count]) * _INVERSE_POWERS[:count]
    hashes ^= hashes >> np.uint64(31)  # low bits alone carry little of a polynomial mod 2**64
    hashes *= _MIXER
    return hashes ^ hashes >> np.uint64(29)


def _top_bits(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return (hashes >> np.uint64(64 - _FILTER_BITS)).astype(np.int64)


def _powers(base: int) -> npt.NDArray[np.uint64]:
    factors = np.full(_PIECE + WINDOW_CHARACTERS, base, dtype=np.uint64)
    factors[0] = 1
    return np.cumprod(factors, dtype=np.uint64)


_POWERS = _powers(_BASE)
_INVERSE_POWERS = _powers(_INVERSE)

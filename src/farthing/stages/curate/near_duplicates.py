"""Near-duplicates between held-out text and the rest, by hashed windows of 32 characters.

Every window of every held-out document is hashed; a document that shares more than a stated share
of its windows with them, or that holds more than that share of one held-out document's windows,
counts as a near-duplicate. Exact on all windows: nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from farthing.kernels import windows
from farthing.kernels.key_table import key_table


class NearDuplicates:
    """An index of some texts that says whether another text nearly repeats any of them."""

    def __init__(self, texts: Iterable[str], *, share: float) -> None:
        """Index `texts`; `share` is the largest share of common windows that is let pass."""
        self._share = share
        hashes = [np.unique(window_hashes(text)) for text in texts]
        owners = [np.full(len(h), i, dtype=np.int32) for i, h in enumerate(hashes)]
        all_hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *hashes])
        order = np.argsort(all_hashes, kind="stable")
        keys, begins = np.unique(all_hashes[order], return_index=True)
        self._owners = np.concatenate([np.zeros(0, dtype=np.int32), *owners])[order]
        self._owner_begins = np.append(begins, len(all_hashes))  # [windows + 1], into the owners
        self._sizes = np.array([len(h) for h in hashes], dtype=np.int64)
        self._windows = key_table(keys)

    def repeats(self, text: str) -> bool:
        """Whether `text` nearly repeats an indexed text, or holds one of them."""
        data = _bytes(text)
        return bool(self.which_repeat(data, np.array([0, len(data)], dtype=np.int64))[0])

    def which_repeat(
        self, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """For each text of a batch, `data[offsets[d] : offsets[d + 1]]`, what `repeats` says."""
        known = windows.known_windows(data, offsets, self._windows)
        hits = np.diff(known.ends)
        repeats = hits > self._share * known.counts
        for text in np.flatnonzero((hits > 0) & ~repeats):
            numbers = known.numbers[known.ends[text] : known.ends[text + 1]]
            repeats[text] = self._holds_one(np.unique(numbers))
        return repeats

    def _holds_one(self, numbers: npt.NDArray[np.int64]) -> bool:
        """Whether some windows are too large a share of those of one indexed text."""
        begins, ends = self._owner_begins[numbers], self._owner_begins[numbers + 1]
        counts = ends - begins
        # Counts up from each window's first owner to its last.
        places = np.arange(counts.sum()) + np.repeat(begins - np.cumsum(counts) + counts, counts)
        held = np.bincount(self._owners[places], minlength=len(self._sizes))
        return bool(np.any(held > self._share * self._sizes))


def window_hashes(text: str) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each window of 32 characters; of the whole text where it is shorter.

    Case is folded and runs of white space count as one space, so that another edition's layout
    does not hide a copy.
    """
    return windows.window_hashes(windows.folded_points(_bytes(text)))


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)

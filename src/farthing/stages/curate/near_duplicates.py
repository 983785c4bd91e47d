"""Near-duplicates between held-out text and the rest, by hashed windows of 32 characters.

Every window of every held-out document is hashed; a document that shares more than a stated share
of its windows with them, or that holds more than that share of one held-out document's windows,
counts as a near-duplicate. Exact on all windows: nothing is sampled.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from farthing.kernels import windows
from farthing.kernels.key_table import KeyTable
from farthing.kernels.windows_index import WindowIndex, hash_texts, index_windows
from farthing.text.bpe import flat_texts


class NearDuplicates:
    """An index of some texts that says whether another text nearly repeats any of them."""

    def __init__(self, index: WindowIndex, *, share: float) -> None:
        """Use an index; `share` is the largest share of common windows that is let pass."""
        self._index = index
        self._share = share

    @classmethod
    def of_texts(cls, texts: Iterable[str], *, share: float) -> NearDuplicates:
        """Index `texts`."""
        return cls(index_windows(hash_texts(*flat_texts(texts))), share=share)

    @classmethod
    def open(cls, directory: Path, *, share: float) -> NearDuplicates:
        """Map what `save` has written: processes of one machine share one copy in memory."""
        arrays = {
            name: _mapped(directory / f"{name}.npy")
            for name in (*_TABLE_ARRAYS, *_ARRAYS, _CORES_NAME, _SHIFTS_NAME)
        }
        start_shift, seen_shift, core_shift = arrays.pop(_SHIFTS_NAME)
        keys, starts, seen = (arrays.pop(name) for name in _TABLE_ARRAYS)
        table = KeyTable(keys, starts, start_shift, seen, seen_shift)
        cores = windows.Cores(arrays.pop(_CORES_NAME), core_shift)
        return cls(WindowIndex(table, cores=cores, **arrays), share=share)

    def save(self, directory: Path) -> None:
        """Write the index into `directory`, which is made if it is not there."""
        directory.mkdir(parents=True, exist_ok=True)
        table, cores = self._index.table, self._index.cores
        shifts = [table.start_shift, table.seen_shift, cores.core_shift]
        arrays = {name: getattr(table, name) for name in _TABLE_ARRAYS}
        arrays |= {name: getattr(self._index, name) for name in _ARRAYS}
        arrays[_CORES_NAME] = cores.core_bits
        arrays[_SHIFTS_NAME] = np.array(shifts, dtype=np.uint64)
        for name, array in arrays.items():
            np.save(directory / f"{name}.npy", array, allow_pickle=False)

    def repeats(self, text: str) -> bool:
        """Whether `text` nearly repeats an indexed text, or holds one of them."""
        return bool(self.which_repeat(*flat_texts([text]), np.ones(1, dtype=np.bool_))[0])

    def which_repeat(
        self,
        data: npt.NDArray[np.uint8],
        offsets: npt.NDArray[np.int64],
        asked: npt.NDArray[np.bool_],
    ) -> npt.NDArray[np.bool_]:
        """For each text of a batch, `data[offsets[d] : offsets[d + 1]]`, what `repeats` says.

        Only texts that are `asked` about (bool [D]) are looked at; the others do not repeat.
        """
        known = windows.known_windows(data, offsets, asked, self._index.table, self._index.cores)
        hits = np.diff(known.ends)
        repeats = hits > self._share * known.counts
        for text in np.flatnonzero((hits > 0) & ~repeats):
            numbers = known.numbers[known.ends[text] : known.ends[text + 1]]
            repeats[text] = self._holds_one(np.unique(numbers))
        return repeats

    def _holds_one(self, numbers: npt.NDArray[np.int64]) -> bool:
        """Whether some windows are too large a share of those of one indexed text."""
        begins = self._index.begins[numbers].astype(np.int64)
        ends = self._index.begins[numbers + 1].astype(np.int64)
        counts = ends - begins
        # Counts up from each window's first owner to its last.
        places = np.arange(counts.sum()) + np.repeat(begins - np.cumsum(counts) + counts, counts)
        owners, held = np.unique(self._index.owners[places], return_counts=True)
        return bool(np.any(held > self._share * self._index.sizes[owners]))


_TABLE_ARRAYS = ("keys", "starts", "seen")
_ARRAYS = ("begins", "owners", "sizes")
_CORES_NAME, _SHIFTS_NAME = "cores", "shifts"


def _mapped(path: Path) -> npt.NDArray[Any]:
    # Copy on write rather than read-only, which to the compiled loops would be another type.
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))


def window_hashes(text: str) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each window of 32 characters; of the whole text where it is shorter.

    Case is folded and runs of white space count as one space, so that another edition's layout
    does not hide a copy.
    """
    data = np.frombuffer(text.encode("utf-8"), dtype=np.uint8)
    return windows.window_hashes(windows.folded_points(data))

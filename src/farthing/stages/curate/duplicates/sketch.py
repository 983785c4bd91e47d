"""What is kept of a document's words to find its near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farthing.kernels.minhash import band_keys, hash_family, signatures
from farthing.kernels.words import Words


@dataclass(frozen=True)
class Sketch:
    """MinHash of the documents of a batch, 280 bytes each at 20 bands of 6 rows."""

    keys: npt.NDArray[np.uint64]  # [D, bands], equal where a whole band of two signatures is equal
    low_bytes: npt.NDArray[np.uint8]  # [D, bands * rows], of each value of the signature


def sketch(words: Words, *, bands: int, rows: int) -> Sketch:
    """The sketches of the documents of a batch."""
    signed = signatures(words.hashes, words.firsts, hash_family(bands * rows))
    return Sketch(band_keys(signed, rows), signed.astype(np.uint8))

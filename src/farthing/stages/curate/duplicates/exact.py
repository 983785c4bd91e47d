"""Documents whose texts are equal but for white space and the form of their accents."""

from __future__ import annotations

import hashlib
import unicodedata

import numpy as np
import numpy.typing as npt

from farthing.kernels.white_space import collapsed

DIGEST_BYTES = 16


def text_digests(
    data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint64]:
    """The BLAKE2b digest of each text of a batch, in normal form C, runs of white space as one.

    Args:
        data: uint8, valid UTF-8.
        offsets: int64 [D + 1]; text d is `data[offsets[d] : offsets[d + 1]]`.

    Returns:
        uint64 [D, 2], 128 bits a document: two of 10^12 texts collide with probability 1e-15.
    """
    texts, places, stable = collapsed(data, offsets)
    view = texts.data
    digests = bytearray()
    for begin, end, is_normal in zip(places[:-1], places[1:], stable.tolist(), strict=True):
        text = view[begin:end]
        if not is_normal:
            text = memoryview(unicodedata.normalize("NFC", str(text, "utf-8")).encode("utf-8"))
        digests += hashlib.blake2b(text, digest_size=DIGEST_BYTES).digest()
    return np.frombuffer(bytes(digests), dtype="<u8").reshape(-1, 2)


def first_copies(
    digests: npt.NDArray[np.uint64], documents: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """For each of some documents the first of them with the same text.

    Args:
        digests: uint64 [all documents, 2].
        documents: int64 [D], ascending; which of them take part.

    Returns:
        int64 [D]; the document itself where it is the first.
    """
    chosen = digests[documents]
    order = np.lexsort((chosen[:, 1], chosen[:, 0]))  # stable: equal ones stay in ascending order
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = np.any(chosen[order[1:]] != chosen[order[:-1]], axis=1)
    firsts = np.empty(len(order), dtype=np.int64)
    firsts[order] = documents[order[np.flatnonzero(new)[np.cumsum(new) - 1]]]
    return firsts

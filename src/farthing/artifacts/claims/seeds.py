"""Seeds that nobody could choose: a function of the signed draft and of a later nonce."""

from __future__ import annotations

import hashlib
import hmac

_LARGEST_SEED = (1 << 31) - 1


def derive_seeds(nonce: str, draft: str, count: int) -> tuple[int, ...]:
    """The seeds of a claim, without repetition.

    Seed by seed the first four bytes of HMAC-SHA256(nonce, "farthing seed DRAFT NUMBER"), big
    endian, without the highest bit; NUMBER counts from 0 and skips what was there before.

    Args:
        nonce: hexadecimal, the key.
        draft: digest of the draft's entry.
        count: how many.
    """
    found: list[int] = []
    number = 0
    while len(found) < count:
        message = f"farthing seed {draft} {number}".encode()
        drawn = hmac.digest(bytes.fromhex(nonce), message, hashlib.sha256)
        seed = int.from_bytes(drawn[:4]) & _LARGEST_SEED
        if seed not in found:
            found.append(seed)
        number += 1
    return tuple(found)

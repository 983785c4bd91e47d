"""Merkle trees of RFC 6962, section 2.1: one digest that commits to a list.

A leaf is hashed after the byte 0 and a node after the byte 1, so that no node can be given out as
a leaf. A list of n leaves is split at the largest power of two below n: its length stands in the
form of the tree, and no leaf is ever doubled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_LEAF = b"\x00"
_NODE = b"\x01"


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256 of a leaf as the tree holds it, 32 bytes."""
    return hashlib.sha256(_LEAF + leaf).digest()


def root(leaves: Sequence[bytes]) -> str:
    """The tree's digest in hexadecimal; of no leaves at all it is SHA-256 of nothing."""
    if not leaves:
        return hashlib.sha256(b"").hexdigest()
    return _fold([leaf_hash(leaf) for leaf in leaves])[0].hex()


def _fold(level: list[bytes]) -> list[bytes]:
    while len(level) > 1:
        level = _pairs(level)
    return level


def _pairs(level: list[bytes]) -> list[bytes]:
    """The level above. The lone last one goes up: the same tree as the RFC's, from below."""
    above = [_join(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
    return above + level[len(above) * 2 :]


def _join(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()

"""Merkle trees of RFC 6962, section 2.1: one digest that commits to a list, and proofs of parts.

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


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[str, ...]:
    """The audit path of one leaf: the neighbours from the leaf up to the root, hexadecimal.

    Raises:
        IndexError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    level = [leaf_hash(leaf) for leaf in leaves]
    path: list[str] = []
    while len(level) > 1:
        neighbour = index ^ 1
        # The last of an odd level has none: it goes up as it is.
        if neighbour < len(level):
            path.append(level[neighbour].hex())
        level = _pairs(level)
        index //= 2
    return tuple(path)


def verify_inclusion(
    leaf: bytes, *, index: int, count: int, proof: Sequence[str], root_digest: str
) -> bool:
    """Whether `proof` shows that `leaf` is number `index` of `count` leaves under a root.

    Args:
        leaf: its bytes, not hashed.
        index: from 0.
        count: of the leaves of the whole tree; must be known from a signed statement.
        proof: as `inclusion_proof` gives it.
        root_digest: as `root` gives it.
    """
    if not 0 <= index < count:
        return False
    try:
        neighbours = [_digest(each) for each in proof]
    except ValueError:
        return False
    # RFC 9162, section 2.1.3.2: index and last of the level, halved together.
    node, last = leaf_hash(leaf), count - 1
    for neighbour in neighbours:
        if last == 0:
            return False
        if index % 2 == 1 or index == last:
            node = _join(neighbour, node)
            while index % 2 == 0 and index != 0:
                index, last = index // 2, last // 2
        else:
            node = _join(node, neighbour)
        index, last = index // 2, last // 2
    return last == 0 and node.hex() == root_digest


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


def _digest(text: str) -> bytes:
    raw = bytes.fromhex(text)
    if len(raw) != hashlib.sha256().digest_size or raw.hex() != text:
        raise ValueError("not a digest")
    return raw

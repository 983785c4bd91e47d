"""Canonical bytes and their digests: the same value has the same digest everywhere."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import rfc8785

_CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """RFC 8785 bytes of a JSON value: sorted keys, no spaces, shortest numbers.

    Raises:
        rfc8785.CanonicalizationError: for NaN, infinities, or integers beyond 2**53 - 1.
    """
    return rfc8785.dumps(value)


def sha256_hex(data: bytes) -> str:
    """SHA-256 of bytes, in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """SHA-256 of the canonical bytes of a JSON value."""
    return sha256_hex(canonical_json(value))


def digest_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            state.update(chunk)
    return state.hexdigest()

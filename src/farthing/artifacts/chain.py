r"""The signed, hash-chained file that the book and every run journal are written in.

One entry per line, one line per entry:

    {"body":{...},"key":"<sha256 of the public key>","kind":"run.start","n":3,
     "prev":"<sha256 of the line before>","sig":"<Ed25519, hex>","time":"2026-01-01T00:00:00Z"}\n

The line is RFC 8785 canonical JSON; the signature covers the canonical JSON of all the rest; `prev`
covers the whole previous line, signature and newline included. A reader writes every line again
and compares the bytes, so no second spelling of the same entry exists and any changed byte shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from farthing.artifacts.canonical import canonical_json, sha256_hex
from farthing.errors import BookError

NOTHING_BEFORE = "0" * 64

_FIELDS = {"body", "key", "kind", "n", "prev", "sig", "time"}
# RFC 8785 writes a float of 2**53 and above without exponent up to 1e21; JSON readers take it for
# an integer, which the canonical form refuses at this size. Such numbers were floats.
_LARGEST_INTEGER = 2**53 - 1
_RESTORE = "restore the file from a copy; what was changed cannot be trusted"

# The head is kept per book, and a copied workspace holds the same book.
_RESTORE_OR_COPY = (
    "restore the file from a copy, what is missing or changed is part of the bill; or, if two "
    "copies of this workspace were both written on this machine: keep one of them, or give the "
    "other a FARTHING_HOME of its own that holds a copy of the signing key and no heads"
)
_WHOLE_BUT_FOR_ITS_NEWLINE = (
    "restore the file from a copy; if nothing but its last newline is missing, put that back"
)

_OTHER_KEY = (
    "write with the key that began this file (set FARTHING_HOME to its folder), or restore a copy"
)


@dataclass(frozen=True)
class Head:
    """How far a chain reaches: the number of entries and the digest of the last line."""

    count: int
    digest: str


@dataclass(frozen=True)
class Entry:
    """One verified line.

    Attributes:
        number: position in the file, from 0.
        time: UTC, ISO 8601, by the writer's clock.
        kind: which body it holds.
        body: plain JSON values.
        digest: SHA-256 of the whole line.
        end: offset of the byte after the line.
    """

    number: int
    time: str
    kind: str
    body: dict[str, Any]
    digest: str
    end: int

    @property
    def head(self) -> Head:
        """The head of the chain that ends with this entry."""
        return Head(count=self.number + 1, digest=self.digest)


@dataclass(frozen=True)
class Signer:
    """An Ed25519 key that signs entries."""

    private: Ed25519PrivateKey

    @cached_property
    def public(self) -> bytes:
        """The raw public key, 32 bytes."""
        return self.private.public_key().public_bytes_raw()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the raw public key, as entries name it."""
        return sha256_hex(self.public)


@dataclass(frozen=True)
class ChainFile:
    """A chain on disk and what must be known to check it.

    Attributes:
        path: the file.
        first_prev: what the first line continues: `NOTHING_BEFORE`, or the run.start entry.
        public_key: raw public key, or None to take it from the body of the first entry (genesis).
        torn_tail: True to stop in silence at a last line that is the beginning of an entry only,
            as a crash leaves it, or as a reader sees it whom a writer has overtaken.
    """

    path: Path
    first_prev: str = NOTHING_BEFORE
    public_key: bytes | None = None
    torn_tail: bool = False

    @property
    def cut_remedy(self) -> str:
        """What to do when a recorded head is not there; only books are copied with their heads."""
        return _RESTORE_OR_COPY if self.first_prev == NOTHING_BEFORE else _RESTORE


def seal(signer: Signer, head: Head, kind: str, body: dict[str, Any], time: str) -> bytes:
    """The line that follows `head`, signed, with its newline."""
    content = {
        "body": body,
        "key": signer.fingerprint,
        "kind": kind,
        "n": head.count,
        "prev": head.digest,
        "time": time,
    }
    unsigned = canonical_json(content)
    signature = signer.private.sign(unsigned).hex()
    # The canonical form sorts keys, so the signature stands before the last of them. To write all
    # of it a second time would be most of what an entry costs.
    last = b',"time":' + canonical_json(time) + b"}"
    assert unsigned.endswith(last), "time is the last key"
    return unsigned.removesuffix(last) + f',"sig":"{signature}"'.encode() + last + b"\n"


def utc_now() -> str:
    """The present moment as entries write it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def walk(
    chain: ChainFile, *, known: Head | None = None, after: Head | None = None, offset: int = 0
) -> Iterator[Entry]:
    """Read and verify a chain entry by entry.

    Args:
        chain: the file and the key.
        known: a head that the file must contain, to detect a cut tail.
        after: the head already verified when reading goes on from the middle.
        offset: where that head ends, in bytes.

    Raises:
        BookError: naming file, line, kind, what failed and the remedy.
    """
    head = after or Head(count=0, digest=chain.first_prev)
    public_key = chain.public_key
    with chain.path.open("rb") as file:
        file.seek(offset)
        for line in _lines(file, chain, head):
            entry, public_key = _verify(chain, line, head, public_key, offset)
            head, offset = entry.head, entry.end
            if known is not None and head.count == known.count and head.digest != known.digest:
                failure = "differs from the recorded head"
                raise _broken(chain.path, head.count - 1, entry.kind, failure, chain.cut_remedy)
            yield entry
    if known is not None and head.count < known.count:
        raise BookError(
            f"{chain.path} ends after entry {head.count}, but {known.count} were recorded: "
            f"the last {known.count - head.count} were cut off (after line {head.count})",
            remedy=chain.cut_remedy,
        )


def _lines(file: IO[bytes], chain: ChainFile, head: Head) -> Iterator[bytes]:
    number = head.count
    for line in file:
        if not line.endswith(b"\n"):
            if chain.torn_tail and not _holds_an_entry(line):
                return
            failure, kind = "no newline ends the last line", _guess_kind(line)
            raise _broken(chain.path, number, kind, failure, _WHOLE_BUT_FOR_ITS_NEWLINE)
        yield line
        number += 1


def _holds_an_entry(torn: bytes) -> bool:
    """Whether a line without newline begins with a whole entry: a cut write holds only a part."""
    try:
        json.JSONDecoder().raw_decode(torn.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return True


def _verify(
    chain: ChainFile, line: bytes, head: Head, public_key: bytes | None, offset: int
) -> tuple[Entry, bytes]:
    number = head.count
    value = _parse(line)
    if value is None:
        raise _broken(chain.path, number, _guess_kind(line), "the line is not canonical JSON")
    kind = value["kind"]
    if value["n"] != number:
        failure = f"the number is {value['n']}, expected {number}"
        raise _broken(chain.path, number, kind, failure)
    if value["prev"] != head.digest:
        raise _broken(chain.path, number, kind, "the hash link to the line before does not hold")
    public_key = public_key or _genesis_key(value)
    signature = value.pop("sig")
    if public_key is None or value["key"] != sha256_hex(public_key):
        raise _broken(chain.path, number, kind, "signed by another key", _OTHER_KEY)
    if not _signature_holds(public_key, signature, canonical_json(value)):
        raise _broken(chain.path, number, kind, "the signature does not hold")
    entry = Entry(
        number=number,
        time=value["time"],
        kind=kind,
        body=value["body"],
        digest=sha256_hex(line),
        end=offset + len(line),
    )
    return entry, public_key


def _parse(line: bytes) -> dict[str, Any] | None:
    """The entry's fields, or None unless writing them again gives the same bytes."""
    try:
        value = json.loads(line.decode("utf-8"), parse_int=_integer)
        if canonical_json(value) + b"\n" != line:
            return None
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or set(value) != _FIELDS or not isinstance(value["body"], dict):
        return None
    texts = (value["kind"], value["prev"], value["key"], value["sig"], value["time"])
    return value if all(isinstance(text, str) for text in texts) else None


def _integer(text: str) -> int | float:
    number = int(text)
    return number if abs(number) <= _LARGEST_INTEGER else float(text)


def _genesis_key(value: dict[str, Any]) -> bytes | None:
    try:
        return bytes.fromhex(value["body"].get("public_key", ""))
    except (TypeError, ValueError):
        return None


def _signature_holds(public_key: bytes, signature: str, content: bytes) -> bool:
    try:
        raw = bytes.fromhex(signature)
        # fromhex takes capitals and spaces; the file has one spelling only.
        if raw.hex() != signature:
            return False
        Ed25519PublicKey.from_public_bytes(public_key).verify(raw, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _guess_kind(line: bytes) -> str:
    """The kind that a broken line seems to have had."""
    _, found, rest = line.partition(b'"kind":"')
    name = rest.partition(b'"')[0].decode("ascii", "replace")
    return name if found and len(name) < 30 else "unreadable"


def _broken(path: Path, number: int, kind: str, failure: str, remedy: str = _RESTORE) -> BookError:
    what = f"{path}, line {number + 1} (entry {number}, {kind}): {failure}"
    return BookError(what, remedy=remedy)

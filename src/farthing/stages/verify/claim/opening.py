"""Level 0, the file: its form, its signature, and that every file in it is the one that was signed.

What fails here ends the verification: nothing can be said about a file that is not what its
signature covers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.claims.archive import MOST_CLAIM_BYTES, MOST_FILES, Bundle, open_bundle
from farthing.artifacts.claims.dsse import open_statement
from farthing.artifacts.claims.names import BOOK_NAME, CLAIM_NAME
from farthing.artifacts.claims.predicate import read_predicate
from farthing.artifacts.claims.statement import CLAIM_TYPE, Claim, Statement
from farthing.artifacts.claims.strict_json import parse_strict
from farthing.errors import ClaimError

_KEY_BYTES = 32
_MOST_REVOKED_BYTES = 16 << 20
_ONE_A_LINE = "give one fingerprint a line"
_DAMAGED = "ask the claimant for the file as it was made; nothing can be said about this one"


@dataclass(frozen=True)
class OpenedClaim:
    """A claim whose form, signature and files hold.

    Attributes:
        bundle: open, its files compared with the signed list.
        claim: what it says.
        statement: that holds it, with its subjects.
        digest: of its statement.
        public_key: of the book and of the claim.
    """

    bundle: Bundle
    claim: Claim
    statement: Statement
    digest: str
    public_key: bytes

    @property
    def fingerprint(self) -> str:
        """Of the key."""
        return sha256_hex(self.public_key)


@contextmanager
def open_claim(path: Path) -> Iterator[OpenedClaim]:
    """Open a claim's bundle.

    Args:
        path: of the file; nothing in it is executed or written anywhere.

    Raises:
        ClaimError: it is no canonical bundle, too large, of a newer version, signed by another key
            than its book, or a file in it is not the one that was signed.
    """
    with open_bundle(
        path,
        statement_name=CLAIM_NAME,
        most_bytes=MOST_CLAIM_BYTES,
        most_files=MOST_FILES,
    ) as bundle:
        public_key = _key_of_book(bundle)
        opened = open_statement(
            bundle.statement_bytes, predicate_type=CLAIM_TYPE, public_key=public_key
        )
        claim = read_predicate(Claim, opened.statement.predicate, name=CLAIM_NAME, damaged=_DAMAGED)
        bundle.check(claim.files)
        yield OpenedClaim(bundle, claim, opened.statement, opened.payload_digest, public_key)


def read_revoked(path: Path) -> frozenset[str]:
    """Fingerprints of keys that are not to be believed: one a line, `#` begins a comment.

    Raises:
        ClaimError: a line that is no fingerprint, or a file too large to be such a list.
    """
    if path.stat().st_size > _MOST_REVOKED_BYTES:
        raise ClaimError(f"{path} is too large for a list of keys", remedy=_ONE_A_LINE)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ClaimError(f"{path} is no text in UTF-8: {error}", remedy=_ONE_A_LINE) from error
    found = set()
    for number, text in enumerate(lines, start=1):
        word = text.partition("#")[0].strip().lower()
        if not word:
            continue
        if len(word) != 2 * _KEY_BYTES or set(word) - set("0123456789abcdef"):
            raise ClaimError(
                f"{path}, line {number}: {word[:80]!r} is no fingerprint",
                remedy="give the SHA-256 of a public key, as `farthing verify` prints it",
            )
        found.add(word)
    return frozenset(found)


def _key_of_book(bundle: Bundle) -> bytes:
    """The key in the first entry of the book, which must have signed the claim too."""
    line = next(iter(bundle.lines(BOOK_NAME)), b"")
    value = parse_strict(line)
    body = value.get("body") if isinstance(value, dict) else None
    text = body.get("public_key") if isinstance(body, dict) else None
    try:
        key = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise ClaimError(
            f"{BOOK_NAME}, line 1: the book's first entry names no public key", remedy=_DAMAGED
        )
    return key

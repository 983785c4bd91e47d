"""Level 1, anchors: what somebody outside of the book says about when an entry was there.

A tag of git is looked for in the repository by whoever reads the claim. A time stamp (RFC 3161) is
checked here, against certificates that the verifier trusts and no claimant hands over.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime

from farthing.artifacts.claims.anchors import check_token
from farthing.artifacts.claims.entries import Anchor
from farthing.errors import ClaimError
from farthing.stages.verify.claim.book import ClaimBook, Placed
from farthing.stages.verify.finding import Finding

_CHECK = "anchors"
# By which a claimant's clock may be wrong where nothing sets it.
_CLOCK_SECONDS = 3600.0


def check_anchors(book: ClaimBook, draft_at: Placed, roots: bytes | None) -> Iterator[Finding]:
    """Every anchor of the book, and whether the draft has one.

    Args:
        book: of the claim.
        draft_at: where its draft stands.
        roots: certificates in PEM of the authorities that the verifier trusts; None for no stamp.

    Raises:
        ConfigError: `roots` holds no certificate.
        MissingExtraError: `roots` is given, and what reads stamps is not installed.
    """
    numbers = {record.entry.digest: record.entry.number for record in book.records}
    anchored = False
    for place, anchor in book.of_kind(Anchor):
        if numbers.get(anchor.of, place.number) >= place.number:
            yield _finding(place, "anchors no entry that stands before it", ok=False)
            continue
        anchored |= anchor.of == draft_at.digest
        told = f"entry {numbers[anchor.of]}"
        if anchor.how == "git-tag":
            detail = (
                f"{told}: the claimant names the git tag {anchor.detail[:200]}: ask others for it, "
                f"it must say sha256:{anchor.of}"
            )
            yield _finding(place, detail)
        else:
            yield _stamp(place, anchor, told, roots)
    if not anchored:
        yield _finding(draft_at, "the draft has none: when it was written, its own clock says")


def _stamp(place: Placed, anchor: Anchor, told: str, roots: bytes | None) -> Finding:
    if roots is None:
        detail = (
            f"{told}: a time stamp that nobody has checked; give the certificates that you trust "
            "with --timestamp-roots"
        )
        return _finding(place, detail)
    try:
        token = base64.b64decode(anchor.detail, validate=True)
        stamp = check_token(token, digest=anchor.of, roots=roots)
    except binascii.Error as error:
        return _finding(place, f"{told}: the time stamp is no base64 ({error})", ok=False)
    except ClaimError as error:
        return _finding(place, f"{told}: {error.what}", ok=False)
    detail = f"{told}: there at {stamp.time:%Y-%m-%d %H:%M:%S} UTC, says {stamp.authority}"
    try:
        early = (stamp.time - datetime.fromisoformat(place.time)).total_seconds()
    except (TypeError, ValueError):
        return _finding(
            place, f"{detail}; the entry that holds the stamp has no UTC time", ok=False
        )
    if early > _CLOCK_SECONDS:
        detail += f"; the entry that holds the stamp says {place.time}: the book's clock is wrong"
    return _finding(place, detail, ok=early <= _CLOCK_SECONDS)


def _finding(place: Placed, detail: str, *, ok: bool = True) -> Finding:
    return Finding(_CHECK, ok, place.line, detail, 1)

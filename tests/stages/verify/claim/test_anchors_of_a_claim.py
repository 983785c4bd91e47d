"""What a verifier makes of the anchors of a book: tags told, time stamps checked."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from farthing.artifacts.chain import Entry
from farthing.artifacts.claims.anchors import token_of_reply
from farthing.artifacts.claims.entries import Anchor
from farthing.artifacts.entries import Event, Record
from farthing.errors import ConfigError
from farthing.stages.verify.claim.anchoring import check_anchors
from farthing.stages.verify.claim.book import ClaimBook, Placed

STAMPS = Path(__file__).parents[3] / "artifacts" / "claims" / "stamps"
ROOT = (STAMPS / "root.pem").read_bytes()
# What the stored token stamps, in November 2026.
DIGEST = hashlib.sha256(b"farthing").hexdigest()
DRAFT = Placed(1, DIGEST, "2026-11-22T20:00:00Z")


@pytest.fixture
def token():
    pytest.importorskip("rfc3161_client")
    return base64.b64encode(
        token_of_reply((STAMPS / "granted.tsr").read_bytes(), digest=DIGEST)
    ).decode()


def _found(anchor, roots=None, *, time="2026-11-22T21:30:00.000Z", draft=DRAFT):
    """Of a book whose entry 1 has the stamped digest, and whose entry 2 is the anchor."""
    bodies = [Event(run=None, event="x", detail="x"), Event(run=None, event="x", detail="x")]
    bodies += [anchor] if anchor else []
    records = [
        Record(
            Entry(number, time, body.kind_name, {}, DIGEST if number == 1 else f"{number}" * 64, 0),
            body,
        )
        for number, body in enumerate(bodies)
    ]
    found = list(check_anchors(ClaimBook(records, {}), draft, roots))
    assert {each.level for each in found} == {1}
    return [(each.ok, f"{each.where}: {each.detail}") for each in found]


def test_a_draft_without_an_anchor_is_told_and_no_fault():
    ((ok, said),) = _found(None)
    assert ok
    assert "the draft has none" in said


def test_a_tag_is_told_with_what_it_must_say():
    ((ok, said),) = _found(Anchor(of=DIGEST, how="git-tag", detail="claim-1 abc"))
    assert ok
    assert "book.jsonl, line 3: entry 1" in said
    assert f"sha256:{DIGEST}" in said


def test_a_stamp_is_checked_against_what_the_verifier_trusts(token):
    anchor = Anchor(of=DIGEST, how="rfc3161", detail=token)
    assert _found(anchor) == [
        (
            True,
            "book.jsonl, line 3: entry 1: a time stamp that nobody has checked; give the "
            "certificates that you trust with --timestamp-roots",
        )
    ]
    ((ok, said),) = _found(anchor, ROOT)
    assert ok
    assert "there at 2026-11-22 21:24:06 UTC, says CN=authority" in said
    ((ok, said),) = _found(anchor, (STAMPS / "stranger.pem").read_bytes())
    assert not ok
    assert "signature does not hold" in said
    with pytest.raises(ConfigError, match="PEM"):
        _found(anchor, b"no certificate")


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ("2020-01-01T00:00:00.000Z", "the book's clock is wrong"),
        ("yesterday", "no UTC time"),
        ("2026-11-22T21:30:00", "no UTC time"),
    ],
)
def test_a_book_that_is_older_than_its_stamp_is_backdated(token, time, words):
    ((ok, said),) = _found(Anchor(of=DIGEST, how="rfc3161", detail=token), ROOT, time=time)
    assert not ok
    assert words in said


def test_an_anchor_of_nothing_before_it_is_wrong():
    found = _found(Anchor(of="e" * 64, how="git-tag", detail="claim-1 abc"))
    assert [ok for ok, _ in found] == [False, True]
    assert "anchors no entry" in found[0][1]


@pytest.mark.parametrize("detail", ["no base64!", "AAAA"])
def test_a_stamp_that_is_none_is_wrong(detail):
    pytest.importorskip("rfc3161_client")
    found = _found(Anchor(of=DIGEST, how="rfc3161", detail=detail), ROOT)
    assert [ok for ok, _ in found] == [False]

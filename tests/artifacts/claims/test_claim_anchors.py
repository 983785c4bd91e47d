"""Time stamps of RFC 3161, of an authority made by `openssl ts` and stored; texts of git tags.

openssl ts -query -digest $(printf farthing | sha256sum | cut -c-64) -sha256 -no_nonce -cert
openssl ts -reply -config tsa.cnf -queryfile request.tsq -out granted.tsr
"""

from __future__ import annotations

import builtins
import hashlib
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from farthing.artifacts.claims.anchors import (
    check_token,
    git_tag_message,
    tagged_digest,
    timestamp_request,
    token_of_reply,
)
from farthing.errors import ClaimError, ConfigError, MissingExtraError

STAMPS = Path(__file__).parent / "stamps"
GRANTED = (STAMPS / "granted.tsr").read_bytes()
ROOT = (STAMPS / "root.pem").read_bytes()
DIGEST = hashlib.sha256(b"farthing").hexdigest()
OTHER = hashlib.sha256(b"penny").hexdigest()


@pytest.fixture
def token() -> bytes:
    pytest.importorskip("rfc3161_client")
    return token_of_reply(GRANTED, digest=DIGEST)


def test_the_request_is_the_one_that_the_package_makes():
    client = pytest.importorskip("rfc3161_client")
    theirs = client.TimestampRequestBuilder(
        data=b"farthing", hash_algorithm=client.HashAlgorithm.SHA256, nonce=False, cert_req=True
    ).build()
    assert timestamp_request(DIGEST) == theirs.as_bytes()


def test_a_granted_stamp_says_when_and_who(token):
    stamp = check_token(token, digest=DIGEST, roots=ROOT)
    assert stamp.time == datetime(2026, 11, 22, 21, 24, 6, tzinfo=UTC)
    assert stamp.authority == "CN=authority,O=farthing tests"
    assert token in GRANTED


def test_another_digest_is_not_stamped(token):
    with pytest.raises(ClaimError, match="another digest"):
        token_of_reply(GRANTED, digest=OTHER)
    with pytest.raises(ClaimError, match="another digest"):
        check_token(token, digest=OTHER, roots=ROOT)


def test_a_stamp_of_another_hash_is_another_digest():
    pytest.importorskip("rfc3161_client")
    reply = (STAMPS / "sha512.tsr").read_bytes()
    for digest in (DIGEST, hashlib.sha512(b"farthing").hexdigest()):
        with pytest.raises(ClaimError, match="another digest"):
            token_of_reply(reply, digest=digest)


def test_a_refusal_is_no_stamp():
    pytest.importorskip("rfc3161_client")
    with pytest.raises(ClaimError, match=r"not grant it.*not supported"):
        token_of_reply((STAMPS / "rejected.tsr").read_bytes(), digest=DIGEST)


def test_an_authority_that_the_reader_does_not_trust_is_refused(token):
    with pytest.raises(ClaimError, match="signature"):
        check_token(token, digest=DIGEST, roots=(STAMPS / "stranger.pem").read_bytes())
    for roots in (b"", b"no certificate"):
        with pytest.raises(ConfigError, match="PEM"):
            check_token(token, digest=DIGEST, roots=roots)


def test_every_changed_byte_of_what_is_signed_is_refused(token):
    """The token carries certificates besides: a change of the root's copy changes nothing."""
    place = token.index(bytes.fromhex(DIGEST))
    for at in range(place - 30, place + 60):
        changed = bytearray(token)
        changed[at] ^= 1
        with pytest.raises(ClaimError):
            check_token(bytes(changed), digest=DIGEST, roots=ROOT)


@pytest.mark.parametrize(
    "reply",
    [b"", b"x", bytes(100), GRANTED[:-1], b"\x30\x84\xff\xff\xff\xff", bytes(2 << 20)],
    ids=["nothing", "a letter", "zeros", "cut off", "a length beyond it", "two megabytes"],
)
def test_what_is_no_reply_is_refused(reply):
    pytest.importorskip("rfc3161_client")
    with pytest.raises(ClaimError):
        token_of_reply(reply, digest=DIGEST)
    with pytest.raises(ClaimError):
        check_token(reply, digest=DIGEST, roots=ROOT)


def test_without_the_package_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *others, **more):
        if name.startswith("rfc3161_client"):
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert len(timestamp_request(DIGEST)) == 59
    with pytest.raises(MissingExtraError, match=r"farthing\[anchors\]"):
        token_of_reply(GRANTED, digest=DIGEST)


def test_a_tag_of_git_holds_the_digest(tmp_path):
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-C", str(tmp_path)]
    for words in (
        ["init", "--quiet"],
        ["commit", "--quiet", "--allow-empty", "-m", "x"],
        ["tag", "--annotate", "claim-1", "-m", git_tag_message(DIGEST)],
    ):
        subprocess.run([*git, *words], check=True, capture_output=True)
    shown = subprocess.run(
        [*git, "cat-file", "tag", "claim-1"], check=True, capture_output=True, text=True
    )
    assert tagged_digest(shown.stdout) == DIGEST


@pytest.mark.parametrize(
    "message",
    [
        "",
        f"entry sha256:{DIGEST[:-1]}",
        f"entry sha256:{DIGEST}0",
        f"no entry sha256:{DIGEST}",
        git_tag_message(DIGEST) + git_tag_message(OTHER),
    ],
    ids=["empty", "short", "long", "within a line", "two"],
)
def test_other_messages_hold_none(message):
    assert tagged_digest(message) is None

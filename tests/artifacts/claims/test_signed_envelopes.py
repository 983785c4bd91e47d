"""DSSE envelopes: against the standard's own tool, and against everybody who changes something."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from farthing.artifacts.canonical import canonical_json
from farthing.artifacts.chain import Signer
from farthing.artifacts.claims.dsse import open_statement, payload_digest, sign_statement
from farthing.artifacts.claims.statement import ANSWER_TYPE, CLAIM_TYPE, STATEMENT_TYPE
from farthing.errors import ClaimError

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
STATEMENT = {
    "_type": STATEMENT_TYPE,
    "subject": [{"name": "book", "digest": {"sha256": "ab" * 32}}],
    "predicateType": CLAIM_TYPE,
    "predicate": {"flops": 1.25e17, "cost": 0.1, "what": "é", "nothing": None, "seeds": [1, 2]},
}


def opened(envelope: bytes, key: bytes = SIGNER.public, predicate_type: str = CLAIM_TYPE):
    return open_statement(envelope, predicate_type=predicate_type, public_key=key)


def resealed(
    payload: bytes, *, signer: Signer = SIGNER, kind: str = "application/vnd.in-toto+json"
) -> bytes:
    """An envelope around any payload, signed as the standard says."""
    content = b" ".join(
        [b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload]
    )
    return (
        canonical_json(
            {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": kind,
                "signatures": [
                    {
                        "keyid": hashlib.sha256(signer.public).hexdigest(),
                        "sig": base64.b64encode(signer.private.sign(content)).decode(),
                    }
                ],
            }
        )
        + b"\n"
    )


def test_the_statement_comes_back_with_its_digest_and_key():
    envelope = sign_statement(SIGNER, STATEMENT)
    found = opened(envelope)
    payload = base64.b64decode(json.loads(envelope)["payload"])
    assert json.loads(payload) == STATEMENT
    assert found.payload_digest == hashlib.sha256(payload).hexdigest() == payload_digest(envelope)
    assert found.public_key == SIGNER.public
    assert found.statement.predicate == STATEMENT["predicate"]
    assert found.statement.subject[0].digest == {"sha256": "ab" * 32}
    assert envelope == resealed(payload)


def test_the_standards_own_tool_verifies_it():
    pytest.importorskip("securesystemslib")
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    def key(signer: Signer) -> SSlibKey:
        public = signer.private.public_key()
        return SSlibKey.from_crypto(public, keyid=signer.fingerprint)

    envelope = Envelope.from_dict(json.loads(sign_statement(SIGNER, STATEMENT)))
    assert envelope.payload_type == "application/vnd.in-toto+json"
    assert set(envelope.verify([key(SIGNER)], threshold=1)) == {SIGNER.fingerprint}
    with pytest.raises(VerificationError):
        envelope.verify([key(OTHER)], threshold=1)
    envelope.payload += b" "
    with pytest.raises(VerificationError):
        envelope.verify([key(SIGNER)], threshold=1)


def test_what_that_tool_signs_is_read():
    pytest.importorskip("securesystemslib")
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    theirs = Envelope(canonical_json(STATEMENT), "application/vnd.in-toto+json", {})
    public = SIGNER.private.public_key()
    from securesystemslib.signer import SSlibKey

    theirs.sign(
        CryptoSigner(SIGNER.private, SSlibKey.from_crypto(public, keyid=SIGNER.fingerprint))
    )
    assert opened(canonical_json(theirs.to_dict()) + b"\n").statement.predicateType == CLAIM_TYPE


def test_every_flipped_bit_is_refused():
    envelope = sign_statement(SIGNER, STATEMENT)
    for place in range(len(envelope)):
        for bit in range(8):
            changed = bytearray(envelope)
            changed[place] ^= 1 << bit
            with pytest.raises(ClaimError):
                opened(bytes(changed))


def test_every_shorter_envelope_is_refused():
    envelope = sign_statement(SIGNER, STATEMENT)
    for length in range(len(envelope)):
        with pytest.raises(ClaimError):
            opened(envelope[:length])


def test_another_key_is_refused_and_so_is_its_name_on_this_ones_signature():
    envelope = sign_statement(SIGNER, STATEMENT)
    with pytest.raises(ClaimError, match="signed by the key"):
        opened(envelope, key=OTHER.public)
    renamed = json.loads(envelope)
    renamed["signatures"][0]["keyid"] = OTHER.fingerprint
    with pytest.raises(ClaimError, match="signature does not hold"):
        opened(canonical_json(renamed) + b"\n", key=OTHER.public)
    with pytest.raises(ClaimError):
        opened(envelope, key=b"short")


def test_the_statement_must_be_what_the_reader_expects_and_a_newer_one_is_named():
    envelope = sign_statement(SIGNER, STATEMENT)
    with pytest.raises(ClaimError, match=r"urn:farthing:claim:v1.*expected.*answer"):
        opened(envelope, predicate_type=ANSWER_TYPE)
    newer = sign_statement(SIGNER, STATEMENT | {"predicateType": "urn:farthing:claim:v2"})
    with pytest.raises(ClaimError, match="newer farthing"):
        opened(newer)


ENVELOPES = {
    "not an object": lambda e: [e],
    "a field more": lambda e: e | {"more": 1},
    "no payload": lambda e: {key: e[key] for key in e if key != "payload"},
    "no signature": lambda e: e | {"signatures": []},
    "a signature twice": lambda e: e | {"signatures": e["signatures"] * 2},
    "another signature beside": lambda e: (
        e | {"signatures": [*e["signatures"], {"keyid": OTHER.fingerprint, "sig": "AAAA"}]}
    ),
    "a certificate beside the signature": lambda e: (
        e | {"signatures": [e["signatures"][0] | {"cert": "x"}]}
    ),
    "another type of payload": lambda e: e | {"payloadType": "application/json"},
    "payload in another alphabet": lambda e: (
        e | {"payload": e["payload"].replace("=", "") + "-_=="}
    ),
    "payload with a line break": lambda e: (
        e | {"payload": e["payload"][:8] + "\n" + e["payload"][8:]}
    ),
    "payload a number": lambda e: e | {"payload": 1},
    "no payload inside": lambda e: e | {"payload": ""},
    "an empty signature": lambda e: e | {"signatures": [e["signatures"][0] | {"sig": ""}]},
    "a longer signature": lambda e: (
        e | {"signatures": [e["signatures"][0] | {"sig": base64.b64encode(bytes(65)).decode()}]}
    ),
}


@pytest.mark.parametrize("change", ENVELOPES.values(), ids=ENVELOPES.keys())
def test_another_envelope_is_refused(change):
    envelope = change(json.loads(sign_statement(SIGNER, STATEMENT)))
    with pytest.raises(ClaimError):
        opened(canonical_json(envelope) + b"\n")


def test_spare_bits_of_base64_make_no_second_spelling():
    envelope = json.loads(sign_statement(SIGNER, STATEMENT))
    signature = envelope["signatures"][0]["sig"]
    assert signature.endswith("==")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = signature[:-3] + alphabet[alphabet.index(signature[-3]) ^ 1] + "=="
    assert base64.b64decode(other) == base64.b64decode(signature)
    envelope["signatures"][0]["sig"] = other
    with pytest.raises(ClaimError, match="base64"):
        opened(canonical_json(envelope) + b"\n")


PAYLOADS = {
    "no JSON": b"farthing",
    "another spelling": b" " + canonical_json(STATEMENT),
    "a key twice": canonical_json(STATEMENT)[:-1] + b',"_type":"https://in-toto.io/Statement/v1"}',
    "NaN": canonical_json(STATEMENT).replace(b"0.1", b"NaN"),
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "another standard": canonical_json(STATEMENT | {"_type": "https://in-toto.io/Statement/v0.1"}),
    "a field more": canonical_json(STATEMENT | {"more": 1}),
    "no predicate": canonical_json(
        {key: STATEMENT[key] for key in STATEMENT if key != "predicate"}
    ),
    "a subject of another digest": canonical_json(
        STATEMENT | {"subject": [{"name": "x", "digest": {"md5": "ab" * 16}}]}
    ),
    "a list": canonical_json([STATEMENT]),
    "nothing": b"",
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_true_signature_under_another_text_does_not_help(payload):
    with pytest.raises(ClaimError):
        opened(resealed(payload))


def test_the_signature_covers_the_type_of_the_payload():
    payload = canonical_json(STATEMENT)
    other = json.loads(resealed(payload, kind="application/json"))
    other["payloadType"] = "application/vnd.in-toto+json"
    with pytest.raises(ClaimError, match="signature does not hold"):
        opened(canonical_json(other) + b"\n")


@pytest.mark.parametrize(
    "changed", [{"_type": "x"}, {"more": 1}, {"predicate": {"x": float("nan")}}], ids=str
)
def test_nothing_but_a_statement_is_signed(changed):
    with pytest.raises(ValueError):  # noqa: PT011 - two libraries' own
        sign_statement(SIGNER, STATEMENT | changed)


def test_the_key_is_ed25519_as_the_book_has_it():
    envelope = json.loads(sign_statement(SIGNER, STATEMENT))
    payload = base64.b64decode(envelope["payload"])
    content = b"DSSEv1 28 application/vnd.in-toto+json %d %b" % (len(payload), payload)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    Ed25519PublicKey.from_public_bytes(SIGNER.public).verify(signature, content)

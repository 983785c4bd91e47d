r"""Signed envelopes that standard tools read: DSSE around an in-toto statement.

    {"payload":"<base64>","payloadType":"application/vnd.in-toto+json",
     "signatures":[{"keyid":"<sha256 of the public key>","sig":"<base64>"}]}\n

https://github.com/secure-systems-lab/dsse: what is signed is the type and the payload, each with
its length. The payload is the canonical JSON of the statement and the envelope that of these
fields, so there is one spelling of both.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from farthing.artifacts.canonical import canonical_json, sha256_hex
from farthing.artifacts.chain import Signer
from farthing.artifacts.claims.statement import Statement
from farthing.artifacts.claims.strict_json import parse_strict
from farthing.errors import ClaimError

PAYLOAD_TYPE = "application/vnd.in-toto+json"

_RESTORE = "ask the sender for the file as it was signed; what was changed cannot be trusted"


def _base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"no base64: {error}") from error
    # Spare bits at the end would make a second spelling.
    if base64.b64encode(raw).decode() != text:
        raise ValueError("base64 with another spelling than its own")
    return raw


def _only_base64(text: str) -> str:
    _base64(text)
    return text


_Base64 = Annotated[str, AfterValidator(_only_base64)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Signature(_Part):
    keyid: str
    sig: _Base64


class _Envelope(_Part):
    payload: _Base64
    payload_type: Literal["application/vnd.in-toto+json"] = Field(alias="payloadType")
    signatures: list[_Signature] = Field(min_length=1, max_length=1)


@dataclass(frozen=True)
class Opened:
    """A statement whose signature holds.

    Attributes:
        payload_digest: SHA-256 of the payload: the statement's name elsewhere.
        statement: its parts but the predicate, which the caller validates.
        public_key: that signed it, raw.
    """

    payload_digest: str
    statement: Statement
    public_key: bytes


def sign_statement(signer: Signer, statement: dict[str, Any]) -> bytes:
    """The envelope of a statement, one line with its newline.

    Args:
        signer: whose key signs.
        statement: JSON values, as `Statement` describes them.

    Raises:
        ValueError: it is no in-toto statement, or holds a value without canonical form.
    """
    Statement.model_validate(statement)
    payload = canonical_json(statement)
    signature = signer.private.sign(_signed_bytes(payload))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [
            {"keyid": signer.fingerprint, "sig": base64.b64encode(signature).decode()},
        ],
    }
    return canonical_json(envelope) + b"\n"


def open_statement(envelope: bytes, *, predicate_type: str, public_key: bytes) -> Opened:
    """Verify an envelope and read the statement in it.

    Args:
        envelope: the line, with its newline.
        predicate_type: what the statement must be about.
        public_key: raw Ed25519 key that must have signed it. An envelope names its key and does
            not hold it: for a claim it is the one in the first entry of the claim's book.

    Raises:
        ClaimError: another spelling than `sign_statement`'s, another key, a signature that does
            not hold, another predicate (of a newer version, perhaps), or no statement at all.
    """
    parsed = _parse(envelope)
    payload, (signature,) = _base64(parsed.payload), parsed.signatures
    if signature.keyid != sha256_hex(public_key):
        raise _refused(
            f"signed by the key {signature.keyid[:64]!r}, expected {sha256_hex(public_key)}"
        )
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(_base64(signature.sig), _signed_bytes(payload))
    except (InvalidSignature, ValueError) as error:
        raise _refused("the signature does not hold") from error
    value = parse_strict(payload, canonical=True)
    return Opened(sha256_hex(payload), _statement(value, predicate_type), public_key)


def payload_digest(envelope: bytes) -> str:
    """SHA-256 of an envelope's payload; its signature is not looked at.

    Raises:
        ClaimError: it is no envelope.
    """
    return sha256_hex(_base64(_parse(envelope).payload))


def unverified_predicate(envelope: bytes) -> dict[str, Any]:
    """The predicate in an envelope; its signature is not looked at.

    Raises:
        ClaimError: it is no envelope of a statement.
    """
    value = parse_strict(_base64(_parse(envelope).payload), canonical=True)
    predicate = value.get("predicate") if isinstance(value, dict) else None
    if not isinstance(predicate, dict):
        raise _refused("the payload is no in-toto statement: predicate: none")
    return predicate


def _signed_bytes(payload: bytes) -> bytes:
    """The pre-authentication encoding of the standard, version 1."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def _parse(envelope: bytes) -> _Envelope:
    if not envelope.endswith(b"\n"):
        raise _refused("no newline ends it")
    value = parse_strict(envelope.removesuffix(b"\n"), canonical=True)
    try:
        return _Envelope.model_validate(value)
    except ValidationError as error:
        raise _refused(first_problem(error)) from error


def _statement(value: Any, predicate_type: str) -> Statement:  # noqa: ANN401
    try:
        statement = Statement.model_validate(value)
    except ValidationError as error:
        raise _refused(f"the payload is no in-toto statement: {first_problem(error)}") from error
    if statement.predicateType != predicate_type:
        raise ClaimError(
            f"the statement is a {statement.predicateType[:80]!r}, expected {predicate_type!r}",
            remedy="give the file that this command reads; if a newer farthing made it, read it "
            "with that version",
        )
    return statement


def first_problem(error: ValidationError) -> str:
    """The first field that does not fit, dotted, and why; nothing of what stood in it."""
    detail = error.errors(include_input=False, include_context=False, include_url=False)[0]
    dotted = ".".join(str(part) for part in detail["loc"])
    return f"{dotted}: {detail['msg']}" if dotted else detail["msg"]


def _refused(what: str) -> ClaimError:
    return ClaimError(f"signed envelope refused: {what}", remedy=_RESTORE)

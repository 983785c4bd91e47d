"""Signs outside of a book that one of its entries was there: time stamps and git tags.

A book's own times are its writer's clock, and whoever holds the key can write the book anew. A
time-stamp authority (RFC 3161), or a repository that others have copied, cannot be written anew.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509

from farthing.errors import ClaimError, ConfigError, MissingExtraError

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

MOST_REPLY_BYTES = 1 << 20

_SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
# DER of a TimeStampReq but for the digest: version 1; a message imprint of SHA-256; no nonce, for
# an older reply to the same digest says more, not less; the authority's certificate wanted.
_REQUEST = (
    bytes.fromhex("3039020101" + "3031300d06096086480165030402010500" + "0420"),
    b"\x01\x01\xff",
)
# DER of a PKIStatusInfo: granted.
_GRANTED = bytes.fromhex("3003020100")
_SEQUENCE = 0x30

_TAG = "farthing: this book entry was there\n\nentry sha256:{digest}\n"
_TAGGED = re.compile(r"^entry sha256:([0-9a-f]{64})$", re.MULTILINE)

_OTHER_REPLY = "give the authority's own reply to the request that farthing wrote"


@dataclass(frozen=True)
class Stamp:
    """What a time-stamp token says, and its authority signed.

    Attributes:
        time: UTC, by the authority's clock.
        authority: the signing certificate's subject.
    """

    time: datetime
    authority: str


def timestamp_request(digest: str) -> bytes:
    """The request, in DER, to send to an authority as `application/timestamp-query`.

    Args:
        digest: of a book's entry, hexadecimal: the SHA-256 that is stamped.
    """
    before, after = _REQUEST
    return before + bytes.fromhex(digest) + after


def token_of_reply(reply: bytes, *, digest: str) -> bytes:
    """The token in an authority's reply, if it stamps `digest`; its signature is not looked at.

    Args:
        reply: DER, as `application/timestamp-reply`.
        digest: that was asked for.

    Raises:
        ClaimError: it is no reply, the authority refused, or it stamps something else.
        MissingExtraError: the extra `anchors` is not installed.
    """
    response = _decoded(reply)
    _check_imprint(response, digest)
    return response.time_stamp_token()


def check_token(token: bytes, *, digest: str, roots: bytes) -> Stamp:
    """Verify a token: digest, signature, and the chain to an authority that the reader trusts.

    Args:
        token: DER.
        digest: that must be stamped.
        roots: certificates in PEM that the reader trusts.

    Raises:
        ClaimError: any of it does not hold.
        ConfigError: `roots` holds no certificate.
        MissingExtraError: the extra `anchors` is not installed.
    """
    response = _decoded(_reply_around(token))
    _check_imprint(response, digest)
    from rfc3161_client import VerificationError, VerifierBuilder

    verifier = VerifierBuilder(roots=_certificates(roots)).build()
    try:
        verifier.verify(response, bytes.fromhex(digest))
    except (VerificationError, ValueError) as error:
        raise _refused(f"its signature does not hold ({error})") from error
    return Stamp(response.tst_info.gen_time.astimezone(UTC), _signer(response))


def git_tag_message(digest: str) -> str:
    """What an annotated tag's message must hold to anchor a book's entry."""
    return _TAG.format(digest=digest)


def tagged_digest(message: str) -> str | None:
    """The entry's digest in a tag's message; None where there is none, or more than one."""
    found = _TAGGED.findall(message)
    return found[0] if len(found) == 1 else None


def _decoded(reply: bytes) -> TimeStampResponse:
    try:
        from rfc3161_client import PKIStatus, decode_timestamp_response
    except ImportError as error:
        raise MissingExtraError("a time stamp (RFC 3161)", extra="anchors") from error
    if len(reply) > MOST_REPLY_BYTES:
        raise _refused(f"{len(reply)} bytes are too many")
    try:
        response = decode_timestamp_response(reply)
    except ValueError as error:
        raise _refused(f"it is no reply of RFC 3161 in DER ({error})"[:300]) from error
    if response.status != PKIStatus.GRANTED:
        words = "; ".join(response.status_string) or f"status {response.status}"
        raise _refused(f"the authority did not grant it ({words[:200]})")
    return response


def _check_imprint(response: TimeStampResponse, digest: str) -> None:
    try:
        imprint = response.tst_info.message_imprint
    except ValueError as error:
        raise _refused("there is no time stamp in it") from error
    if imprint.hash_algorithm != _SHA256 or imprint.message != bytes.fromhex(digest):
        raise _refused(f"it stamps another digest than {digest}")


def _signer(response: TimeStampResponse) -> str:
    """The subject of the certificate that signed; the verifier has seen that it is there."""
    (info,) = response.signed_data.signer_infos
    for data in response.signed_data.certificates:
        certificate = x509.load_der_x509_certificate(data)
        if (certificate.issuer, certificate.serial_number) == (info.issuer, info.serial_number):
            return certificate.subject.rfc4514_string()
    raise _refused("the authority's certificate is not in it")


def _reply_around(token: bytes) -> bytes:
    """The reply that a token was taken from: the package reads whole replies only."""
    content = _GRANTED + token
    size = len(content)
    if size < 0x80:
        return bytes([_SEQUENCE, size]) + content
    digits = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([_SEQUENCE, 0x80 | len(digits)]) + digits + content


def _certificates(roots: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(roots)
    except ValueError as error:
        raise ConfigError(
            "the trusted certificates cannot be read as PEM",
            remedy="give the time-stamp authority's root certificate, from the authority itself",
        ) from error


def _refused(what: str) -> ClaimError:
    return ClaimError(f"time stamp refused: {what}", remedy=_OTHER_REPLY)

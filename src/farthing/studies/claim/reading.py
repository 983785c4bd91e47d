"""What a bundle says of itself, with nothing checked: for a person to look at before verifying."""

from __future__ import annotations

import base64
from pathlib import Path

from pydantic import ValidationError

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.claims.archive import open_bundle
from farthing.artifacts.claims.dsse import payload_digest
from farthing.artifacts.claims.statement import Claim
from farthing.artifacts.claims.strict_json import parse_strict
from farthing.errors import ClaimError
from farthing.studies.claim.make import STATEMENT_NAME


def read_unverified(path: Path) -> tuple[str, Claim]:
    """Digest and predicate of the statement in a claim's bundle; the signature is not looked at.

    Raises:
        ClaimError: it is no bundle of a claim, or one of a newer farthing.
    """
    with open_bundle(path, statement_name=STATEMENT_NAME) as bundle:
        envelope = bundle.statement_bytes
    digest = payload_digest(envelope)
    payload = base64.b64decode(parse_strict(envelope)["payload"])
    assert sha256_hex(payload) == digest
    try:
        claim = Claim.model_validate(parse_strict(payload)["predicate"])
    except (KeyError, TypeError, ValidationError) as error:
        raise ClaimError(
            f"{path} holds no claim that this farthing understands",
            remedy="read it with the version that made it, or ask for the file again",
        ) from error
    return digest, claim

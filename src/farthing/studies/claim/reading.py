"""What a bundle says of itself, with nothing checked: for a person to look at before verifying."""

from __future__ import annotations

from pathlib import Path

from farthing.artifacts.claims.archive import open_bundle
from farthing.artifacts.claims.dsse import payload_digest, unverified_predicate
from farthing.artifacts.claims.names import CLAIM_NAME
from farthing.artifacts.claims.predicate import read_predicate
from farthing.artifacts.claims.statement import Claim

_DAMAGED = "ask the claimant for the file as it was made, or read it with the version that made it"


def read_unverified(path: Path) -> tuple[str, Claim]:
    """Digest and predicate of the statement in a claim's bundle; the signature is not looked at.

    Raises:
        ClaimError: it is no bundle of a claim, or one of a newer farthing.
    """
    with open_bundle(path, statement_name=CLAIM_NAME) as bundle:
        envelope = bundle.statement_bytes
    predicate = unverified_predicate(envelope)
    claim = read_predicate(Claim, predicate, name=CLAIM_NAME, damaged=_DAMAGED)
    return payload_digest(envelope), claim

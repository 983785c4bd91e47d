"""The nonce: randomness that the claimant could not know when the draft was signed."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from farthing.artifacts.claims.entries import ClaimNonce, Nonce
from farthing.errors import ConfigError
from farthing.session import Session
from farthing.studies.claim.standing import Standing, find_standing


def enter_nonce(
    name: str, nonce: str, session: Session, *, beacon: str | None = None, verifier: str = ""
) -> Standing:
    """Enter the nonce of a draft, once; the seeds follow from it.

    Args:
        name: of the claim.
        nonce: 16 to 64 bytes in lower-case hexadecimal.
        session: of the workspace.
        beacon: which round of which public beacon it is; None where a verifier drew it.
        verifier: who drew it.

    Raises:
        ConfigError: it is no nonce, there is no such draft, or it has another one.
    """
    checked = checked_nonce(nonce)
    session.book.refresh()
    standing = find_standing(session.book.records, name)
    if standing.nonce is not None:
        if standing.nonce.nonce == checked:
            return standing
        raise ConfigError(
            f"the draft {standing.digest[:16]} of the claim {name} has its nonce already: "
            f"{standing.nonce.nonce}",
            remedy="run it with that one; a second nonce would let seeds be chosen. Another "
            "attempt needs a draft under another name",
        )
    session.book.append(
        ClaimNonce(
            draft=standing.digest,
            nonce=checked,
            origin="verifier" if beacon is None else "beacon",
            detail=beacon or verifier or "a verifier who gave no name",
        )
    )
    return find_standing(session.book.records, name)


def checked_nonce(text: str) -> str:
    """The text, if it is a nonce.

    Raises:
        ConfigError: saying what is wrong.
    """
    try:
        return TypeAdapter(Nonce).validate_python(text)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"{text!r} is no nonce: {said}",
            remedy="paste what the verifier printed: 32 to 128 digits of hexadecimal",
        ) from error

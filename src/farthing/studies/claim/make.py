"""The claim: what the book says of the registered runs, counted, signed and bundled.

The bundle's book ends before the entry that says that the claim was made, so that the same claim
can be made again from the same workspace, byte by byte, whatever was run since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.claims.archive import file_facts, write_bundle
from farthing.artifacts.claims.dsse import payload_digest, sign_statement
from farthing.artifacts.claims.entries import ClaimMade
from farthing.artifacts.claims.names import CLAIM_NAME
from farthing.artifacts.claims.statement import Claim
from farthing.artifacts.keys import load_signer
from farthing.errors import ClaimError, ConfigError
from farthing.session import Session
from farthing.studies.claim.bundle import bundled_files
from farthing.studies.claim.gather import gather
from farthing.studies.claim.predicate import predicate, statement_of
from farthing.studies.claim.standing import Standing, find_standing
from farthing.studies.claim.trainings import BookView


@dataclass(frozen=True)
class MadeClaim:
    """A claim that left the workspace.

    Attributes:
        path: of its bundle.
        digest: of its statement.
        claim: what it says.
        new: whether the book says so since just now.
    """

    path: Path
    digest: str
    claim: Claim
    new: bool


def make_claim(name: str, session: Session, *, path: Path | None = None) -> MadeClaim:
    """Count, sign and write a claim; the same call again writes the same bytes.

    Args:
        name: of the claim.
        session: of the workspace.
        path: of the bundle; None for `claims/NAME.claim` in the workspace.

    Raises:
        ConfigError: no such draft, or something is missing; the remedy lists it.
        ClaimError: the claim left this workspace before and said something else.
        ArtifactError: the log of a run is gone or damaged.
    """
    session.book.refresh()
    standing = find_standing(session.book.records, name)
    view = view_of(standing, session)
    gathered = gather(view, standing)
    if gathered.missing:
        raise _missing(name, gathered.missing)
    files = bundled_files(view, gathered)
    claim = predicate(view, standing, gathered, session, file_facts(files))
    signer = load_signer(session.workspace.root)
    envelope = sign_statement(signer, statement_of(claim))
    digest = payload_digest(envelope)
    if standing.made is not None and standing.made.claim != digest:
        raise ClaimError(
            f"the claim {name} left this workspace as {standing.made.claim[:16]}, and would now "
            f"say something else ({digest[:16]})",
            remedy="use the bundle that was made then, with the farthing that made it; a claim "
            "that says something else needs a draft and runs of its own",
        )
    target = path or session.workspace.root / "claims" / f"{name}.claim"
    write_bundle(target, envelope, CLAIM_NAME, files)
    if standing.made is None:
        session.book.append(ClaimMade(draft=standing.digest, claim=digest))
    return MadeClaim(target, digest, claim, new=standing.made is None)


def view_of(standing: Standing, session: Session) -> BookView:
    """The entries that the claim holds: all, or those before it was made."""
    return BookView(session.workspace, session.book.records[: standing.made_entry])


def _missing(name: str, missing: Sequence[str]) -> ConfigError:
    shown = "".join(f"\n  - {each}" for each in missing)
    return ConfigError(
        f"the claim {name} cannot be made yet; what is missing:{shown}",
        remedy=f"farthing claim run {name} makes the runs that are missing; what was removed from "
        "the disk has to be restored from a copy",
    )

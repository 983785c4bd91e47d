"""The predicate of a signed statement, read as what it should be."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import ValidationError

from farthing.artifacts.claims.answer import Answer
from farthing.artifacts.claims.dsse import first_problem
from farthing.artifacts.claims.statement import CLAIM_VERSION, Claim
from farthing.errors import ClaimError

PredicateT = TypeVar("PredicateT", Claim, Answer)


def read_predicate(
    kind: type[PredicateT], predicate: dict[str, Any], *, name: str, damaged: str
) -> PredicateT:
    """A claim or an answer out of its statement.

    Args:
        kind: `Claim` or `Answer`.
        predicate: of the statement.
        name: of the file that holds it.
        damaged: what to do where it does not fit.

    Raises:
        ClaimError: of a newer version, or with fields that do not fit.
    """
    noun = kind.__name__.lower()
    version = predicate.get("version")
    if isinstance(version, int) and version > CLAIM_VERSION:
        raise ClaimError(
            f"the {noun} is of version {version}; this farthing reads versions up to "
            f"{CLAIM_VERSION}",
            remedy="verify it with a newer farthing: pip install --upgrade farthing",
        )
    try:
        read = kind.model_validate(predicate)
    except ValidationError as error:
        raise ClaimError(f"{name}: {first_problem(error)}", remedy=damaged) from error
    if read.version != CLAIM_VERSION:
        raise ClaimError(f"{name}: there is no version {read.version} of {noun}s", remedy=damaged)
    return read

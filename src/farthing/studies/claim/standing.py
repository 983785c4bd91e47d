"""Where a claim stands in the book: its draft, its nonce, and whether it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from farthing.artifacts.body import Body
from farthing.artifacts.claims.entries import ClaimDraft, ClaimMade, ClaimNonce
from farthing.artifacts.claims.seeds import derive_seeds
from farthing.artifacts.entries import Record
from farthing.errors import ConfigError

BodyT = TypeVar("BodyT", bound=Body)


@dataclass(frozen=True)
class Standing:
    """What the book holds of a claim.

    Attributes:
        draft: the newest one of its name.
        digest: of the draft's entry.
        entry: number of the draft's entry.
        given_up: numbers of the entries of earlier drafts of that name.
        nonce: None where it was not entered yet.
        nonce_entry: number and digest of the nonce's entry.
        made: None where the claim was not made yet.
        made_entry: number of the entry that says so: what the claim holds ends before it.
    """

    draft: ClaimDraft
    digest: str
    entry: int
    given_up: tuple[int, ...] = ()
    nonce: ClaimNonce | None = None
    nonce_entry: tuple[int, str] | None = None
    made: ClaimMade | None = None
    made_entry: int | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that follow from draft and nonce.

        Raises:
            ConfigError: the nonce was not entered yet.
        """
        if self.nonce is None:
            raise ConfigError(
                f"the claim {self.draft.name} has no nonce yet, and its seeds follow from it",
                remedy=f"show a verifier the draft's digest {self.digest} and enter the number "
                f"that you get: farthing claim nonce {self.draft.name} HEX",
            )
        return derive_seeds(self.nonce.nonce, self.digest, self.draft.seeds)


def known_standing(records: Sequence[Record], name: str) -> Standing | None:
    """Of the claim `name`; None where the book has no draft of it."""
    drafts = [each for each in _of(records, ClaimDraft) if each[1].name == name]
    if not drafts:
        return None
    record, draft = drafts[-1]
    digest = record.entry.digest
    nonces = [each for each in _of(records, ClaimNonce) if each[1].draft == digest]
    # The first that left counts: a later one that says otherwise has to stand beside it.
    made = [each for each in _of(records, ClaimMade) if each[1].draft == digest]
    return Standing(
        draft=draft,
        digest=digest,
        entry=record.entry.number,
        given_up=tuple(earlier.entry.number for earlier, _ in drafts[:-1]),
        nonce=nonces[0][1] if nonces else None,
        nonce_entry=(nonces[0][0].entry.number, nonces[0][0].entry.digest) if nonces else None,
        made=made[0][1] if made else None,
        made_entry=made[0][0].entry.number if made else None,
    )


def find_standing(records: Sequence[Record], name: str) -> Standing:
    """Of the claim `name`.

    Raises:
        ConfigError: the book has no draft of it; the remedy lists those that it has.
    """
    found = known_standing(records, name)
    if found is None:
        others = drafted_names(records)
        raise ConfigError(
            f"the book holds no draft of a claim {name!r}",
            remedy=f"its drafts are: {', '.join(others)}"
            if others
            else "sign one: farthing claim draft CLAIM.yaml",
        )
    return found


def drafted_names(records: Sequence[Record]) -> list[str]:
    """The claims that the book holds a draft of, in the order of their first."""
    return list(dict.fromkeys(draft.name for _, draft in _of(records, ClaimDraft)))


def _of(records: Sequence[Record], kind: type[BodyT]) -> list[tuple[Record, BodyT]]:
    return [(record, record.body) for record in records if isinstance(record.body, kind)]

"""A verdict that somebody else signed: whose it is, and whether it holds together.

The envelope names the key that signed and its predicate holds it, so the file alone shows that
nothing was changed since. Whose key that is, it cannot show; nor is the claim looked at again.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.claims.dsse import first_problem, open_statement, unverified_predicate
from farthing.artifacts.claims.entries import Digest
from farthing.artifacts.claims.statement import VERDICT_TYPE, Frozen
from farthing.errors import ClaimError
from farthing.stages.verify.verdict import VERDICT_VERSION

_MOST_BYTES = 64 << 20
_REMEDY = "ask whoever verified for the file that --to wrote, or verify the claim yourself"


class SaidFinding(Frozen):
    """As `Finding`."""

    check: str
    ok: bool
    where: str
    detail: str
    level: int


class SaidLevel(Frozen):
    """A level, and what came of it; `proves` and `cannot` as `verdict.Meaning`."""

    level: int
    title: str
    ok: bool
    checks: int
    cpu_seconds: float
    proves: str
    cannot: str


class SaidVerifier(Frozen):
    """Who verified: the key in hexadecimal and its fingerprint."""

    key: Digest
    public_key: str = Field(pattern=r"^[0-9a-f]{64}$")
    farthing_version: str


class SaidVerdict(Frozen):
    """The predicate of a signed verdict; fields as those of `ClaimVerdict`."""

    version: int
    ok: bool
    wording: str
    name: str
    claim: Digest
    key: str
    answer: Digest | None
    nonce: str | None
    levels: tuple[SaidLevel, ...]
    findings: tuple[SaidFinding, ...]
    time: str
    verifier: SaidVerifier

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for level in self.levels:
            own = [finding.ok for finding in self.findings if finding.level == level.level]
            if level.ok != all(own) or level.checks != len(own):
                raise ValueError(f"level {level.level} is not what its findings make of it")
        if self.ok != all(finding.ok for finding in self.findings):
            raise ValueError("ok is not what the findings make of it")
        return self

    def lines(self) -> list[str]:
        """For people: who said what of which claim."""
        found = [
            f"verdict on the claim {self.name}, statement {self.claim}, signed by {self.key}",
            f"by the key {self.verifier.key}, {self.time} by its clock, with farthing "
            f"{self.verifier.farthing_version}",
        ]
        for level in self.levels:
            state = "holds" if level.ok else "FAILS"
            found.append(f"Level {level.level}, {level.title}: {state} ({level.checks} checks)")
        found += [
            f"  WRONG {each.check}: {each.detail} ({each.where})"
            for each in self.findings
            if not each.ok
        ]
        return [*found, f"verdict: {self.wording}"]


@dataclass(frozen=True)
class ReadVerdict:
    """A verdict whose signature holds.

    Attributes:
        said: what it says.
        digest: of its statement.
    """

    said: SaidVerdict
    digest: str


def is_verdict(path: Path) -> bool:
    """Whether a file is a signed envelope and no bundle, by its first byte."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            return file.read(1) == b"{"
    except OSError:
        return False


def read_verdict(path: Path) -> ReadVerdict:
    """Read what `farthing verify --to` wrote.

    Raises:
        ClaimError: it is no verdict, one of a newer version, its signature does not hold, or it
            contradicts itself.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise _refused(path, f"{size} bytes are too many")
    envelope = path.read_bytes()
    predicate = unverified_predicate(envelope)
    version = predicate.get("version")
    if isinstance(version, int) and version > VERDICT_VERSION:
        raise ClaimError(
            f"{path}: a verdict of version {version}; this farthing reads versions up to "
            f"{VERDICT_VERSION}",
            remedy="read it with a newer farthing: pip install --upgrade farthing",
        )
    try:
        said = SaidVerdict.model_validate(predicate)
    except ValidationError as error:
        raise _refused(path, first_problem(error)) from error
    key = bytes.fromhex(said.verifier.public_key)
    opened = open_statement(envelope, predicate_type=VERDICT_TYPE, public_key=key)
    subjects = [(each.name, each.digest.get("sha256")) for each in opened.statement.subject]
    if subjects != [(said.name, said.claim)] or said.verifier.key != sha256_hex(key):
        raise _refused(path, "its subject or its key is not the one that it names")
    return ReadVerdict(said, opened.payload_digest)


def _refused(path: Path, what: str) -> ClaimError:
    return ClaimError(f"{path}: no verdict to be believed: {what}", remedy=_REMEDY)

"""Anchors: signs outside of the book that a draft was there at a time."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from pathlib import Path

from farthing.artifacts.claims.anchors import (
    git_tag_message,
    tagged_digest,
    timestamp_request,
    token_of_reply,
)
from farthing.artifacts.claims.entries import Anchor
from farthing.artifacts.storage import write_atomic
from farthing.errors import ConfigError
from farthing.session import Session
from farthing.studies.claim.standing import find_standing

_GIT_SECONDS = 60.0


@dataclass(frozen=True)
class Anchored:
    """What was done.

    Attributes:
        what: in words.
        digest: of the draft's entry.
        following: what to do now.
    """

    what: str
    digest: str
    following: str


def anchor_by_tag(name: str, tag: str, session: Session, *, repository: Path = Path()) -> Anchored:
    """Tag the repository with the draft's digest, unless that tag is there, and enter the tag.

    Args:
        name: of the claim.
        tag: its name.
        session: of the workspace.
        repository: any folder of it.

    Raises:
        ConfigError: there is no such draft, git refuses, or the tag is there and says otherwise.
    """
    digest = find_standing(session.book.records, name).digest
    reference = f"refs/tags/{tag}"
    # A name that git takes for an option, or for a branch, is no tag.
    _git(repository, "check-ref-format", reference)
    if _git(repository, "tag", "--list", "--", tag).strip() != tag:
        _git(repository, "tag", "--annotate", "--message", git_tag_message(digest), "--", tag)
    kind = _git(repository, "cat-file", "-t", reference).strip()
    text = _git(repository, "cat-file", kind, reference)
    if kind != "tag" or tagged_digest(text) != digest:
        raise ConfigError(
            f"the tag {tag} is there and does not say that the entry {digest[:16]} was",
            remedy="give another name to --git-tag",
        )
    found = _git(repository, "rev-parse", "--verify", reference).strip()
    _enter(Anchor(of=digest, how="git-tag", detail=f"{tag} {found}"), session)
    return Anchored(
        f"git tag {tag}, object {found}, entered into the book",
        digest,
        f"push it to where others fetch from: git push origin {tag}",
    )


def write_request(name: str, path: Path, session: Session) -> Anchored:
    """Write a time-stamp request (RFC 3161) for the draft's digest.

    Raises:
        ConfigError: there is no such draft.
        WorkspaceError: the disk refused.
    """
    digest = find_standing(session.book.records, name).digest
    write_atomic(path, timestamp_request(digest))
    return Anchored(
        f"request in {path}",
        digest,
        "send it to an authority, for example: curl -H 'Content-Type: "
        f"application/timestamp-query' --data-binary @{path} URL > reply.tsr; then: "
        f"farthing claim anchor {name} --timestamp-reply reply.tsr",
    )


def anchor_by_timestamp(name: str, reply: Path, session: Session) -> Anchored:
    """Enter the token of an authority's reply to a request for the draft's digest.

    Raises:
        ConfigError: there is no such draft, or no such file.
        ClaimError: the reply is for something else, or a refusal.
        MissingExtraError: the package that reads replies is not installed.
    """
    digest = find_standing(session.book.records, name).digest
    try:
        data = reply.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{reply} cannot be read: {error.strerror}", remedy="name the authority's reply"
        ) from error
    token = token_of_reply(data, digest=digest)
    detail = base64.b64encode(token).decode()
    _enter(Anchor(of=digest, how="rfc3161", detail=detail), session)
    return Anchored(
        "the time stamp is entered into the book",
        digest,
        "its signature is checked by whoever trusts the authority, when the claim is verified",
    )


def _enter(anchor: Anchor, session: Session) -> None:
    """The same anchor is entered once."""
    session.book.refresh()
    if all(record.body != anchor for record in session.book.records):
        session.book.append(anchor)


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip()
        raise ConfigError(
            f"git {words[0]} in {folder.resolve()} failed: {said}",
            remedy="run this inside of a git repository with a commit, and set user.name and "
            "user.email",
        ) from error
    return done.stdout

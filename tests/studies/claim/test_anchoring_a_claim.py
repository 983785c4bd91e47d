"""Anchors of a draft: a tag in a repository, a request for a time stamp."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from claim_example import NAME, quiet

from farthing.artifacts.claims.anchors import check_token
from farthing.artifacts.claims.entries import Anchor
from farthing.errors import ClaimError, ConfigError
from farthing.session import open_session
from farthing.studies.claim.anchor import anchor_by_tag, anchor_by_timestamp, write_request
from farthing.studies.claim.standing import find_standing

STAMPS = Path(__file__).parents[2] / "artifacts" / "claims" / "stamps"


@pytest.fixture
def session(own_example):
    return open_session(own_example.root, quiet())


@pytest.fixture
def repository(tmp_path):
    folder = tmp_path / "code"
    folder.mkdir()
    git(folder, "init", "--quiet")
    git(folder, "config", "user.name", "A Tester")
    git(folder, "config", "user.email", "tester@example.org")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "first")
    return folder


def git(folder, *words):
    done = subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def anchors(session):
    return [record.body for record in session.book.records if isinstance(record.body, Anchor)]


def test_a_tag_holds_the_digest_of_the_draft(session, repository):
    anchored = anchor_by_tag(NAME, "claim-tiny", session, repository=repository)
    digest = find_standing(session.book.records, NAME).digest
    assert anchored.digest == digest
    assert digest in git(repository, "tag", "--list", "--format=%(contents)", "claim-tiny")
    found = git(repository, "rev-parse", "claim-tiny")
    assert anchors(session) == [Anchor(of=digest, how="git-tag", detail=f"claim-tiny {found}")]
    # Once more finds the tag and the entry.
    anchor_by_tag(NAME, "claim-tiny", session, repository=repository)
    assert len(anchors(session)) == 1


def test_a_tag_that_says_something_else_is_left_alone(session, repository):
    git(repository, "tag", "--annotate", "--message", "a release", "v1")
    git(repository, "tag", "light")
    for tag in ("v1", "light"):
        with pytest.raises(ConfigError, match="does not say that the entry"):
            anchor_by_tag(NAME, tag, session, repository=repository)
    assert anchors(session) == []


@pytest.mark.parametrize("tag", ["-d", "a..b", "two words"])
def test_what_is_no_name_of_a_tag_is_refused(session, repository, tag):
    with pytest.raises(ConfigError):
        anchor_by_tag(NAME, tag, session, repository=repository)
    assert git(repository, "tag", "--list") == ""


def test_without_a_repository_git_says_so(session, tmp_path):
    with pytest.raises(ConfigError, match=r"git tag in .* failed"):
        anchor_by_tag(NAME, "claim-tiny", session, repository=tmp_path)


def test_a_request_stamps_the_digest(session, tmp_path):
    path = tmp_path / "draft.tsq"
    anchored = write_request(NAME, path, session)
    assert bytes.fromhex(anchored.digest) in path.read_bytes()
    assert anchors(session) == []


def test_a_granted_stamp_is_entered_once(session, monkeypatch):
    pytest.importorskip("rfc3161_client")
    digest = hashlib.sha256(b"farthing").hexdigest()

    # The stored reply stamps this digest; no draft of a test has one that was stamped.
    def stamped(records, name):
        return replace(find_standing(records, name), digest=digest)

    monkeypatch.setattr("farthing.studies.claim.anchor.find_standing", stamped)
    for _ in range(2):
        anchored = anchor_by_timestamp(NAME, STAMPS / "granted.tsr", session)
        assert anchored.digest == digest
        (anchor,) = anchors(session)
        assert (anchor.of, anchor.how) == (digest, "rfc3161")
    token = base64.b64decode(anchor.detail)
    stamp = check_token(token, digest=digest, roots=(STAMPS / "root.pem").read_bytes())
    assert stamp.time.year == 2026


def test_a_stamp_of_another_draft_is_refused(session):
    pytest.importorskip("rfc3161_client")
    with pytest.raises(ClaimError, match="another digest"):
        anchor_by_timestamp(NAME, STAMPS / "granted.tsr", session)
    assert anchors(session) == []


def test_a_reply_that_is_not_there_is_said(session, tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        anchor_by_timestamp(NAME, tmp_path / "none.tsr", session)

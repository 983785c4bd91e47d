"""A cheat who holds the key writes a whole workspace anew, and makes claim and answer from it.

Every line of book and journals is signed again, every link and every digest of a line renamed;
files, figures, roots and bundles then come from farthing itself, which he has taught not to object.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from claim_example import NAME, VERIFIER_NONCE, Example, quiet

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.chain import NOTHING_BEFORE, Head, Signer, seal
from farthing.artifacts.claims.archive import file_facts, open_bundle, write_bundle
from farthing.artifacts.claims.dsse import open_statement, sign_statement
from farthing.artifacts.claims.statement import ANSWER_TYPE
from farthing.artifacts.keys import load_signer
from farthing.session import open_session
from farthing.studies.claim.answer import answer_claim
from farthing.studies.claim.make import make_claim

Json = dict[str, Any]
# Sees the kind and body of every entry of book and journals; None strikes it out.
Edit = Callable[[str, Json], Json | None]
# What is drawn beside the segments that are always looked at: all of them.
DRAWN = 100


@dataclass(frozen=True)
class Forged:
    """What the cheat hands out."""

    claim: Path
    answer: Path


def rewrite(root: Path, edit: Edit) -> None:
    """Sign book and journals of a workspace again, with edits; the claim was never made.

    Args:
        root: of the workspace; the key is that of the user.
        edit: what becomes of each entry.
    """
    signer = load_signer(root)
    path = root / "book.jsonl"
    fresh: list[bytes] = []
    renamed: dict[str, str] = {}
    heads: dict[int, Head] = {}
    for line in path.read_bytes().splitlines(keepends=True):
        entry = json.loads(line)
        body = _renamed(entry["body"], renamed)
        if entry["kind"] == "run.end":
            head = heads[body["run"]]
            body |= {"journal_count": head.count, "journal_head": head.digest}
        changed = None if entry["kind"] == "claim.made" else edit(entry["kind"], body)
        if changed is None:
            continue
        entry["body"] = changed
        fresh.append(_sealed(signer, entry, fresh, NOTHING_BEFORE))
        renamed[sha256_hex(line)] = sha256_hex(fresh[-1])
        if entry["kind"] == "run.start":
            journal = root / changed["journal"]
            heads[changed["run"]] = _journal(signer, journal, sha256_hex(fresh[-1]), edit)
    path.write_bytes(b"".join(fresh))


def claim_anew(example: Example, *, with_routes: bool = True) -> Forged:
    """Claim and answer from a rewritten workspace, by a farthing that objects to nothing.

    Args:
        example: whose workspace was rewritten.
        with_routes: whether the answer holds the expert choices: a replay needs them elsewhere.
    """
    # This machine's own record of how far the book reached.
    shutil.rmtree(example.home / "heads", ignore_errors=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("farthing.studies.claim.rehearse.state_digest", lambda *_, **__: _Anything())
        if not with_routes:
            patch.setattr("farthing.studies.claim.answer.rehearse", lambda *_, **__: None)
        made = make_claim(NAME, open_session(example.root, quiet()))
        session = open_session(example.root, quiet())
        answered = answer_claim(made.path, VERIFIER_NONCE, session, drawn=DRAWN)
    return Forged(made.path, answered.path)


def answer_anew(
    example: Example, to: Path, change: Callable[[Json, dict[str, bytes]], None]
) -> Path:
    """An answer with other words or files, signed as it then is.

    Args:
        example: whose answer it was; its key signs.
        to: where the new one is written.
        change: changes the predicate and the files in place.
    """
    signer = load_signer(example.root)
    with open_bundle(example.answer, statement_name="answer.json") as bundle:
        envelope = bundle.statement_bytes
        files = {name: bundle.read(name, most=1 << 30) for name in bundle.names}
    opened = open_statement(envelope, predicate_type=ANSWER_TYPE, public_key=signer.public)
    statement = opened.statement.model_dump(mode="json", by_alias=True)
    predicate = statement["predicate"]
    change(predicate, files)
    predicate["files"] = {name: each.model_dump() for name, each in file_facts(files).items()}
    write_bundle(to, sign_statement(signer, statement), "answer.json", files)
    return to


class _Anything(str):
    """Equal to every digest."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False


def _journal(signer: Signer, path: Path, first: str, edit: Edit) -> Head:
    fresh: list[bytes] = []
    for line in path.read_bytes().splitlines(keepends=True):
        entry = json.loads(line)
        changed = edit(entry["kind"], entry["body"])
        if changed is not None:
            entry["body"] = changed
            fresh.append(_sealed(signer, entry, fresh, first))
    path.write_bytes(b"".join(fresh))
    return Head(len(fresh), sha256_hex(fresh[-1]) if fresh else first)


def _sealed(signer: Signer, entry: Json, before: list[bytes], first: str) -> bytes:
    head = Head(len(before), sha256_hex(before[-1]) if before else first)
    return seal(signer, head, entry["kind"], entry["body"], entry["time"])


def _renamed(value: Any, renamed: dict[str, str]) -> Any:
    """A copy in which digests of lines are those of the lines that took their place."""
    if isinstance(value, str):
        return renamed.get(value, value)
    if isinstance(value, list):
        return [_renamed(each, renamed) for each in value]
    if isinstance(value, dict):
        return {key: _renamed(each, renamed) for key, each in value.items()}
    return copy.copy(value)

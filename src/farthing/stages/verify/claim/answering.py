"""An answer to a verifier's nonce: whose it is, and whether it releases what the nonce chose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.claims.answer import Answer
from farthing.artifacts.claims.archive import MOST_FILES, Bundle, open_bundle
from farthing.artifacts.claims.dsse import open_statement
from farthing.artifacts.claims.names import ANSWER_NAME, steps_name
from farthing.artifacts.claims.predicate import read_predicate
from farthing.artifacts.claims.selection import Chosen, choose
from farthing.artifacts.claims.statement import ANSWER_TYPE
from farthing.artifacts.claims.strict_json import parse_strict
from farthing.stages.verify.claim.check import CheckedClaim
from farthing.stages.verify.claim.checkpoints import segment_facts
from farthing.stages.verify.finding import Finding

_GIB = 1 << 30
_DAMAGED = "ask the claimant for the answer as it was made; nothing can be said about this one"


@dataclass(frozen=True)
class OpenedAnswer:
    """An answer whose form, signature and files hold.

    Attributes:
        bundle: open, its files compared with the signed list.
        answer: what it says.
        digest: of its statement.
    """

    bundle: Bundle
    answer: Answer
    digest: str


@contextmanager
def open_answer(path: Path, *, public_key: bytes, most_gib: float) -> Iterator[OpenedAnswer]:
    """Open an answer's bundle.

    Args:
        path: of the file; nothing in it is executed.
        public_key: of the claim, which must have signed it.
        most_gib: the whole file may have.

    Raises:
        ClaimError: it is no canonical bundle, too large, of a newer version, signed by another key
            than the claim, or a file in it is not the one that was signed.
    """
    with open_bundle(
        path,
        statement_name=ANSWER_NAME,
        most_bytes=int(most_gib * _GIB),
        most_files=MOST_FILES,
    ) as bundle:
        opened = open_statement(
            bundle.statement_bytes, predicate_type=ANSWER_TYPE, public_key=public_key
        )
        answer = read_predicate(
            Answer, opened.statement.predicate, name=ANSWER_NAME, damaged=_DAMAGED
        )
        bundle.check(answer.files)
        yield OpenedAnswer(bundle, answer, opened.payload_digest)


def check_answer(
    opened: OpenedAnswer, checked: CheckedClaim, *, nonce: str, drawn: int
) -> tuple[tuple[Chosen, ...], list[Finding]]:
    """What the nonce chose, and whether the answer is one to this claim and this nonce.

    Args:
        opened: the answer.
        checked: the claim, its level 0 in order.
        nonce: that the verifier drew.
        drawn: segments that he wants drawn, at least.
    """
    answer, claim = opened.answer, checked.opened.digest
    problems = []
    if answer.claim != claim:
        problems.append(("claim", f"it answers for {answer.claim[:16]}, the claim is {claim[:16]}"))
    if answer.nonce != nonce:
        problems.append(
            ("nonce", f"it answers {answer.nonce[:16]}..., the nonce is {nonce[:16]}...")
        )
    if answer.drawn < drawn:
        problems.append(("drawn", f"{answer.drawn} segments were drawn, {drawn} were asked for"))
    problems += _odd_files(answer)
    assert checked.book is not None, "level 0 was in order"
    facts = segment_facts(checked.book, checked.trainings)
    chosen = choose(facts, claim=claim, nonce=nonce, drawn=answer.drawn)
    told = {(each.run, each.first_step, each.last_step): each.why for each in answer.segments}
    wanted = {
        (each.segment.run, each.segment.first_step, each.segment.last_step): each.why
        for each in chosen
    }
    if told != wanted or len(told) < len(answer.segments):
        odd = sorted(set(told) ^ set(wanted)) or sorted(wanted)
        run, first, last = odd[0]
        problems.append(
            (
                "segments",
                f"{len(told)} are released, the nonce chooses {len(wanted)}; they differ in run "
                f"{run}, steps {first}-{last}",
            )
        )
    if problems:
        return chosen, [
            Finding("answer", False, f"{ANSWER_NAME}, {where}", problem, 2)
            for where, problem in problems
        ]
    detail = (
        f"signed by the claim's key, for this nonce: {len(chosen)} of {len(facts)} segments "
        f"released, {answer.drawn} of them drawn at least where there are so many"
    )
    return chosen, [Finding("answer", True, opened.bundle.path.name, detail, 2)]


def _odd_files(answer: Answer) -> list[tuple[str, str]]:
    """Files that belong to nothing the answer names: nothing would look into them."""
    places = {answer.corpus, *answer.models.values()}
    places |= {place for each in answer.segments for place in (each.begin, each.end)}
    named = {each.routes for each in answer.segments}
    folders = tuple(f"{place}/" for place in places if place)
    odd = [name for name in answer.files if name not in named and not name.startswith(folders)]
    if not odd:
        return []
    return [("files", f"{odd[0]} belongs to nothing that the answer names ({len(odd)} such)")]


def read_steps(checked: CheckedClaim) -> dict[int, Mapping[int, Mapping[str, Any]]]:
    """By run and step, the lines of the steps files; level 1 must have found them in order.

    Raises:
        ClaimError: a line that is no JSON.
    """
    bundle = checked.opened.bundle
    found: dict[int, Mapping[int, Mapping[str, Any]]] = {}
    for training in checked.trainings:
        for run in training.attempts:
            name = steps_name(run.number)
            lines = bundle.lines(name) if name in bundle.names else ()
            parsed = (parse_strict(line) for line in lines)
            found[run.number] = {
                line["step"]: line
                for line in parsed
                if isinstance(line, dict) and isinstance(line.get("step"), int)
            }
    return found

"""The verb that checks: a workspace's book, or a claim that a stranger made."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.options import HERE, JsonOption, WorkspaceOption
from farthing.cli.output import make_show, print_json
from farthing.cli.verdicts import is_verdict, read_verdict

if TYPE_CHECKING:
    from farthing.artifacts.claims.selection import Chosen
    from farthing.flow.verification.released import Released
    from farthing.stages.verify.claim.answering import OpenedAnswer
    from farthing.stages.verify.claim.check import CheckedClaim
    from farthing.stages.verify.verdict import ClaimVerdict

_REPLAYED, _RERUN = 3, 4
_NONCE_BYTES = 32


_ClaimArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CLAIM|VERDICT]",
        help="A claim's bundle, or a verdict that was signed; without one the workspace is "
        "checked.",
    ),
]
_HeadOption = Annotated[str | None, typer.Option(help="The book's last digest, as you noted it.")]
_CountOption = Annotated[int | None, typer.Option(help="The book's entries, as you noted them.")]
_AnswerOption = Annotated[
    Path | None, typer.Option(help="What the claimant released for your nonce.")
]
_NonceOption = Annotated[str | None, typer.Option(metavar="HEX", help="The nonce that you drew.")]
_FreshOption = Annotated[
    list[Path] | None,
    typer.Option(help="Text of your own (.txt, .jsonl) to score the models on; repeatable."),
]
_CorpusOption = Annotated[
    Path | None, typer.Option(help="The claim's corpus, where the answer holds none.")
]
_RerunOption = Annotated[
    bool, typer.Option("--rerun", help="Level 4: train one seed of each side again.")
]
_LevelOption = Annotated[
    int | None, typer.Option(min=0, max=_RERUN, help="The highest level to check.")
]
_DrawnOption = Annotated[
    int, typer.Option(min=0, help="Segments that the nonce had to draw at least.")
]
_MostOption = Annotated[float, typer.Option(min=0, help="The largest answer to read, in GiB.")]
_RevokedOption = Annotated[
    Path | None, typer.Option(help="Keys not to be believed: a fingerprint a line.")
]
_RootsOption = Annotated[
    Path | None,
    typer.Option(
        "--timestamp-roots",
        metavar="FILE",
        help="Certificates (PEM) of the authorities whose time stamps you believe.",
    ),
]
_ToOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the verdict there, signed by you.")
]


@dataclass(frozen=True)
class _Asked:
    """What the verifier wants to know of an answer."""

    level: int
    nonce: str
    fresh: tuple[str, ...]
    corpus: Path | None
    drawn: int
    most_gib: float


def verify(
    claim: _ClaimArgument = None,
    workspace: WorkspaceOption = HERE,
    head: _HeadOption = None,
    count: _CountOption = None,
    answer: _AnswerOption = None,
    nonce: _NonceOption = None,
    fresh: _FreshOption = None,
    corpus: _CorpusOption = None,
    rerun: _RerunOption = False,
    level: _LevelOption = None,
    drawn: _DrawnOption = 29,
    most_gib: _MostOption = 64.0,
    revoked: _RevokedOption = None,
    roots: _RootsOption = None,
    to: _ToOption = None,
    as_json: JsonOption = False,
) -> int:
    """Check the book, the journals and the artifacts; exit code 1 if anything is wrong.

    With a CLAIM: check it without trusting anybody, from its signatures and arithmetic (levels 0
    and 1) to its models and random pieces of its training (2 to 4, with the claimant's answer).
    With a VERDICT that --to wrote: whether its signature holds, and what it says.
    """
    of_answers: dict[str, object] = {"--fresh": fresh, "--corpus": corpus, "--nonce": nonce}
    of_claims = {"--answer": answer, "--rerun": rerun or None, "--level": level, **of_answers}
    if claim is None:
        of_claims |= {"--revoked": revoked, "--timestamp-roots": roots, "--to": to}
        _refuse(of_claims, "checks a claim, and none is named", "name the claim's bundle first")
        return _verify_workspace(workspace, head, count, as_json=as_json)
    _refuse({"--head": head, "--count": count}, "is of a workspace's book", "leave it out")
    if is_verdict(claim):
        of_claims |= {"--revoked": revoked, "--timestamp-roots": roots, "--to": to}
        _refuse(of_claims, "checks a claim, and this is a verdict", "leave it out")
        return read_verdict(claim, as_json=as_json)
    if to is not None:
        _check_target(to, claim, answer)
    highest = _highest_level(level, answered=answer is not None, rerun=rerun)
    asked = None
    if answer is not None:
        asked = _asked(highest, nonce, fresh or [], corpus, drawn, most_gib)
    else:
        _refuse(of_answers, "needs the claimant's answer", "give it with --answer")
    verdict = _verify_claim(claim, answer, asked, highest, revoked, roots, as_json=as_json)
    if to is not None:
        _write(verdict, claim, to)
    if as_json:
        print_json(verdict.to_json())
    else:
        _print(verdict, asked)
    return 0 if verdict.ok else 1


def _verify_workspace(
    workspace: Path, head: str | None, count: int | None, *, as_json: bool
) -> int:
    from farthing.artifacts.workspace import Workspace
    from farthing.charts.visible import visible
    from farthing.stages.verify.run import verify_workspace

    verdict = verify_workspace(Workspace(workspace), head=head, count=count)
    if as_json:
        print_json(verdict.to_json())
    else:
        for finding in verdict.findings:
            mark = "ok   " if finding.ok else "WRONG"
            print(visible(f"{mark} {finding.check}: {finding.detail} ({finding.where})"))
    return 0 if verdict.ok else 1


def _verify_claim(
    path: Path,
    answer: Path | None,
    asked: _Asked | None,
    highest: int,
    revoked: Path | None,
    roots: Path | None,
    *,
    as_json: bool,
) -> ClaimVerdict:
    from farthing.stages.verify.claim.check import check_claim
    from farthing.stages.verify.claim.opening import open_claim, read_revoked
    from farthing.stages.verify.verdict import ClaimVerdict

    keys = read_revoked(revoked) if revoked is not None else frozenset()
    trusted = roots.read_bytes() if roots is not None else None
    with open_claim(path) as opened:
        checked = check_claim(opened, revoked=keys, level=min(highest, 1), roots=trusted)
        verdict = ClaimVerdict(
            name=opened.claim.name,
            claim=opened.digest,
            key=opened.fingerprint,
            findings=(),
            seconds={},
        )
        if answer is not None and asked is not None:
            verdict = _with_answer(verdict, checked, answer, asked, as_json=as_json)
        return replace(
            verdict, findings=tuple(checked.findings), seconds=dict(sorted(checked.seconds.items()))
        )


def _with_answer(
    verdict: ClaimVerdict, checked: CheckedClaim, path: Path, asked: _Asked, *, as_json: bool
) -> ClaimVerdict:
    """Levels 2 and above; they add to `checked`."""
    from farthing.stages.verify.claim.answering import check_answer, open_answer
    from farthing.stages.verify.finding import Finding

    registered = checked.registered
    signed = all(finding.ok for finding in checked.findings if finding.level == 0)
    if (
        not signed
        or registered is None
        or len(checked.trainings) < len(registered.draft.runs) * (registered.draft.seeds)
    ):
        detail = "levels 0 and 1 leave nothing that models could be compared with"
        checked.take([Finding("answer", False, path.name, detail, 2)])
        return verdict
    key = checked.opened.public_key
    with ExitStack() as stack:
        with checked.timed(2):
            opened = stack.enter_context(open_answer(path, public_key=key, most_gib=asked.most_gib))
            chosen, findings = check_answer(opened, checked, nonce=asked.nonce, drawn=asked.drawn)
            checked.take(findings)
        verdict = replace(verdict, answer=opened.digest, nonce=asked.nonce)
        if any(not finding.ok for finding in findings):
            return verdict
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="farthing-verify-")))
        with checked.timed(2):
            opened.bundle.extract(opened.bundle.names, folder)
            released = _released(checked, opened, folder, asked)
        _compute(checked, released, chosen, asked, as_json=as_json)
    if asked.level >= _REPLAYED:
        total = checked.opened.claim.checkpoints.segments
        verdict = replace(verdict, replayed=(len(chosen), total))
    return verdict


def _released(checked: CheckedClaim, opened: OpenedAnswer, folder: Path, asked: _Asked) -> Released:
    from farthing.errors import UsageError
    from farthing.flow.verification.released import Released
    from farthing.stages.verify.claim.answering import read_steps

    assert checked.book is not None
    assert checked.registered is not None
    own = opened.answer.corpus
    if asked.corpus is None and own != "corpus":
        raise UsageError(
            "the answer holds no corpus, and the models are scored on the claim's",
            remedy="give its folder with --corpus, or ask for an answer that holds it",
        )
    return Released(
        folder=folder,
        answer=opened.answer,
        claim=checked.opened.claim,
        draft=checked.registered.draft,
        book=checked.book,
        trainings=checked.trainings,
        steps=read_steps(checked),
        corpus_folder=asked.corpus or folder / "corpus",
    )


def _compute(
    checked: CheckedClaim,
    released: Released,
    chosen: Sequence[Chosen],
    asked: _Asked,
    *,
    as_json: bool,
) -> None:
    """What needs models: torch is loaded here and nowhere before."""
    from farthing.flow.verification.fresh import fresh
    from farthing.flow.verification.overlap import overlap
    from farthing.flow.verification.pinned import reevaluate
    from farthing.flow.verification.rerun import rerun
    from farthing.flow.verification.segments import replay_segments

    say = make_show(as_json=as_json).line
    with checked.timed(2):
        say(f"score     {len(checked.trainings)} models on the claim's own held-out text")
        checked.take(reevaluate(released))
        say("compare   held-out text with training text")
        checked.take(overlap(released))
        if asked.fresh:
            say(f"score     the same models on {len(asked.fresh)} documents of yours")
            checked.take(fresh(released, asked.fresh))
    if asked.level >= _REPLAYED:
        with checked.timed(_REPLAYED):
            checked.take(replay_segments(released, chosen, say=say))
    if asked.level >= _RERUN:
        with checked.timed(_RERUN):
            checked.take(rerun(released, say=say))


def _highest_level(level: int | None, *, answered: bool, rerun: bool) -> int:
    from farthing.errors import UsageError

    if rerun and level not in (None, _RERUN):
        raise UsageError(f"--rerun is level 4, and --level says {level}", remedy="leave one out")
    wanted = _RERUN if rerun else level
    if wanted is not None and wanted >= 2 and not answered:
        raise UsageError(
            f"level {wanted} needs models and checkpoints, and a claim holds none",
            remedy="run `farthing verify CLAIM`, hand the nonce that it prints to the claimant, "
            "and give what you get back with --answer and --nonce",
        )
    if wanted is not None and wanted < 2 and answered:
        raise UsageError(
            f"--answer is looked at from level 2 on, and --level says {wanted}",
            remedy="leave one of them out",
        )
    return wanted if wanted is not None else _REPLAYED if answered else 1


def _asked(
    level: int,
    nonce: str | None,
    fresh: Sequence[Path],
    corpus: Path | None,
    drawn: int,
    most_gib: float,
) -> _Asked:
    from farthing.errors import UsageError
    from farthing.studies.claim.nonce import checked_nonce

    if not math.isfinite(most_gib):
        raise UsageError(f"--most-gib {most_gib} is no size", remedy="give a number of GiB")
    if nonce is None:
        raise UsageError(
            "an answer is an answer to a nonce, and none is given",
            remedy="give the number that you drew with --nonce: one that the claimant names could "
            "be chosen by him",
        )
    for path in fresh:
        if not path.is_file():
            raise UsageError(f"{path} is no file of text", remedy="name a .txt or .jsonl file")
    checked = checked_nonce(nonce.strip().lower())
    return _Asked(level, checked, _documents(fresh), corpus, drawn, most_gib)


def _documents(fresh: Sequence[Path]) -> tuple[str, ...]:
    """The fresh text, read before anything is computed: what is no text is said at once."""
    if not fresh:
        return ()
    from farthing.flow.verification.fresh import read_fresh

    return tuple(read_fresh(fresh))


def _refuse(options: Mapping[str, object], what: str, remedy: str) -> None:
    from farthing.errors import UsageError

    for name, value in options.items():
        if value is not None:
            raise UsageError(f"{name} {what}", remedy=remedy)


def _check_target(to: Path, *others: Path | None) -> None:
    """Before hours of computing: a verdict that cannot be written would be lost."""
    from farthing.errors import UsageError

    taken = any(to.resolve() == other.resolve() for other in others if other is not None)
    if taken or to.is_dir() or not to.absolute().parent.is_dir():
        what = "is what is verified" if taken else "is a folder, or in none that is there"
        raise UsageError(f"--to {to} {what}", remedy="name a new file in a folder that is there")


def _write(verdict: ClaimVerdict, claim: Path, to: Path) -> None:
    """The signed verdict; the key is the verifier's own."""
    import farthing
    from farthing.artifacts.chain import utc_now
    from farthing.artifacts.keys import load_signer
    from farthing.artifacts.storage import write_atomic

    signer = load_signer(claim)
    envelope = verdict.sign(signer, time=utc_now(), farthing_version=farthing.__version__)
    write_atomic(to, envelope)


def _print(verdict: ClaimVerdict, asked: _Asked | None) -> None:
    import secrets

    from farthing.charts.visible import visible

    for line in verdict.lines():
        print(visible(line))
    if asked is None and verdict.ok:
        nonce = secrets.token_hex(_NONCE_BYTES)
        print("\nto check what was trained, hand this nonce to the claimant, who answers with")
        print(visible(f"  farthing claim answer {verdict.name}.claim {nonce}"))
        print("and keep it yourself: farthing verify CLAIM --answer FILE --nonce HEX")

"""The verbs of a claim: draft, nonce, run, make, answer; and anchor, show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.options import HERE, JsonOption, WorkspaceOption
from farthing.cli.output import make_show, print_json

if TYPE_CHECKING:
    from farthing.artifacts.claims.statement import Claim
    from farthing.session import Session
    from farthing.studies.claim.anchor import Anchored
    from farthing.studies.claim.standing import Standing

claim_app = typer.Typer(
    help="State quality and cost against a baseline so that a stranger can verify it.",
    no_args_is_help=True,
)

_NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the claim.")]
_UNITS = ("B", "kB", "MB", "GB", "TB")


@claim_app.command("draft")
def claim_draft(
    settings: Annotated[Path, typer.Argument(metavar="CLAIM.yaml", help="What is claimed.")],
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Sign the plan before anything has run: data, code, recipes, targets, number of seeds."""
    from farthing.studies.claim.config import read_claim_settings
    from farthing.studies.claim.draft import draft_claim

    config = read_claim_settings(settings)
    drafted = draft_claim(config, _session(workspace, as_json=as_json))
    standing = drafted.standing
    following = _next_step(standing, workspace)
    if as_json:
        print_json(
            {
                **_facts(standing),
                "new": drafted.new,
                "trainings": drafted.trainings,
                "segments": drafted.segments,
                "flops": drafted.flops,
                "storage_bytes": standing.draft.storage_bytes,
                "next": following,
            }
        )
        return
    when = "signed now" if drafted.new else "signed before; nothing was added"
    _say("draft", f"entry {standing.entry} of the book, {when}")
    _say("digest", standing.digest)
    runs = len(standing.draft.runs)
    _say(
        "expects",
        f"{drafted.trainings} trainings ({runs} with each of {standing.draft.seeds} seeds) and "
        f"their evaluations, about {drafted.flops:.2g} FLOP of training",
    )
    _say(
        "keeps",
        f"{drafted.segments} checkpoints, at most {_size(standing.draft.storage_bytes)}; each "
        "interruption adds one",
    )
    _say("next", following)


@claim_app.command("nonce")
def claim_nonce(
    name: _NameArgument,
    nonce: Annotated[str, typer.Argument(metavar="HEX", help="What the verifier drew.")],
    beacon: Annotated[
        str | None,
        typer.Option(help='Which public beacon it is from: "drand round 4711".'),
    ] = None,
    verifier: Annotated[str, typer.Option(help="Who drew it.")] = "",
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Enter the random number from which the seeds follow; there is one for each draft."""
    from farthing.studies.claim.nonce import enter_nonce

    session = _session(workspace, as_json=as_json)
    standing = enter_nonce(name, nonce, session, beacon=beacon, verifier=verifier)
    _print_standing(standing, workspace, as_json=as_json)


@claim_app.command("run")
def claim_run(
    name: _NameArgument,
    workspace: WorkspaceOption = HERE,
    jobs: Annotated[
        int, typer.Option(min=1, help="Runs at a time, each on hardware threads of its own.")
    ] = 1,
    as_json: JsonOption = False,
) -> None:
    """Train and score every registered run with every seed; goes on where it was stopped."""
    from farthing.studies.claim.run import run_claim

    standing = run_claim(name, _session(workspace, as_json=as_json), jobs=jobs)
    following = _command("make", name, workspace)
    if as_json:
        print_json({**_facts(standing), "next": following})
        return
    count = len(standing.seeds) * len(standing.draft.runs)
    _say("done", f"{count} models are trained and scored; their checkpoints have to stay")
    _say("next", following)


@claim_app.command("make")
def claim_make(
    name: _NameArgument,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE.claim", help="Where to; in claims/ if left out.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Count, sign and bundle the claim; the same command again writes the same file."""
    from farthing.studies.claim.make import make_claim

    made = make_claim(name, _session(workspace, as_json=as_json), path=to)
    following = f"give {made.path} away; whoever gets it: farthing verify {made.path.name}"
    if as_json:
        facts = {"path": str(made.path), "digest": made.digest, "new": made.new}
        print_json({**facts, "claim": made.claim.model_dump(mode="json"), "next": following})
        return
    _print_claim(made.claim)
    _say("claim", f"{made.path}, {_size(made.path.stat().st_size)}")
    _say("digest", made.digest)
    _say("next", following)


@claim_app.command("answer")
def claim_answer(
    path: Annotated[Path, typer.Argument(metavar="FILE.claim", help="The claim's bundle.")],
    nonce: Annotated[str, typer.Argument(metavar="NONCE", help="What the verifier drew.")],
    to: Annotated[
        Path | None, typer.Option(metavar="FILE.answer", help="Where to; in claims/ if left out.")
    ] = None,
    drawn: Annotated[
        int | None,
        typer.Option(min=0, help="Segments to draw beside those always looked at; 29 if left out."),
    ] = None,
    without_corpus: Annotated[
        bool, typer.Option("--without-corpus", help="The verifier has the corpus, or makes it.")
    ] = False,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Release the segments that a verifier's number chooses, each replayed here first."""
    from farthing.artifacts.claims.selection import DRAWN
    from farthing.studies.claim.answer import answer_claim

    answered = answer_claim(
        path,
        nonce,
        _session(workspace, as_json=as_json),
        to=to,
        drawn=DRAWN if drawn is None else drawn,
        with_corpus=not without_corpus,
    )
    size = answered.path.stat().st_size
    released = len(answered.answer.segments)
    following = (
        f"send {answered.path} back; the verifier: farthing verify {path.name} "
        f"--answer {answered.path.name} --nonce {answered.answer.nonce}"
    )
    if as_json:
        facts = {"path": str(answered.path), "released": released, "segments": answered.segments}
        print_json({**facts, "bytes": size, "next": following})
        return
    _say("replayed", f"{released} of {answered.segments} segments, each to the last bit")
    _say("answer", f"{answered.path}, {_size(size)}")
    _say("next", following)


@claim_app.command("anchor")
def claim_anchor(
    name: _NameArgument,
    git_tag: Annotated[
        str | None,
        typer.Option(
            "--git-tag",
            metavar="TAG",
            help="Make (or find) an annotated tag with the digest in the git repository here.",
        ),
    ] = None,
    request: Annotated[
        Path | None,
        typer.Option(
            "--timestamp-request", metavar="FILE", help="Write a request for a time-stamp."
        ),
    ] = None,
    reply: Annotated[
        Path | None,
        typer.Option("--timestamp-reply", metavar="FILE", help="Enter what the authority replied."),
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Prove elsewhere when the draft was there: by a git tag or a time-stamp (RFC 3161)."""
    from farthing.errors import UsageError
    from farthing.studies.claim.anchor import anchor_by_tag, anchor_by_timestamp, write_request

    given = [each for each in (git_tag, request, reply) if each is not None]
    if len(given) != 1:
        raise UsageError(
            f"farthing claim anchor takes one way to anchor, {len(given)} were given",
            remedy="give one of --git-tag, --timestamp-request and --timestamp-reply",
        )
    session = _session(workspace, as_json=as_json)
    if git_tag is not None:
        _print_anchored(anchor_by_tag(name, git_tag, session), as_json=as_json)
    elif request is not None:
        _print_anchored(write_request(name, request, session), as_json=as_json)
    elif reply is not None:
        _print_anchored(anchor_by_timestamp(name, reply, session), as_json=as_json)


@claim_app.command("show")
def claim_show(
    what: Annotated[
        str | None, typer.Argument(metavar="[NAME|FILE.claim]", help="All claims if left out.")
    ] = None,
    workspace: WorkspaceOption = HERE,
    as_json: JsonOption = False,
) -> None:
    """Where the claims of a workspace stand; or what a bundle says, with nothing checked."""
    from farthing.artifacts.entries import read_book
    from farthing.artifacts.workspace import Workspace
    from farthing.studies.claim.standing import drafted_names, find_standing

    if what is not None and (path := Path(what)).suffix == ".claim":
        _show_bundle(path, as_json=as_json)
        return
    records = read_book(Workspace(workspace).book_file).records
    names = drafted_names(records) if what is None else [what]
    standings = [find_standing(records, name) for name in names]
    if as_json:
        print_json({"claims": [_facts(standing) for standing in standings]})
        return
    for standing in standings:
        _print_standing(standing, workspace, as_json=False)
    if not standings:
        print("this book holds no draft of a claim")


def _session(workspace: Path, *, as_json: bool) -> Session:
    from farthing.session import open_session

    return open_session(workspace, make_show(as_json))


def _facts(standing: Standing) -> dict[str, object]:
    """A claim of the book as plain JSON values."""
    return {
        "name": standing.draft.name,
        "draft": standing.digest,
        "nonce": standing.nonce.nonce if standing.nonce else None,
        "seeds": list(standing.seeds) if standing.nonce else None,
        "claim": standing.made.claim if standing.made else None,
        "given_up": list(standing.given_up),
    }


def _next_step(standing: Standing, workspace: Path) -> str:
    """What to do now, with the command to type."""
    name = standing.draft.name
    if standing.nonce is None:
        return (
            f"show the digest to a verifier (or wait for a public beacon), then enter the number: "
            f"{_command('nonce', name, workspace, 'HEX')}"
        )
    if standing.made is None:
        return _command("run", name, workspace)
    return f"answer verifiers: {_command('answer', 'FILE.claim', workspace, 'NONCE')}"


def _command(verb: str, first: str, workspace: Path, *more: str) -> str:
    words = ["farthing", "claim", verb, first, *more]
    if workspace != HERE:
        words += ["-w", str(workspace)]
    return " ".join(words)


def _print_standing(standing: Standing, workspace: Path, *, as_json: bool) -> None:
    following = _next_step(standing, workspace)
    if as_json:
        print_json({**_facts(standing), "next": following})
        return
    _say("claim", f"{standing.draft.name}: {standing.draft.statement}")
    _say("draft", f"entry {standing.entry}, {standing.digest}")
    if standing.given_up:
        _say("given up", f"entries {', '.join(map(str, standing.given_up))}, drafts before it")
    if standing.nonce is not None:
        nonce = standing.nonce
        _say("nonce", f"{nonce.nonce} ({nonce.origin}: {nonce.detail})")
        _say("seeds", ", ".join(map(str, standing.seeds)))
    if standing.made is not None:
        _say("made", f"entry {standing.made_entry}, {standing.made.claim}")
    _say("next", following)


def _print_claim(claim: Claim) -> None:
    """What a claim says, in a few lines."""
    from farthing.charts.visible import visible

    _say("claim", visible(f"{claim.name}: {claim.statement}"))
    for each in claim.reached:
        what = "reached" if each.reached else "not reached"
        counted = "" if each.counted or not each.reached else ", but the baseline never reaches it"
        _say(
            what,
            f"{each.shape}: {each.mean:.4f} bits per byte, at most {each.upper95:.4f} (95 %), "
            f"target {each.target:g}{counted}",
        )
    for figure in claim.ratio:
        _say(
            "ratio",
            f"{figure.point:.2f}, at least {figure.lower95:.2f} (95 %), in {figure.basis}, "
            f"{figure.scope}",
        )
    if not claim.ratio:
        _say("ratio", "none: no member is reached by the method and by the baseline")
    for line in claim.cost:
        amounts = line.amounts
        if amounts.runs or amounts.device_hours:
            _say(
                "cost",
                f"{line.what}: {amounts.runs} runs, {amounts.device_hours:.4g} device-hours, "
                f"{amounts.flops + amounts.optimizer_flops:.3g} FLOP",
            )
    for exclusion in claim.excluded:
        _say("excluded", visible(f"{exclusion.what}: {exclusion.why}"))
    bundled = claim.checkpoints
    _say("segments", f"{bundled.segments}, whose checkpoints take {_size(bundled.bytes)}")


def _show_bundle(path: Path, *, as_json: bool) -> None:
    from farthing.studies.claim.reading import read_unverified

    digest, claim = read_unverified(path)
    if as_json:
        print_json({"digest": digest, "claim": claim.model_dump(mode="json")})
        return
    _print_claim(claim)
    _say("digest", digest)
    _say("next", f"nothing of this was checked: farthing verify {path}")


def _print_anchored(anchored: Anchored, *, as_json: bool) -> None:
    if as_json:
        print_json(vars(anchored))
        return
    _say("anchor", anchored.what)
    _say("digest", anchored.digest)
    _say("next", anchored.following)


def _say(label: str, text: str) -> None:
    print(f"{label:<12}{text}")


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} {_UNITS[-1]}"

"""The verbs that say what it cost: bill, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from farthing.cli.options import HERE, JsonOption, RunOption, WorkspaceOption
from farthing.cli.output import print_cost_to_bpb, print_json

if TYPE_CHECKING:
    from farthing.artifacts.settings import WorkspaceSettings
    from farthing.artifacts.workspace import Workspace

View = Literal["marginal", "amortised", "fully_loaded"]
Format = Literal["text", "json", "csv", "html"]


def bill(
    workspace: WorkspaceOption = HERE,
    artifact: Annotated[
        str | None,
        typer.Option(
            metavar="PLACE|DIGEST",
            help="Of one artifact with its whole lineage: its folder, name or digest.",
        ),
    ] = None,
    view: Annotated[
        View | None,
        typer.Option(
            help="With --artifact: without its parents, with its share of them, or with all of "
            "them (if left out)."
        ),
    ] = None,
    form: Annotated[Format | None, typer.Option("--format", help="Text if left out.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write it to this file, which must not be there yet.")
    ] = None,
    book_only: Annotated[
        bool,
        typer.Option("--book-only", help="Take no price, grid or PUE from farthing.yaml."),
    ] = False,
    record: Annotated[
        bool,
        typer.Option("--record", help="First enter what farthing.yaml says for all runs."),
    ] = False,
    to_bpb: Annotated[
        float | None,
        typer.Option(help="Say what it costs to reach this loss in bits per byte instead."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add up what everything in a workspace cost, failed and killed runs included."""
    from farthing.artifacts.settings import WorkspaceSettings, load_settings
    from farthing.artifacts.workspace import Workspace
    from farthing.errors import UsageError

    of = Workspace(workspace)
    if to_bpb is not None:
        _print_to_bpb(of, to_bpb, as_json=as_json or form == "json")
        return
    if view is not None and artifact is None:
        raise UsageError(
            "--view goes with --artifact: a workspace has one bill, and its members have three",
            remedy="name an artifact, or leave --view out",
        )
    # The book alone speaks, also where farthing.yaml is broken or somebody else's.
    settings = WorkspaceSettings() if book_only and not record else load_settings(of)
    if record:
        _record(of, settings)
    if as_json and form not in (None, "json"):
        raise UsageError(f"--json and --format {form} contradict", remedy="give one of them")
    chosen: Format = "json" if as_json else form or "text"
    if artifact is None:
        _write_bill(of, settings, chosen, out, book_only=book_only)
    else:
        wanted = artifact, view or "fully_loaded"
        _write_artifact_bill(of, settings, wanted, chosen, out, book_only=book_only)


def _write_bill(
    workspace: Workspace,
    settings: WorkspaceSettings,
    form: Format,
    out: Path | None,
    *,
    book_only: bool,
) -> None:
    from farthing.ledger.bill import make_bill
    from farthing.report.bill_page import write_bill

    write_bill(make_bill(workspace, settings, book_only=book_only), form, out)


def _write_artifact_bill(
    workspace: Workspace,
    settings: WorkspaceSettings,
    wanted: tuple[str, View],
    form: Format,
    out: Path | None,
    *,
    book_only: bool,
) -> None:
    from farthing.ledger.artifact_bill import make_artifact_bill
    from farthing.report.bill_page import write_bill

    write_bill(make_artifact_bill(workspace, settings, *wanted, book_only=book_only), form, out)


def _record(workspace: Workspace, settings: WorkspaceSettings) -> None:
    """Enter the rates of farthing.yaml for all runs, and say which entries that made."""
    import sys

    from farthing.artifacts.entries import read_book
    from farthing.ledger.book import Book
    from farthing.ledger.entry_ref import numbers_text
    from farthing.ledger.rates import record_rates

    # Reading first: a workspace without a book gets none from asking for a bill.
    read_book(workspace.book_file)
    entered = record_rates(settings, Book.open(workspace))
    said = f"entries {numbers_text(each.number for each in entered)}" if entered else "nothing new"
    print(f"rates of farthing.yaml entered for all runs: {said}", file=sys.stderr)


def _print_to_bpb(workspace: Workspace, bpb: float, *, as_json: bool) -> None:
    from farthing.report.to_bpb import cost_to_bpb

    answer = cost_to_bpb(workspace, bpb)
    if as_json:
        print_json(answer.to_json())
    else:
        print_cost_to_bpb(answer)


def report(
    corpus: Annotated[
        str | None,
        typer.Argument(
            metavar="[CORPUS]",
            help="With --data: a folder under corpora/, or the start of its name or digest.",
        ),
    ] = None,
    data: Annotated[
        bool,
        typer.Option("--data", help="About a corpus instead: what was dropped, why, and samples."),
    ] = False,
    run: RunOption = None,
    workspace: WorkspaceOption = HERE,
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; WORKSPACE/report.html, or data.html, if left out."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite an .html file that is no report of ours.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one self-contained HTML page about a family: quality, cost, data, samples.

    With --data it is about a corpus: the funnel of its curation with reasons, what stayed in which
    language and domain, samples kept and dropped side by side, near-duplicates, contamination.
    """
    from farthing.artifacts.workspace import Workspace
    from farthing.errors import UsageError
    from farthing.report.data_page import write_data_page
    from farthing.report.run import write_report

    if corpus is not None and not data:
        raise UsageError(
            f"{corpus!r} names a corpus, and a report without --data is about a family",
            remedy="add --data, or name the family's run with --run",
        )
    if data and run is not None:
        raise UsageError(
            "--run names a family, and a report with --data is about a corpus",
            remedy="leave one of them out",
        )
    of = Workspace(workspace)
    if data:
        page = write_data_page(of, corpus, out, replace=replace)
        if as_json:
            print_json(page.to_json())
        else:
            print(page.path)
        return
    written = write_report(of, run, out, replace=replace)
    if as_json:
        print_json(written.to_json())
    else:
        print(written.path)

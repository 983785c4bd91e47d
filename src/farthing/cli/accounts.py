"""The verbs that say what it cost and whether that holds: bill, verify, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farthing.cli.options import HERE, JsonOption, RunOption, WorkspaceOption
from farthing.cli.output import print_bill, print_json, read_bill


def bill(workspace: WorkspaceOption = HERE, as_json: JsonOption = False) -> None:
    """Add up what everything in a workspace cost, failed and killed runs included."""
    from farthing.artifacts.workspace import Workspace

    made = read_bill(Workspace(workspace))
    if as_json:
        print_json(made.to_json())
    else:
        print_bill(made)


def verify(
    workspace: WorkspaceOption = HERE,
    head: Annotated[
        str | None, typer.Option(help="The book's last digest, as you noted it.")
    ] = None,
    count: Annotated[
        int | None, typer.Option(help="The book's entries, as you noted them.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Check the book, the journals and the artifacts; exit code 1 if anything is wrong."""
    from farthing.artifacts.workspace import Workspace
    from farthing.stages.verify.run import verify_workspace

    verdict = verify_workspace(Workspace(workspace), head=head, count=count)
    if as_json:
        print_json(verdict.to_json())
    else:
        for finding in verdict.findings:
            mark = "ok   " if finding.ok else "WRONG"
            print(f"{mark} {finding.check}: {finding.detail} ({finding.where})")
    return 0 if verdict.ok else 1


def report(
    run: RunOption = None,
    workspace: WorkspaceOption = HERE,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; WORKSPACE/report.html if left out.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Overwrite an .html file that is no report of ours.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one self-contained HTML page about a family: quality, cost, data, samples."""
    from farthing.artifacts.workspace import Workspace
    from farthing.report.run import write_report

    written = write_report(Workspace(workspace), run, out, replace=replace)
    if as_json:
        print_json(written.to_json())
    else:
        print(written.path)

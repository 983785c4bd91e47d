"""`farthing report`: gather, render, write; a file that is not ours is never overwritten."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farthing.artifacts.storage import write_atomic
from farthing.artifacts.workspace import Workspace
from farthing.errors import UsageError, WorkspaceError
from farthing.flow import find_run
from farthing.report.facts.gather import ReportFacts, gather
from farthing.report.facts.samples import PROMPTS, Prompt
from farthing.report.page import GENERATOR, render
from farthing.report.sections.overview import overview

REPORT_NAME = "report.html"

_MARK = re.compile(rf'<meta name="generator" content="{GENERATOR}\b[^"<>]*">'.encode())
# The mark stands among the first lines of the head.
_HEAD_BYTES = 2048


@dataclass(frozen=True)
class Report:
    """A page that was written, and what is on it."""

    path: Path
    size_bytes: int
    facts: ReportFacts

    def to_json(self) -> dict[str, Any]:
        """The headline as plain JSON values; null is unknown."""
        facts = self.facts
        best = min(facts.scores.members, key=lambda member: member.mean_bpb)
        return {
            "report": str(self.path),
            "bytes": self.size_bytes,
            "run": facts.folder,
            "members": len(facts.scores.members),
            "best": {"member": best.label, "mean_bpb": best.mean_bpb, "split": facts.scores.split},
            "cost": facts.cost.to_json(),
            "missing": [f"{gap.what} {gap.how}" for gap in overview(facts).missing],
        }


def write_report(
    workspace: Workspace,
    run: str | None,
    target: Path | None = None,
    *,
    replace: bool = False,
    prompts: Sequence[Prompt] = PROMPTS,
) -> Report:
    """Write the page about the family of `run`.

    Args:
        workspace: what to report on; nothing in it is changed but the page.
        run: a folder under `runs/`, its start is enough; None for the only one.
        target: the file; `report.html` in the workspace for None.
        replace: overwrite the target even if it is no report, as long as its name ends in .html.
            A former report always gives way.
        prompts: what members continue; none for no samples.

    Raises:
        UsageError: the family has no scores, no run fits, the target is another file, or it is
            no page directly under the workspace's root but inside.
        WorkspaceError: the target cannot be written.
        ArtifactError, BookError: something is missing, changed or damaged.
    """
    target = workspace.root / REPORT_NAME if target is None else target
    # Both are asked first: reading everything and sampling take a while.
    find_run(workspace, run)
    _check_folder(target)
    _check_workspace(target, workspace)
    _check_former(target, replace=replace)
    facts = gather(workspace, run, prompts)
    page = render(facts)
    try:
        write_atomic(target, page)
    except (OSError, WorkspaceError) as error:
        raise _not_writable(target, str(getattr(error, "what", error))) from error
    return Report(target, len(page), facts)


def is_report(path: Path) -> bool:
    """Whether a file was written by `write_report`."""
    with path.open("rb") as file:
        return _MARK.search(file.read(_HEAD_BYTES)) is not None


def _check_folder(target: Path) -> None:
    parent = target.parent
    if target.is_dir():
        raise UsageError(
            f"{target} is a folder", remedy=f"name the file: --out {target / REPORT_NAME}"
        )
    if not parent.is_dir():
        raise _not_writable(target, f"there is no folder {parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise _not_writable(target, f"the folder {parent} is not writable")


def _check_workspace(target: Path, workspace: Workspace) -> None:
    """Everything else in there is the book, or what the book speaks of."""
    # Resolved: a link or `..` may lead inside from anywhere.
    parent = target.parent.resolve()
    if parent.samefile(workspace.root):
        if not _is_page(target):
            raise UsageError(
                f"{target} is in the workspace, where a report ends in .html",
                remedy=f"name it {target.with_name(REPORT_NAME)}, or a file elsewhere",
            )
    elif any(folder.samefile(workspace.root) for folder in parent.parents):
        raise UsageError(
            f"{target} is in a folder of the workspace, where farthing keeps what the book names",
            remedy=f"name {workspace.root / REPORT_NAME}, or a file elsewhere",
        )


def _check_former(target: Path, *, replace: bool) -> None:
    """What is there may go if we made it, or if the user says so and it is a page."""
    if not target.exists():
        return
    if not target.is_file():
        raise UsageError(f"{target} is no ordinary file", remedy="name another with --out")
    if replace and not _is_page(target):
        raise UsageError(
            f"{target} is there already, and only a file that ends in .html is ever replaced",
            remedy="name another file with --out, or move that one away",
        )
    try:
        gives_way = replace or is_report(target)
    except OSError as error:
        raise _not_writable(target, f"it is there and cannot be read: {error}") from error
    if not gives_way:
        raise UsageError(
            f"{target} is there already and is no farthing report",
            remedy="name another file with --out, or move that one away",
        )


def _is_page(target: Path) -> bool:
    return target.name.lower().endswith(".html")


def _not_writable(target: Path, why: str) -> WorkspaceError:
    return WorkspaceError(
        f"{target} cannot be written: {why}", remedy="name a file elsewhere with --out"
    )

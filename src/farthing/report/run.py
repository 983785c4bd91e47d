"""`farthing report`: gather, render, write; a file that is not ours is never overwritten."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farthing.artifacts.storage import write_atomic
from farthing.artifacts.workspace import Workspace
from farthing.errors import WorkspaceError
from farthing.flow import find_run
from farthing.report.facts.gather import ReportFacts, gather
from farthing.report.facts.samples import PROMPTS, Prompt
from farthing.report.page import render
from farthing.report.sections.overview import overview
from farthing.report.target import (
    DATA_PAGE_NAME,
    check_target,
    is_data_page_of,
    not_writable,
)

REPORT_NAME = "report.html"


@dataclasses.dataclass(frozen=True)
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
    check_target(target, workspace, REPORT_NAME, replace=replace)
    facts = gather(workspace, run, prompts)
    beside = target.with_name(DATA_PAGE_NAME)
    if facts.data is not None and is_data_page_of(beside, facts.data.digest):
        facts = dataclasses.replace(facts, data_page=DATA_PAGE_NAME)
    page = render(facts)
    try:
        write_atomic(target, page)
    except (OSError, WorkspaceError) as error:
        raise not_writable(target, str(getattr(error, "what", error))) from error
    return Report(target, len(page), facts)

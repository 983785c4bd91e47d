"""The bill of one artifact with its whole lineage: its lines on one view, its sums on all three."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from farthing.artifacts.chain import Head
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.workspace import Workspace
from farthing.ledger.bill import BASELINE, read_accounts, unknown_figures
from farthing.ledger.carried import artifact_lines, lineage_of, not_on_it
from farthing.ledger.figures import Figures, add_figures
from farthing.ledger.lines import VIEWS, BillLine, View, sums_by_category
from farthing.ledger.place import find_artifact
from farthing.ledger.rates_text import rates_notes
from farthing.ledger.sci import Boundary, Sci, boundary_of, sci
from farthing.ledger.tree import CostTree


@dataclass(frozen=True, kw_only=True)
class ArtifactBill:
    """What one artifact cost.

    Attributes:
        project: the book's name for itself.
        artifact: digest.
        what: it is, in words.
        view: of which the lines are.
        lines: every run, part of a run and expense that the view carries.
        total: the sum of the lines.
        views: the total on each of the three views.
        sci: carbon of the view per model FLOP, with its boundary; None where a part is unknown.
        excluded: runs of the book that the view leaves out, in whole or in part, and why.
        basis, unknown, notes, left_out: as on the bill of the workspace.
        head: count and digest of the book's last entry.
        key: fingerprint of the key that signed the book.
    """

    project: str
    artifact: str
    what: str
    view: View
    lines: tuple[BillLine, ...]
    total: Figures
    views: dict[View, Figures]
    sci: Sci | None
    excluded: tuple[str, ...]
    basis: tuple[str, ...]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]
    left_out: tuple[str, ...]
    head: Head
    key: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; null is unknown."""
        sums = sums_by_category(self.lines)
        return {
            "project": self.project,
            "artifact": self.artifact,
            "what": self.what,
            "view": self.view,
            "lines": [line.to_json() for line in self.lines],
            "categories": [
                {"relation": relation, "category": category, **figures.to_json()}
                for (relation, category), figures in sums.items()
            ],
            "total": self.total.to_json(),
            "views": {view: figures.to_json() for view, figures in self.views.items()},
            "sci": self.sci.to_json() if self.sci else None,
            "excluded": list(self.excluded),
            "basis": list(self.basis),
            "baseline": BASELINE,
            "unknown": list(self.unknown),
            "notes": list(self.notes),
            "left_out": list(self.left_out),
            "book": {"count": self.head.count, "head": self.head.digest, "key": self.key},
        }


def make_artifact_bill(
    workspace: Workspace,
    settings: WorkspaceSettings,
    place: str,
    view: View = "fully_loaded",
    *,
    book_only: bool = False,
) -> ArtifactBill:
    """Verify the book and add up what one artifact rests on.

    Args:
        workspace: whose book it is.
        settings: rates that the book lacks.
        place: the artifact's folder, name or digest.
        view: of which the lines are shown.
        book_only: take no rate from `settings`: what the book lacks is unknown.

    Raises:
        BookError: there is no book, or it does not verify.
        UsageError: nothing fits `place`, several artifacts do, or no run of the book made it.
        ArtifactError: the folder's manifest cannot be read.
        UnknownHardwareError: `farthing.yaml` names a grid or a site that the catalogue lacks, or
            its carbon by the hour lacks hours in which runs worked.
        ConfigError: that series, or what the user added to the catalogue, is wrong.
    """
    accounts = read_accounts(workspace, settings, book_only=book_only)
    tree, pricing = accounts.tree, accounts.pricing
    digest = find_artifact(place, workspace, tree)
    lineage = lineage_of(tree, digest)
    lines = {each: artifact_lines(lineage, each, pricing, accounts.expenses) for each in VIEWS}
    outside = tuple(
        f"{model}, which no run of this book made: what that cost is not in this bill (the bill of "
        "its own workspace says it)"
        for model in lineage.outside
    )
    whole = add_figures(line.figures for line in lines[view])
    return ArtifactBill(
        project=accounts.project,
        artifact=digest,
        what=lineage.what,
        view=view,
        lines=lines[view],
        total=whole,
        views={
            each: add_figures(line.figures for line in of_view) for each, of_view in lines.items()
        },
        sci=_sci(whole, lines[view], view, tree),
        excluded=not_on_it(lineage, view, tree),
        basis=rates_notes(pricing, len(tree.runs)),
        unknown=(*unknown_figures(accounts), *outside),
        notes=(*accounts.notes, *lineage.notes),
        left_out=accounts.left_out,
        head=accounts.head,
        key=accounts.key,
    )


def _sci(whole: Figures, lines: Iterable[BillLine], view: View, tree: CostTree) -> Sci | None:
    """Carbon of a view over the FLOPs of all its runs, whatever became of them."""
    on_it = {line.run for line in lines}
    drawn = boundary_of(
        (run.start.purpose, run.status) for run in tree.runs if run.start.run in on_it
    )
    boundary = Boundary((VIEWS[view], *drawn.included), drawn.excluded)
    return sci(
        whole.kg_co2e,
        whole.kg_embodied,
        whole.flops,
        per="FLOP",
        counted="gross",
        boundary=boundary,
    )

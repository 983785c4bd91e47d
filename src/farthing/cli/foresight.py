"""What was foreseen and what came, as a table and as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farthing.cli.output import print_table

if TYPE_CHECKING:
    from farthing.report.facts.gather import ReportFacts


def print_foresight(facts: ReportFacts) -> None:
    """A table of the figures that were signed before the run; nothing where none were."""
    from rich.table import Table

    from farthing.report.sections.foresight import foresight_rows

    if not facts.compared:
        return
    table = Table(title="Foreseen, signed before the run, and found", title_justify="left")
    table.add_column("figure", no_wrap=True)
    for column in ("foreseen", "range (8 of 10)", "found", "off by"):
        table.add_column(column, justify="right")
    for row in foresight_rows(facts.compared, facts.labels):
        table.add_row(row.figure, row.foreseen, row.extent, row.found, row.off)
    print_table(table)


def foresight_json(facts: ReportFacts) -> list[dict[str, Any]]:
    """The same; `found` is null where nobody found out."""
    return [
        {**each.foreseen.model_dump(mode="json"), "found": each.found, "off": each.off}
        for each in facts.compared
    ]

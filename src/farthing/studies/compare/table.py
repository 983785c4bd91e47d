"""A comparison's members as a table for a terminal."""

from __future__ import annotations

from rich.table import Table

from farthing.studies.compare.page import Summary, members_rows


def comparison_table(summary: Summary) -> Table:
    """One row for each member: elastic, then every other arm with the difference and its chance."""
    heads, rows = members_rows(summary)
    table = Table(title="Bits per byte by arm; below zero, elastic is better")
    for place, head in enumerate(heads):
        table.add_column(head, justify="left" if place == 0 else "right")
    for row in rows:
        table.add_row(*row)
    return table

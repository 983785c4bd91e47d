"""A bill in long form: one row for each figure of each line, so that any program can add it up."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from farthing.ledger.artifact_bill import ArtifactBill
from farthing.ledger.bill import Bill
from farthing.ledger.lines import BillLine, kind_of

COLUMNS = (
    *("artifact", "view", "relation", "category", "what", "shape", "run", "attempt", "status"),
    *("share", "quantity", "basis", "value", "unit", "low", "high", "kind", "source", "entries"),
)
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_text(bill: Bill | ArtifactBill) -> str:
    """The lines of a bill as CSV; an unknown figure has an empty value and the kind `unknown`.

    The rows of one quantity, and of money those of one basis, add up to the bill's total.
    """
    lines = bill.lines if isinstance(bill, ArtifactBill) else bill.all_lines
    artifact = bill.artifact if isinstance(bill, ArtifactBill) else ""
    view = bill.view if isinstance(bill, ArtifactBill) else ""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in _rows(lines):
        writer.writerow([_harmless(cell) for cell in (artifact, view, *row)])
    return file.getvalue()


def _rows(lines: Iterable[BillLine]) -> Iterator[tuple[object, ...]]:
    for line in lines:
        entries = " ".join(str(entry.number) for entry in line.entries)
        head = (
            *(line.relation, line.category, line.what, line.shape),
            *(line.run, line.attempt, line.status, line.share),
        )
        for name, basis, value in line.figures.amounts():
            figure: tuple[object, ...] = ("", "", "", "", kind_of(value), "")
            if value is not None:
                # All digits: what the rows add up to is the bill's total.
                numbers = (repr(value.value), value.unit, repr(value.low), repr(value.high))
                figure = (*numbers, kind_of(value), value.source)
            yield (*head, name, basis, *figure, entries)


def _harmless(cell: object) -> object:
    """Other people's words stay words in a spreadsheet; our numbers are never negative."""
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return cell

"""`farthing bill --to-bpb X`: what it costs to reach a loss, as the booked runs show it."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farthing.artifacts.entries import read_book
from farthing.artifacts.settings import load_settings
from farthing.artifacts.workspace import Workspace
from farthing.errors import UsageError
from farthing.ledger.bill import make_bill
from farthing.ledger.rates import NOT_BOOKED
from farthing.quantity import MARKS_EXPLAINED, marked_with_range
from farthing.report.facts.frontier import SPLIT, CostTo, Frontier, Frontiers, read_frontiers

_SHORT = 10
_COLUMNS = 80
_RATES = "Priced by the rates that the book holds for each run: `farthing bill` lists them."


@dataclass(frozen=True)
class CostToBpb:
    """The answer, for every text on which finished runs were scored.

    Attributes:
        bpb: the loss that was asked for.
        frontiers: the end points, text by text.
        basis: on which rates the costs rest, in words.
    """

    bpb: float
    frontiers: Frontiers
    basis: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; an empty `costs` says that no run reached it."""
        return {
            "bpb": self.bpb,
            "split": SPLIT,
            "texts": [
                {
                    "corpus": text.corpus,
                    "held_out_bytes": text.held_out_bytes,
                    "best_bpb": text.points[0].bpb,
                    "costs": [cost.to_json() for cost in text.cost_to(self.bpb)],
                }
                for text in self.frontiers.texts
            ],
            "basis": list(self.basis),
            "not_counted": list(self.frontiers.not_counted),
        }

    def tables(self) -> RenderableType:
        """The same for a terminal."""
        pieces: list[RenderableType] = []
        for text in self.frontiers.texts:
            pieces += [self._answer(text), Text()]
        if not self.frontiers.texts:
            pieces.append(Text("no finished run of this workspace was scored: farthing evaluate"))
        else:
            pieces.append(_wrapped(_RATES))
            pieces += [_wrapped(f"  - {each}") for each in self.basis if NOT_BOOKED in each]
            pieces.append(_wrapped(MARKS_EXPLAINED))
        pieces += [_wrapped(f"not counted: {each}") for each in self.frontiers.not_counted]
        return Group(*pieces)

    def _answer(self, text: Frontier) -> RenderableType:
        costs = text.cost_to(self.bpb)
        where = f"{SPLIT} text of corpus {text.corpus[:_SHORT]} ({', '.join(text.held_out_bytes)})"
        if not costs:
            best = text.points[0]
            return _wrapped(
                f"no run reached {self.bpb:g} bits per byte on {where}: "
                f"the best is {best.bpb:.4f}, {best.member} of {best.run}"
            )
        table = Table(
            title=textwrap.fill(f"To reach {self.bpb:g} bits per byte on {where}", _COLUMNS),
            title_justify="left",
            title_style="",
            show_edge=False,
        )
        for name in ("unit", "cost, fully loaded", "kind", "how it is known"):
            table.add_column(name, justify="right" if name.startswith("cost") else "left")
        for cost in costs:
            bound = "" if cost.exact else "at most "
            kind = str(cost.cost.provenance)
            table.add_row(cost.unit, bound + marked_with_range(cost.cost), kind, _how(cost))
        return table


def cost_to_bpb(workspace: Workspace, bpb: float) -> CostToBpb:
    """What it costs to reach `bpb` bits per byte, by the rates of the book or of `farthing.yaml`.

    Raises:
        UsageError: `bpb` is no number above zero.
        BookError: there is no book, or it does not verify.
        ArtifactError: a score matrix is damaged.
    """
    if not (math.isfinite(bpb) and bpb > 0):
        raise UsageError(
            f"--to-bpb {bpb:g} is no loss that a run can reach",
            remedy="name bits per byte above zero, such as --to-bpb 1.95",
        )
    bill = make_bill(workspace, load_settings(workspace), hours_may_lack=True)
    records = read_book(workspace.book_file).records
    return CostToBpb(bpb, read_frontiers(workspace, bill.families, records), bill.basis)


def _wrapped(line: str) -> Text:
    return Text(textwrap.fill(line, _COLUMNS, subsequent_indent="    ", break_long_words=False))


def _how(cost: CostTo) -> str:
    reached = f"{cost.member} of {cost.run}"
    if cost.longer_than is None:
        return reached
    return f"between {cost.longer_than} and {reached}"

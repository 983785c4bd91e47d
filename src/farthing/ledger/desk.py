"""The desk at which entries are made by hand, and what such an entry does to the total.

Everything is checked against the book before anything is written: an entry stays for good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from farthing.artifacts.body import Body
from farthing.artifacts.entries import read_book
from farthing.artifacts.settings import WorkspaceSettings
from farthing.artifacts.workspace import Workspace
from farthing.errors import ConfigError
from farthing.ledger.accounts import collect_runs
from farthing.ledger.bill import make_bill
from farthing.ledger.book import Book
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.figures import Figures
from farthing.ledger.withdrawals import standing
from farthing.quantity import Quantity

BodyT = TypeVar("BodyT", bound=BaseModel)

_REMEDIES = {
    "what": "say what the money was spent on",
    "usd": "give what was paid in US dollars, 0 or more",
    "date": "add the day on which it was due: --date 2026-01-31",
    "source": "say where that can be looked up, such as the number of the invoice",
    "runs": "name each run once, by its number on the bill: --runs 3,4",
    "covers": 'say what the meter saw: --covers "the whole machine"',
    "since": "write the beginning with its zone: --from 2026-03-01T09:00Z",
    "until": "write the end with its zone: --until 2026-03-01T17:30Z",
    "devices": "give how many devices were paid for, 1 or more",
}
_OPTIONS = {"since": "from"}


@dataclass(frozen=True)
class Entered:
    """An entry that was made by hand, and the bill's total before and after it."""

    entry: EntryRef
    body: Body
    before: Figures
    after: Figures

    def changes(self) -> tuple[tuple[str, Quantity | None, Quantity | None], ...]:
        """The figures of the total that it changed: name, before and after; None is unknown."""
        return tuple(
            (f"USD {basis}" if basis else name, before, after)
            for (name, basis, before), (_, _, after) in zip(
                self.before.amounts(), self.after.amounts(), strict=True
            )
            if (before and before.value) != (after and after.value)
        )

    def still_unknown(self) -> tuple[str, ...]:
        """The figures of the total that nobody knows, before or after."""
        return tuple(
            f"USD {basis}" if basis else name
            for (name, basis, before), (_, _, after) in zip(
                self.before.amounts(), self.after.amounts(), strict=True
            )
            if before is None and after is None
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "entry": self.entry.number,
            "digest": self.entry.digest,
            "kind": self.body.kind_name,
            "body": self.body.model_dump(mode="json"),
            "total_before": self.before.to_json(),
            "total": self.after.to_json(),
        }


class Desk:
    """Enters things into the book of a workspace that has one.

    Attributes:
        records: the entries of the book, verified, as they were when it was opened, without those
            that were taken back.
        runs: its runs by number.
    """

    def __init__(self, workspace: Workspace, settings: WorkspaceSettings) -> None:
        """Open the book.

        Args:
            workspace: whose book it is.
            settings: rates that the book lacks, for what an entry does to the total.

        Raises:
            BookError: there is no book, or it does not verify.
        """
        # Reading first: a workspace without a book gets none from entering an expense.
        read_book(workspace.book_file)
        self._workspace = workspace
        self._settings = settings
        self._book = Book.open(workspace)
        self.records = standing(self._book.records)
        every = collect_runs(workspace, self._book.records)
        self.runs = {run.start.run: run for run in every}

    def enter(self, body: Body) -> Entered:
        """Write an entry that was checked.

        Raises:
            ConfigError: the book says exactly that already.
        """
        same = [record for record in self.records if record.body == body]
        if same:
            raise ConfigError(
                f"entry {same[0].entry.number} of the book says exactly that already",
                remedy="if it happened twice, let --source tell the two apart",
            )
        before = make_bill(self._workspace, self._settings, hours_may_lack=True).total
        record = self._book.append(body)
        after = make_bill(self._workspace, self._settings, hours_may_lack=True).total
        return Entered(EntryRef.of(record), body, before, after)

    def check_runs(self, runs: Sequence[int]) -> None:
        """Refuse runs that the book lacks.

        Raises:
            ConfigError: naming those that are not there, and those that are.
        """
        absent = sorted(set(runs) - set(self.runs))
        if absent:
            there = f"its runs are {numbers_text(self.runs)}" if self.runs else "it has none"
            raise ConfigError(
                f"--runs: the book has no run {numbers_text(absent)}; {there}",
                remedy="name runs by their numbers, as `farthing bill` lists them",
            )


def made(cls: type[BodyT], **fields: Any) -> BodyT:  # noqa: ANN401 - as a user typed them
    """The body of an entry; a field that cannot be is named by its option.

    Raises:
        ConfigError: what is wrong, and how to write it.
    """
    try:
        return cls(**fields)
    except ValidationError as error:
        detail = error.errors()[0]
        place = [str(part) for part in detail["loc"]] or ["until"]
        option = _OPTIONS.get(place[0], place[0])
        given = detail["input"] if detail["loc"] else fields.get("until")
        raise ConfigError(
            f"--{option} {'is missing' if given is None else repr(given)}: "
            f"{detail['msg'].removeprefix('Value error, ')}",
            remedy=_REMEDIES.get(place[0], "see --help"),
        ) from error

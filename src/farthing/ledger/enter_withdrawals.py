"""Taking back what was entered by hand and was wrong."""

from __future__ import annotations

from farthing.artifacts.holding import Holding
from farthing.artifacts.withdrawal import Withdrawal
from farthing.errors import ConfigError
from farthing.ledger.desk import Desk, Entered, made
from farthing.ledger.entry_ref import EntryRef, numbers_text
from farthing.ledger.withdrawals import WITHDRAWABLE, readings_of


def enter_withdrawal(desk: Desk, *, number: int, reason: str) -> Entered:
    """Take an expense, a reading or a holding back; the entry itself stays in the book.

    Args:
        desk: with the book open.
        number: of the entry.
        reason: why it was wrong.

    Raises:
        ConfigError: there is no such entry, it is of another kind, it was taken back before, or
            readings rest on it.
    """
    found = [record for record in desk.records if record.entry.number == number]
    mine = [r.entry.number for r in desk.records if isinstance(r.body, WITHDRAWABLE)]
    if not found or not isinstance(found[0].body, WITHDRAWABLE):
        raise ConfigError(
            f"--entry {number}: nothing was entered by hand there that still stands",
            remedy=f"name one of: {numbers_text(mine)}" if mine else "there is nothing to withdraw",
        )
    entry = EntryRef.of(found[0])
    if isinstance(found[0].body, Holding) and (resting := readings_of(entry, desk.records)):
        raise ConfigError(
            f"--entry {number}: the readings {numbers_text(resting)} say what its idle time used",
            remedy="withdraw these first",
        )
    return desk.enter(made(Withdrawal, entry=entry.digest, reason=reason))

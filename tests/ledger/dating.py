"""Dates the entries of a book: a clock that stands where a test sets it."""

from __future__ import annotations

from farthing.ledger import appender


class Clock:
    """The time that entries are dated with, on one day of 2024."""

    def __init__(self, monkeypatch) -> None:
        self.time = "00:00:00"
        monkeypatch.setattr(appender, "utc_now", self.now)

    def now(self) -> str:
        return f"2024-03-01T{self.time}.000Z"

    def at(self, time: str) -> None:
        """From now on it is so late: hours and minutes, and seconds where they matter."""
        self.time = time if time.count(":") == 2 else f"{time}:00"

"""Level 0, the journals: each is the one whose head the book signed.

The end of a run records how long its journal was and the digest of its last line, and each line
that of the line before: the hashes alone cover a journal to the last bit, so its signatures need
not be looked at. Only a run that has not ended must show them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from farthing.artifacts.canonical import sha256_hex
from farthing.artifacts.chain import ChainFile
from farthing.artifacts.claims.strict_json import parse_strict_line
from farthing.artifacts.entries import Heartbeat, RunEnd, RunStart, read_records
from farthing.artifacts.work import Work
from farthing.errors import BookError, ClaimError

# The clock of a machine is set back by its time service now and then.
CLOCK_SLACK_SECONDS = 2.0
_GROWING = ("wall_seconds", "device_seconds", "cpu_seconds", "tokens", "flops", "optimizer_flops")
_ROUNDING = 1e-9


@dataclass(frozen=True)
class JournalFacts:
    """What one journal said.

    Attributes:
        last_beat: work of the last heartbeat, or None.
        broken: why it is not the journal that the book signed; None where it is.
        odd: what cannot have happened: amounts that shrink, clocks that go back.
    """

    last_beat: Work | None
    broken: str | None
    odd: tuple[str, ...]


def read_ended(lines: Iterable[bytes], first: str, start: RunStart, end: RunEnd) -> JournalFacts:
    """The journal of a run that has ended, by its hashes.

    Args:
        lines: of the file.
        first: digest of the run's first entry in the book, which the journal continues.
        start: the run.
        end: how it ended.
    """
    link, watch, count = first, _Watch(), 0
    for line in lines:
        if count == end.journal_count:
            # A process that is killed in the middle of a write leaves half an entry.
            if end.evidence == "meter" or line.endswith(b"\n"):
                return JournalFacts(None, f"more than {count} entries, which the book names", ())
            break
        value = _value(line)
        if isinstance(value, str):
            return JournalFacts(None, f"line {count + 1} is no entry{value}", ())
        if value["prev"] != link:
            return JournalFacts(None, f"line {count + 1} does not follow the line before", ())
        problem = watch.take(value, start.run)
        if problem is not None:
            return JournalFacts(None, f"line {count + 1}: {problem}", ())
        link, count = sha256_hex(line), count + 1
    if count != end.journal_count or (count and link != end.journal_head):
        told = f"{count} entries up to {link[:16]}"
        return JournalFacts(
            None, f"{told}; the book names {end.journal_count} up to {end.journal_head[:16]}", ()
        )
    watch.finish(end.work)
    return JournalFacts(None, None, tuple(watch.odd))


def read_open(path: Path, first: str, start: RunStart, key: bytes, reached: int) -> JournalFacts:
    """The journal of a run that has no end: its chain and all its signatures.

    Args:
        path: of the file.
        first: digest of the run's first entry in the book.
        start: the run.
        key: of the book.
        reached: how many entries the book says that it has at least.
    """
    count, last = 0, None
    try:
        for record in read_records(ChainFile(path, first, key, torn_tail=True)):
            count += 1
            if getattr(record.body, "run", None) != start.run:
                return JournalFacts(None, f"line {count} is of another run", ())
            if isinstance(record.body, Heartbeat):
                last = record.body.work
    except BookError as error:
        return JournalFacts(None, error.what.replace(str(path), f"line {count + 1}"), ())
    if count < reached:
        return JournalFacts(None, f"{count} entries; the book names {reached}", ())
    return JournalFacts(last, None, ())


class _Watch:
    """Sees that nothing shrinks along a journal."""

    def __init__(self) -> None:
        self.odd: list[str] = []
        self._work: dict[str, Any] = {}
        self._time: datetime | None = None

    def take(self, value: dict[str, Any], run: int) -> str | None:
        """An entry; what is wrong with its form, if anything."""
        body = value["body"]
        if body.get("run") != run:
            return "an entry of another run"
        try:
            time = datetime.fromisoformat(value["time"])
            back = (self._time - time).total_seconds() if self._time else 0.0
        except (TypeError, ValueError):
            return "time: no UTC time"
        if back > CLOCK_SLACK_SECONDS:
            self._say(f"entry {value['n']}: the clock went back by {back:.1f} s")
        self._time = time
        work = body.get("work")
        return self._amounts(work, f"entry {value['n']}") if work is not None else None

    def finish(self, work: Work) -> None:
        """The end of the run holds at least as much."""
        self._compare(work.model_dump(), "the end of the run")

    def _amounts(self, work: object, where: str) -> str | None:
        if not isinstance(work, dict):
            return "work: no amounts"
        if not all(isinstance(work.get(name), (int, float)) for name in _GROWING):
            return "work: amounts are missing"
        self._compare(work, where)
        self._work = work
        return None

    def _compare(self, work: dict[str, Any], where: str) -> None:
        for name in _GROWING:
            before = self._work.get(name, 0)
            if work[name] < before * (1 - _ROUNDING) - _ROUNDING:
                self._say(f"{where}: {name} falls from {before} to {work[name]}")

    def _say(self, words: str) -> None:
        # One hostile line must not make a report of millions.
        if len(self.odd) < 10:
            self.odd.append(words)


def _value(line: bytes) -> dict[str, Any] | str:
    """The entry, or why it is none."""
    try:
        value = parse_strict_line(line)
    except ClaimError as error:
        return f" ({error.what})"
    if not isinstance(value, dict) or not isinstance(value.get("body"), dict):
        return ""
    return value if {"prev", "time", "n", "kind"} <= set(value) else ""

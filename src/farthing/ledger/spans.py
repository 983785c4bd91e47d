"""When the runs of a book held their machines, as moments in UTC."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum

from farthing.ledger.accounts import RunAccount
from farthing.ledger.parts import held_seconds


@dataclass(frozen=True, order=True)
class Span:
    """From one moment to another, in seconds since 1970 in UTC."""

    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.begin

    def within(self, other: Span) -> Span | None:
        """The part of it inside of another; None where there is none."""
        begin, end = max(self.begin, other.begin), min(self.end, other.end)
        return Span(begin, end) if begin < end else None


def run_span(run: RunAccount) -> Span:
    """When a run held its machine: as long as it is billed for, so that no clock shortens it.

    One that ended itself held it up to its end, with the start-up before its first entry; any other
    one from its first entry on, since the entry that closed it may be days later.
    """
    seconds = held_seconds(run)
    if run.evidence == "meter" and run.ended is not None:
        end = datetime.fromisoformat(run.ended).timestamp()
        return Span(end - seconds, end)
    begin = datetime.fromisoformat(run.started).timestamp()
    return Span(begin, begin + seconds)


def together(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The time that is in any of some spans, each moment once, in order."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.begin <= found[-1].end:
            found[-1] = Span(found[-1].begin, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def outside(whole: Span, spans: Iterable[Span]) -> tuple[Span, ...]:
    """The time of `whole` that is in none of some spans, in order."""
    cut = together(part for span in spans if (part := span.within(whole)) is not None)
    begins = [whole.begin, *(span.end for span in cut)]
    ends = [*(span.begin for span in cut), whole.end]
    return tuple(Span(b, e) for b, e in zip(begins, ends, strict=True) if b < e)


def total_seconds(spans: Sequence[Span]) -> float:
    """How long some spans are together."""
    return fsum(span.seconds for span in spans)

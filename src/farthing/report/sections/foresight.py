"""What was foreseen before the run, and what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farthing.artifacts.forecast import EVERYTHING, Foreseen
from farthing.ledger.foresight import Compared
from farthing.report.facts.gather import ReportFacts
from farthing.report.numbers import duration, money, plain

_SECONDS_PER_HOUR = 3600.0
_DIGITS_OF_BPB = 4


@dataclass(frozen=True)
class ForesightRow:
    """One figure; `found`, `off` and `inside` are empty where it was not found out."""

    figure: str
    foreseen: str
    extent: str
    found: str
    off: str
    inside: str
    source: str


@dataclass(frozen=True)
class ForesightSection:
    """What the template needs; `missing` pairs what could not be foreseen with the reason."""

    rows: tuple[ForesightRow, ...]
    missing: tuple[tuple[str, str], ...]


def foresight_section(facts: ReportFacts) -> ForesightSection | None:
    """The section; None where the book holds no forecast of this run."""
    if facts.forecast is None:
        return None
    return ForesightSection(
        rows=foresight_rows(facts.compared, facts.labels),
        missing=tuple(sorted(facts.forecast.not_foreseen.items())),
    )


def foresight_rows(
    compared: Sequence[Compared], labels: Mapping[str, str]
) -> tuple[ForesightRow, ...]:
    """The same for pages and terminals; `labels` has a short name by canonical shape."""
    return tuple(
        ForesightRow(
            figure=_figure(each.foreseen, labels),
            foreseen=_text(each.foreseen, each.foreseen.value),
            extent=" to ".join(
                _text(each.foreseen, end) for end in (each.foreseen.low, each.foreseen.high)
            ),
            found="" if each.found is None else _text(each.foreseen, each.found),
            off="" if each.off is None else f"{100 * each.off:+.1f} %",
            inside={None: "", True: "inside", False: "outside"}[each.inside],
            source=each.foreseen.source,
        )
        for each in compared
    )


def _figure(foreseen: Foreseen, labels: Mapping[str, str]) -> str:
    if foreseen.what == "bits_per_byte":
        return f"bits per byte, {labels.get(foreseen.of, foreseen.of)}"
    of = "all together" if foreseen.of == EVERYTHING else foreseen.of
    return {"seconds": f"time, {of}", "usd": f"USD, {of}", "kwh": f"kWh, {of}"}[foreseen.what]


def _text(foreseen: Foreseen, value: float) -> str:
    if foreseen.what == "seconds":
        return duration(value / _SECONDS_PER_HOUR)
    if foreseen.what == "usd":
        return money(value)
    return plain(value, _DIGITS_OF_BPB if foreseen.what == "bits_per_byte" else 3)

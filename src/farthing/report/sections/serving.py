"""What a million tokens of this family's members cost to serve, beside dated public prices."""

from __future__ import annotations

from dataclasses import dataclass

from farthing.artifacts.measurement import Figure
from farthing.artifacts.serving import ServingMeasurement, ServingPoint
from farthing.artifacts.settings import Basis
from farthing.hardware.api_prices import ApiPrice, api_prices
from farthing.ledger.serving_price import BUSY, ServingPrice
from farthing.report.facts.gather import ReportFacts
from farthing.report.numbers import money, tick, whole
from farthing.report.sections.overview import basis_name
from farthing.report.shown import Shown, show


@dataclass(frozen=True)
class ServingRow:
    """One member at one batch size."""

    member: str
    where: str
    batch: int
    figures: tuple[Shown, ...]


@dataclass(frozen=True)
class PublicRow:
    """What one public service asks for a million tokens."""

    provider: str
    model: str
    read: str
    written: str
    date: str
    url: str


@dataclass(frozen=True)
class ServingSection:
    """What the template needs."""

    headings: tuple[str, ...]
    rows: tuple[ServingRow, ...]
    public: tuple[PublicRow, ...]
    busy: str


def serving_section(facts: ReportFacts) -> ServingSection | None:
    """The section; None where nobody has measured."""
    if not facts.serving:
        return None
    basis = facts.money.basis if facts.money else None
    dollars = f"USD per million, {basis_name(basis)}" if basis else "USD per million"
    return ServingSection(
        headings=(
            *("tokens read per second", "written per second"),
            *(f"{dollars}: input", "output", "Wh per million: input", "output"),
        ),
        rows=tuple(
            _row(served.measurement, point, price, basis)
            for served in facts.serving
            for point, price in zip(served.measurement.points, served.prices, strict=True)
        ),
        public=tuple(_public(each) for each in api_prices()),
        busy=BUSY,
    )


def _row(
    found: ServingMeasurement, point: ServingPoint, price: ServingPrice, basis: Basis | None
) -> ServingRow:
    dollars = [
        show(phase.usd.get(basis) if basis else None, money)
        for phase in (price.input, price.output)
    ]
    energy = [show(phase.wh) for phase in (price.input, price.output)]
    return ServingRow(
        member=found.label,
        where=f"{found.machine.device_name}, threads: {found.threads}, {found.date[:10]}",
        batch=point.batch,
        figures=(_rate(point.prefill.rate), _rate(point.decode.rate), *dollars, *energy),
    )


def _rate(figure: Figure) -> Shown:
    return show(figure.quantity(), whole)


def _public(price: ApiPrice) -> PublicRow:
    read, written = price.usd_per_million_input, price.usd_per_million_output
    return PublicRow(
        provider=price.provider,
        model=price.model,
        read=f"${tick(read.value)}" if read else "not listed",
        written=f"${tick(written.value)}" if written else "not listed",
        date=str(price.date),
        url=price.url,
    )

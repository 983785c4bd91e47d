"""A serving measurement and its price as tables, beside what public services ask."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farthing.artifacts.measurement import Figure
from farthing.artifacts.serving import ServingMeasurement
from farthing.artifacts.settings import BASES
from farthing.hardware.api_prices import ApiPrice
from farthing.ledger.serving_price import BUSY, ServingPrice, TokenPrice
from farthing.quantity import MARKS_EXPLAINED, Quantity, marked, marked_with_range

# Far from a machine of one's own, and the figures are too slow.
_BUSY_THREADS = 0.1
OTHERS = "other models of other quality, sold with idle time and profit: to compare, no baseline"


def serving_tables(
    measurement: ServingMeasurement, prices: Sequence[ServingPrice], public: Sequence[ApiPrice]
) -> RenderableType:
    """Speed, price and public prices, for a terminal of 100 columns."""
    pieces: list[RenderableType] = [_heading(measurement), Text(), _speed(measurement), Text()]
    pieces += [_price(prices), Text(_notes(prices)), Text(), public_table(public), Text(OTHERS)]
    if measurement.neighbours_threads > _BUSY_THREADS:
        pieces.append(
            Text(
                f"note: other processes kept {measurement.neighbours_threads:.1f} hardware threads "
                "busy meanwhile: this machine can be faster"
            )
        )
    return Group(*pieces)


def _heading(found: ServingMeasurement) -> Text:
    return Text(
        f"{found.label}, {found.active:,} active of {found.total:,} parameters, {found.dtype}\n"
        f"{found.machine.device_name}, threads: {found.threads}; prompts of {found.prompt_tokens} "
        f"tokens of {found.text}, {found.new_tokens} written"
    )


def _speed(found: ServingMeasurement) -> Table:
    table = _table("Tokens per second, all sequences together", "batch")
    for name in ("read", "least", "most", "written", "least", "most", "repeats"):
        table.add_column(name, justify="right")
    for point in found.points:
        table.add_row(
            str(point.batch),
            *_spread(point.prefill.rate),
            *_spread(point.decode.rate),
            str(point.decode.rate.repeats),
        )
    return table


def _price(prices: Sequence[ServingPrice]) -> Table:
    table = _table("Per million tokens, on this machine", "batch")
    for name in ("", "input USD", "output USD", "input Wh", "output Wh"):
        table.add_column(name, justify="left" if not name else "right")
    for price in prices:
        known = [basis for basis in BASES if price.input.usd.get(basis)]
        for basis in known or BASES[:1]:
            table.add_row(
                str(price.batch),
                basis if known else "no price set",
                marked_with_range(price.input.usd.get(basis)),
                marked_with_range(price.output.usd.get(basis)),
                marked(price.input.wh),
                marked(price.output.wh),
            )
    return table


def _notes(prices: Sequence[ServingPrice]) -> str:
    lines = [MARKS_EXPLAINED, f"Dollars and Wh: {BUSY}."]
    if not any(_dollars(price.input) for price in prices):
        lines.append("USD: unknown (set prices in farthing.yaml)")
    if prices[0].input.wh is None:
        lines.append("Wh: unknown (the catalogue has no watts for this machine)")
    return "\n".join(lines)


def _dollars(price: TokenPrice) -> list[Quantity]:
    return [value for value in price.usd.values() if value is not None]


def public_table(public: Sequence[ApiPrice]) -> Table:
    """What public services ask, dated."""
    table = _table("Public prices, USD per million tokens", "provider")
    table.add_column("model")
    for name in ("input", "output"):
        table.add_column(name, justify="right")
    table.add_column("seen on")
    for each in public:
        table.add_row(
            each.provider,
            each.model,
            *(
                f"{figure.value:g}" if figure is not None else "not listed"
                for figure in (each.usd_per_million_input, each.usd_per_million_output)
            ),
            str(each.date),
        )
    return table


def _table(title: str, first: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="", show_edge=False)
    table.add_column(first)
    return table


def _spread(figure: Figure) -> tuple[str, str, str]:
    low, high = f"{figure.low:,.0f}", f"{figure.high:,.0f}"
    return f"{figure.value:,.0f}", low, high

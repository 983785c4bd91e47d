"""A serving measurement and its price as tables, beside what public services ask."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farthing.artifacts.measurement import Figure
from farthing.artifacts.serving import ServingMeasurement
from farthing.artifacts.settings import BASES
from farthing.hardware.api_prices import ApiPrice
from farthing.ledger.serving_price import BUSY, ServingPrice, TokenPrice
from farthing.quantity import MARKS_EXPLAINED, Quantity, marked

# Far from a machine of one's own, and the figures are too slow.
_BUSY_THREADS = 0.1
_COLUMNS = 80
_MODEL_COLUMNS = 33
_PAGES = "farthing hardware list --kind api_prices --json"
OTHERS = "other models of other quality, sold with idle time and profit: to compare, no baseline"


def serving_tables(
    measurement: ServingMeasurement,
    prices: Sequence[ServingPrice],
    basis: Sequence[str],
    public: Sequence[ApiPrice],
) -> RenderableType:
    """Speed, price with what it rests on, and public prices, for a terminal of 80 columns."""
    pieces: list[RenderableType] = [_heading(measurement), Text(), _speed(measurement), Text()]
    pieces += [_price(prices), Text(_notes(prices, basis)), Text(), public_table(public)]
    pieces.append(Text(_wrapped(f"{OTHERS}; their pages: {_PAGES}")))
    if measurement.neighbours_threads > _BUSY_THREADS:
        pieces.append(
            Text(
                _wrapped(
                    f"note: other processes kept {measurement.neighbours_threads:.1f} hardware "
                    "threads busy meanwhile: this machine can be faster"
                )
            )
        )
    return Group(*pieces)


def _heading(found: ServingMeasurement) -> Text:
    return Text(
        f"{found.label}, {found.active:,} active of {found.total:,} parameters, {found.dtype}\n"
        f"{found.machine.device_name}, threads: {found.threads}\n"
        f"prompts of {found.prompt_tokens} tokens of {found.text}, {found.new_tokens} written"
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
    table.add_column("tokens")
    table.add_column("basis")
    for name in ("USD", "least", "most", "Wh"):
        table.add_column(name, justify="right")
    for price in prices:
        for name, tokens in (("input", price.input), ("output", price.output)):
            known = {basis: usd for basis in BASES if (usd := tokens.usd.get(basis)) is not None}
            for basis, usd in known.items():
                spread = (f"{usd.low:.2g}", f"{usd.high:.2g}")
                table.add_row(
                    str(price.batch), name, basis, marked(usd), *spread, marked(tokens.wh)
                )
            if not known:
                unknown = ("no price set", marked(None), "", "")
                table.add_row(str(price.batch), name, *unknown, marked(tokens.wh))
    return table


def _notes(prices: Sequence[ServingPrice], basis: Sequence[str]) -> str:
    lines = [*basis, MARKS_EXPLAINED, f"Dollars and Wh: {BUSY}."]
    if not any(_dollars(price.input) for price in prices):
        lines.append("USD: unknown (set prices in farthing.yaml)")
    if prices[0].input.wh is None:
        lines.append("Wh: unknown (the catalogue has no watts for this machine)")
    return "\n".join(map(_wrapped, lines))


def _wrapped(line: str) -> str:
    return textwrap.fill(line, _COLUMNS, subsequent_indent="  ", break_long_words=False)


def _dollars(price: TokenPrice) -> list[Quantity]:
    return [value for value in price.usd.values() if value is not None]


def public_table(public: Sequence[ApiPrice]) -> Table:
    """What public services ask, dated."""
    table = _table("Public prices, USD per million tokens", "provider")
    table.add_column("model", overflow="fold", max_width=_MODEL_COLUMNS)
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

"""A plan in 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from farthing.artifacts.settings import BASES
from farthing.quantity import MARKS, Quantity
from farthing.stages.plan.result import Alternative, LayoutRow, RunPlan, Spending

WIDTH = 80
_LABEL = 11
_SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_SCALED_FROM, _SCALED_TO = 1e4, 1e15


def plan_lines(plan: RunPlan) -> Iterator[str]:
    """The whole plan, line by line."""
    yield from entry("goal", plan.goal)
    yield from entry("hardware", plan.pool)
    for place, limit in enumerate(plan.limits):
        words = f"{limit.name} {limit.words}: {amount(limit.hours)} h of all devices"
        yield from entry("bound by" if place == 0 else "not by", words)
    yield ""
    yield from _family(plan)
    yield ""
    yield from _training(plan)
    if plan.layouts:
        yield ""
        yield from _layouts(plan)
    yield ""
    yield from spending_lines(plan.spending, plan.no_price)
    yield ""
    yield from _alternatives(plan)
    yield ""
    yield from notes(plan.notes)


def explained_lines(explained: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Where each figure comes from."""
    for figure, kind, source in explained:
        yield from entry(figure, f"{kind}: {source}", label=18)


def entry(name: str, text: str, *, label: int = _LABEL) -> Iterator[str]:
    """A name and what belongs to it, folded."""
    if len(name) >= label:
        yield name
        name = ""
    lines = textwrap.wrap(text, WIDTH - label, break_long_words=False, break_on_hyphens=False)
    for place, line in enumerate(lines or [""]):
        yield f"{name if place == 0 else '':<{label}}{line}".rstrip()


def notes(sentences: Iterable[str]) -> Iterator[str]:
    """Sentences, each behind a dash."""
    for sentence in sentences:
        yield from textwrap.wrap(
            sentence,
            WIDTH,
            initial_indent="- ",
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )


def amount(value: float) -> str:
    """Three digits, with thousands, millions, ... as k, M, B, T from ten thousand on."""
    if value < _SCALED_FROM:
        return f"{value:.3g}" if value < 999.5 else f"{value:,.0f}"
    for scale, letter in _SCALES if value < _SCALED_TO else ():
        if value >= 0.9995 * scale:
            return f"{value / scale:.3g}{letter}"
    return f"{value:.3g}"


def figure(value: Quantity | None) -> str:
    """A figure behind the mark of its kind, with its range where it has one."""
    if value is None:
        return "unknown"
    text = f"{MARKS[value.provenance]}{amount(value.value)}"
    if value.low == value.high:
        return text
    return f"{text} ({amount(value.low)} to {amount(value.high)})"


def table(rows: Sequence[Sequence[str]], *, left: int = 1) -> Iterator[str]:
    """Columns, the first `left` of them flush left, a head above."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def spending_lines(spent: Spending, no_price: dict[str, str] | object) -> Iterator[str]:
    """Hours, dollars on four bases, kWh and CO2e."""
    missing = no_price if isinstance(no_price, dict) else {}
    yield from entry("hours", f"{figure(spent.hours)}; {figure(spent.device_hours)} device-hours")
    for place, basis in enumerate(BASES):
        price = spent.usd.get(basis)
        why = str(missing.get(basis, "")).partition(";")[0]
        words = figure(price) if price is not None else f"unknown: {why}"
        yield from entry("USD" if place == 0 else "", f"{basis.replace('_', ' '):<10} {words}")
    yield from entry("kWh", f"{figure(spent.kwh)} at the site's meter" if spent.kwh else "unknown")
    yield from entry("kg CO2e", _carbon(spent))


def _carbon(spent: Spending) -> str:
    made = f"; making the devices {figure(spent.embodied_kg)}"
    if spent.kg is not None:
        return f"{figure(spent.kg)} in operation{made}"
    if spent.kg_range is not None:
        low, high = spent.kg_range
        return f"{amount(low)} to {amount(high)} in operation, by grid: name one{made}"
    return f"unknown{made}"


def _family(plan: RunPlan) -> Iterator[str]:
    model = plan.family.model
    blocks = f"feed-forward blocks of {model.dense_ffn_dim}"
    if model.num_experts:
        blocks = (
            f"{model.num_experts} experts of {model.expert_dim} in each ({model.top_k} and "
            f"{model.num_shared_experts} shared for a token)"
        )
    yield from entry(
        "supernet",
        f"{model.num_layers} layers of width {model.hidden_dim}, {model.num_heads} heads of "
        f"{model.head_dim} ({model.num_kv_heads} for keys), {blocks}, vocabulary "
        f"{plan.family.vocabulary:,}, context {model.context:,}",
    )
    rows = [("member", "active", "total", "bits per byte (p10 to p90)")]
    rows += [
        (
            member.shape,
            amount(member.active),
            amount(member.total),
            _bpb(member.bpb, extrapolated=plan.extrapolated),
        )
        for member in plan.members
    ]
    yield from (f"  {line}" for line in table(rows))
    if plan.outside is not None:
        mark = (
            "! marks what the law says where no run backs it. "
            if plan.extrapolated
            else "bits per byte are not predicted: "
        )
        yield from entry("", f"{mark}outside the law: {plan.outside}", label=2)


def _bpb(value: Quantity | None, *, extrapolated: bool) -> str:
    if value is None:
        return "not predicted"
    mark = "! " if extrapolated else ""
    return f"{mark}~{value.value:.3f} ({value.low:.3f} to {value.high:.3f})"


def _training(plan: RunPlan) -> Iterator[str]:
    run, optimizer = plan.run, plan.recipe["train"]["optimizer"]
    yield from entry(
        "tokens",
        f"{amount(run.tokens)} in {run.steps:,} steps of {run.batch_tokens:,} "
        f"({run.batch_sequences:,} sequences); {plan.chosen_by}",
    )
    yield from entry("FLOPs", f"{run.flops:.3g}, {run.mean_step.total:.3g} in a mean step")
    rates = ", ".join(
        f"{name.removesuffix('_learning_rate')} {rate:g}"
        for name, rate in optimizer.items()
        if name.endswith("_learning_rate")
    )
    yield from entry("rates", rates)


def _layouts(plan: RunPlan) -> Iterator[str]:
    for row in plan.layouts:
        yield from entry(row.where, layout_words(row))


def layout_words(row: LayoutRow) -> str:
    """One layout in a sentence."""
    return (
        f"{row.layout}; micro-batch {row.micro}; {row.memory}; {row.seconds:.3g} s a step; "
        f"limit: {row.limit}"
    )


def _alternatives(plan: RunPlan) -> Iterator[str]:
    spent = Alternative(1.0, plan.run, plan.members[0].bpb, plan.spending)
    every = sorted((*plan.alternatives, spent), key=lambda one: one.factor)
    rows = [("money", "active", "tokens", "bpb", "hours", f"$ {plan.basis}", "kWh", "kg CO2e")]
    rows += [
        (
            f"x {one.factor:g}",
            amount(one.run.family.active),
            amount(one.run.tokens),
            f"{one.bpb.value:.3f}" if one.bpb is not None else "-",
            amount(one.spending.hours.value),
            _usd(one.spending, plan),
            amount(one.spending.kwh.value) if one.spending.kwh is not None else "?",
            _kg(one.spending),
        )
        for one in every
    ]
    yield from table(rows)
    for factor, why in plan.why_no_alternative.items():
        yield from entry(f"x {factor:g}", why)


def _usd(spent: Spending, plan: RunPlan) -> str:
    price = spent.usd.get(plan.basis)
    return amount(price.value) if price is not None else "?"


def _kg(spent: Spending) -> str:
    if spent.kg is not None:
        return amount(spent.kg.value)
    if spent.kg_range is not None:
        return f"{amount(spent.kg_range[0])}..{amount(spent.kg_range[1])}"
    return "?"

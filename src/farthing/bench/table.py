"""A measurement as tables for a terminal of 80 columns."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from farthing.artifacts.measurement import Figure, Measurement, PartOfStep
from farthing.bench.parts import TITLES

# More than this, and other processes have made the figures slow.
_BUSY_THREADS = 0.1
# What elastic training should cost at most, as a share of a step.
_ELASTIC_TARGET = 0.02


def measurement_tables(measurement: Measurement) -> RenderableType:
    """The machine, the threads, the step by part, and what follows from them."""
    pieces: list[RenderableType] = [_heading(measurement), Text(), _machine_table(measurement)]
    if len(measurement.threads) > 1:
        pieces += [Text(), _threads_table(measurement)]
    pieces += [Text(), _step_table(measurement), Text(), _sums(measurement)]
    if measurement.neighbours_threads > _BUSY_THREADS:
        pieces.append(_neighbours(measurement))
    return Group(*pieces)


def _heading(measurement: Measurement) -> Text:
    step, machine = measurement.step, measurement.machine
    device = "" if machine.device == "cpu" else f"{machine.device_name}, "
    return Text(
        f"{machine.name}, {device}{step.threads} of {machine.hardware_threads} hardware threads; "
        f"torch {measurement.versions['torch']}\n"
        f"kernels: {step.kernels}"
    )


def _machine_table(measurement: Measurement) -> Table:
    table = _table("This machine", "", "size", "median", "least", "most", "unit")
    for product in measurement.products:
        edge = str(product.size)
        table.add_row(f"{product.dtype} product", edge, *_spread(product.rate, 1e9), "GFLOP/s")
    for copy in measurement.copies:
        size = f"{copy.touched_bytes / 2**20:.0f} MiB"
        table.add_row("copy", size, *_spread(copy.rate, 1e9), "GB/s")
    for dtype in measurement.not_measured:
        table.add_row(f"{dtype} product", "", "-", "", "", "not here")
    return table


def _threads_table(measurement: Measurement) -> Table:
    tokens = measurement.step.tokens
    table = _table(
        f"Threads, one step of {measurement.threads[0].shape}",
        *("", "wall ms", "least", "most", "CPU ms", "tokens/s", "per CPU-s"),
    )
    cheapest = min(measurement.threads, key=lambda tried: tried.cpu.value)
    for tried in measurement.threads:
        marks = [
            *(["fastest"] if tried.threads == measurement.step.threads else []),
            *(["least CPU"] if tried is cheapest else []),
        ]
        table.add_row(
            " ".join([str(tried.threads), *marks]),
            *_spread(tried.wall, 1e-3),
            _number(tried.cpu.value * 1e3),
            f"{tokens / tried.wall.value:,.0f}",
            f"{tokens / tried.cpu.value:,.0f}",
        )
    return table


def _step_table(measurement: Measurement) -> Table:
    step = measurement.step
    table = _table(
        f"One training step of {step.recipe}: {step.tokens:,} tokens, {step.precision}, "
        f"{_threads(step.threads)}; ms of {step.basis}",
        *("part", "ms", "least", "most", "share", "GFLOP", "MB", "floor", "by", "x"),
    )
    for part in step.parts:
        table.add_row(*_part_row(part, measurement.seconds(part)))
    taken = measurement.seconds(step)
    rest = _share(step.rest_seconds / taken.value)
    table.add_row("the rest", _number(step.rest_seconds * 1e3), "", "", rest)
    table.add_section()
    flops = step.flops + step.optimizer_flops
    table.add_row(
        "whole step",
        *_spread(taken, 1e-3),
        "100 %",
        _number(flops / 1e9),
        _number(sum(part.bytes for part in step.parts) / 1e6),
        _number(step.floor_seconds * 1e3),
        "",
        _number(taken.value / step.floor_seconds),
    )
    return table


def _part_row(part: PartOfStep, taken: Figure) -> tuple[str, ...]:
    times = (TITLES[part.name], *_spread(taken, 1e-3), _share(part.share))
    if part.floor_seconds is None:
        return times
    return (
        *times,
        _number(part.flops / 1e9) if part.flops else "",
        _number(part.bytes / 1e6),
        _number(part.floor_seconds * 1e3),
        part.limit or "",
        _number(taken.value / part.floor_seconds),
    )


def _sums(measurement: Measurement) -> Text:
    step = measurement.step
    peak = measurement.peak(step.peak_dtype)
    distinct = list(dict.fromkeys(step.shapes))
    target = "within" if step.elastic_share <= _ELASTIC_TARGET else "over"
    lines = (
        f"speed     {step.tokens_per_second.value:,.0f} tokens/s, "
        f"{step.tokens_per_cpu_second.value:,.0f} per CPU-second",
        f"MFU       {step.utilisation:.1%} of {peak.rate.value / 1e9:,.0f} GFLOP/s, the "
        f"{step.peak_dtype} product measured here; {step.utilisation_with_optimizer:.1%} with "
        "the optimizer",
        "          (the catalogue has no peak of this machine to set beside it)",
        f"elastic   draw and selection take {step.elastic_share:.2%} of a step: {target} the "
        f"target of {_ELASTIC_TARGET:.0%}",
        f"measured  {step.wall.repeats} repeats of {len(step.shapes)} steps in "
        f"{measurement.taken_seconds:.0f} s, on {step.text}",
        f"          sub-models drawn: {', '.join(distinct)}",
    )
    remarks = (
        "whole step compiled, its parts not" if step.compiled else "",
        f"the rest holds {step.left_out}" if step.left_out else "",
    )
    return Text("\n".join((*lines, *(f"          {remark}" for remark in remarks if remark))))


def _neighbours(measurement: Measurement) -> Text:
    others = (
        f"note: other processes kept {measurement.neighbours_threads:.1f} hardware threads busy "
        "meanwhile;\n"
    )
    if measurement.step.basis == "processor time":
        return Text(f"{others}      processor time leaves the waiting out, tokens/s do not")
    return Text(f"{others}      this machine can be faster than these figures")


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="",
        show_edge=False,
        pad_edge=False,
        collapse_padding=True,
        padding=(0, 0, 0, 1),
    )
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _spread(figure: Figure, unit: float) -> tuple[str, str, str]:
    return (
        _number(figure.value / unit),
        _number(figure.low / unit),
        _number(figure.high / unit),
    )


def _number(value: float) -> str:
    """Three digits, without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.4f}"


def _share(value: float) -> str:
    return f"{value:.1%}".replace("%", " %")

"""Loss over dollars, device-hours, tokens, FLOPs and steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import Markup

from farthing.charts.curve import Band, CurveAxis, CurveDrawing, Dot, Piece, draw_curve
from farthing.report.facts.curve import CurvePoint, LossCurve
from farthing.report.facts.gather import Money, ReportFacts
from farthing.report.numbers import money, plain, short, short_tick, tick
from farthing.report.sections.overview import basis_name

_MOST_ROWS = 16
# Two drawings of each axis: the page shows the one that its width can carry.
_WIDE, _NARROW = (960.0, 390.0, 1), (360.0, 300.0, 3)


@dataclass(frozen=True)
class Axis:
    """One way to count what was spent."""

    key: str
    name: str
    drawing: CurveAxis
    at: Callable[[CurvePoint], float]


@dataclass(frozen=True)
class AxisView:
    """One axis with its drawings for wide and narrow pages."""

    key: str
    name: str
    wide: Markup
    narrow: Markup


@dataclass(frozen=True)
class CurveSection:
    """What the template needs."""

    views: tuple[AxisView, ...]
    curve: LossCurve
    rows: tuple[CurvePoint, ...]
    usd: Callable[[float], str] | None
    basis: str


def curve_section(facts: ReportFacts) -> CurveSection | None:
    """The section; None where no step was recorded."""
    curve = facts.curve
    if not any(stretch.points for stretch in curve.stretches):
        return None
    views = tuple(
        AxisView(axis.key, axis.name, _draw(curve, axis, "wide"), _draw(curve, axis, "narrow"))
        for axis in _axes(curve, facts.money)
    )
    kept = [point for stretch in curve.stretches if stretch.kept for point in stretch.points]
    every = -(-len(kept) // _MOST_ROWS)
    rows = (*kept[:-1:every], kept[-1]) if kept else ()
    price = facts.money.usd_per_device_hour if facts.money else None
    return CurveSection(
        views=views,
        curve=curve,
        rows=rows,
        usd=(lambda hours: money(hours * price)) if price is not None else None,
        basis=basis_name(facts.money.basis) if facts.money else "",
    )


def _axes(curve: LossCurve, price: Money | None) -> list[Axis]:
    points = [point for stretch in curve.stretches for point in stretch.points]
    hours = max(attempt.ends_device_hours for attempt in curve.attempts)
    tokens, flops = max(p.tokens for p in points), max(p.flops for p in points)
    axes = []
    if price is not None and price.usd_per_device_hour is not None:
        rate = price.usd_per_device_hour
        name = f"US dollars, {basis_name(price.basis)}"
        dollars = CurveAxis(name, lambda usd: f"${tick(usd)}", hours * rate)
        axes.append(Axis("usd", "dollars", dollars, lambda p: p.device_hours * rate))
    axes += [
        Axis(
            "hours",
            "device-hours",
            CurveAxis("device-hours", tick, hours),
            lambda p: p.device_hours,
        ),
        Axis(
            "tokens",
            "tokens",
            CurveAxis("tokens trained on", short_tick, tokens),
            lambda p: p.tokens,
        ),
        Axis("flops", "FLOPs", CurveAxis("model FLOPs", tick, flops), lambda p: p.flops),
        Axis(
            "steps",
            "steps",
            CurveAxis("step", lambda step: f"{step:,.0f}", max(p.last_step for p in points) + 1),
            lambda p: p.last_step + 1,
        ),
    ]
    return axes


def _draw(curve: LossCurve, axis: Axis, kind: str) -> Markup:
    width, height, tip_every = _WIDE if kind == "wide" else _NARROW
    pieces = [
        Piece(stretch.kept, tuple(_dot(point, axis, stretch.kept) for point in stretch.points))
        for stretch in curve.stretches
    ]
    end = curve.end
    description = (
        f"Training loss over {axis.drawing.label}. {len(curve.attempts)} attempts, "
        f"{curve.lost_steps} steps done again. "
        + (f"Mean of the last steps: {end.mean_nats:.3f} nats per token." if end else "")
    )
    drawing = CurveDrawing(
        f"curve-{axis.key}-{kind}",
        f"Loss over {axis.name}",
        description,
        width,
        height,
        tip_every,
    )
    bands = [] if axis.key == "steps" else _bands(curve, axis)
    return Markup(draw_curve(pieces, bands, axis.drawing, drawing))


def _dot(point: CurvePoint, axis: Axis, kept: bool) -> Dot:
    steps = f"steps {point.first_step + 1:,} to {point.last_step + 1:,}"
    if point.first_step == point.last_step:
        steps = f"step {point.last_step + 1:,}"
    lost = "" if kept else " (lost, done again)"
    tip = (
        f"{steps}{lost}\nmean loss {point.mean_nats:.3f}, from {point.low_nats:.3f} to "
        f"{point.high_nats:.3f}\n{plain(point.device_hours)} device-hours, "
        f"{short(point.tokens)} tokens so far"
    )
    return Dot(axis.at(point), point.mean_nats, point.low_nats, point.high_nats, tip)


def _bands(curve: LossCurve, axis: Axis) -> list[Band]:
    """From the last step that was kept to the end of each attempt that lost work."""
    bands = []
    for attempt in curve.attempts:
        mine = [stretch for stretch in curve.stretches if stretch.run == attempt.run]
        lost = [point for stretch in mine if not stretch.kept for point in stretch.points]
        kept = [stretch.points[-1] for stretch in mine if stretch.kept]
        begin = _at_hours(attempt.begins_device_hours, axis)
        end = _at_hours(attempt.ends_device_hours, axis)
        if lost:
            first = axis.at(kept[-1] if kept else lost[0]) if kept or begin is None else begin
            last = axis.at(lost[-1])
            words = f"{attempt.lost_steps} steps lost"
            bands.append(Band(first, last if end is None else max(end, last), words))
        elif not attempt.steps and begin is not None and end is not None and end > begin:
            bands.append(Band(begin, end, "no step done"))
    return bands


def _at_hours(hours: float, axis: Axis) -> float | None:
    """A moment between steps: it has a place only where time or money is counted."""
    if axis.key not in ("usd", "hours"):
        return None
    return axis.at(CurvePoint(0, 0, 0.0, 0.0, 0.0, hours, 0, 0.0))

"""The family: quality against size, the matrix of depth, experts and top-k, and the table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup

from farthing.artifacts.pareto import pareto_front
from farthing.artifacts.scores import MemberScore
from farthing.charts.heat import quality_class
from farthing.charts.pareto import Member, draw_pareto
from farthing.report.facts.gather import ReportFacts
from farthing.report.numbers import plain, short, short_tick

# Bits per byte: members closer than this have colours as close as they are.
_LEAST_SPAN = 0.02
# `Shape.label` writes members that keep the same everywhere in this form, and no others.
_REGULAR = re.compile(r"(\d+)L(?:-(\d+)E-(\d+)K)?")


@dataclass(frozen=True)
class TableRow:
    """One member in the table."""

    member: MemberScore
    on_active_front: bool
    on_size_front: bool
    on_flops_front: bool
    is_extracted: bool
    is_best: bool


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix; the score and its colour, or no member scored there."""

    score: str
    colour: str
    is_best: bool
    tip: str


@dataclass(frozen=True)
class Grid:
    """All members with one top-k: depths down, experts across."""

    top_k: int
    columns: tuple[int, ...]
    rows: tuple[tuple[int, tuple[Cell | None, ...]], ...]


@dataclass(frozen=True)
class MembersSection:
    """What the template needs.

    Attributes:
        active, total: the two pictures; empty where there is one member only, `total` also where
            it would be the same.
        rows: all members, largest first.
        grids: one per top-k, the largest first; empty for a single member.
        outside: labels of members that no grid can hold.
        is_dense: no member has routed experts.
        best, worst: mean bits per byte at the ends of the colours.
    """

    active: Markup
    total: Markup
    rows: tuple[TableRow, ...]
    grids: tuple[Grid, ...]
    outside: tuple[str, ...]
    is_dense: bool
    best: float
    worst: float


def members_section(facts: ReportFacts) -> MembersSection:
    """The section."""
    rows = _rows(facts)
    members = facts.scores.members
    scores = [member.mean_bpb for member in members]
    several = len(members) > 1
    grids, outside = _grids(members)
    return MembersSection(
        active=_picture(rows, "active") if several else Markup(),
        # A dense member uses all it has: both pictures would be the same.
        total=_picture(rows, "total")
        if several and any(member.active != member.total for member in members)
        else Markup(),
        rows=rows,
        grids=grids if several else (),
        outside=outside,
        is_dense=not facts.config.model.num_experts,
        best=min(scores),
        worst=max(scores),
    )


def _rows(facts: ReportFacts) -> tuple[TableRow, ...]:
    members = facts.scores.members
    active = pareto_front([(float(member.active), member.mean_bpb) for member in members])
    models = {each.shape for each in facts.extracted}
    best = min(members, key=lambda member: member.mean_bpb)
    return tuple(
        TableRow(
            member=member,
            on_active_front=on_active,
            on_size_front=member.best_for_size,
            on_flops_front=member.best_for_flops,
            is_extracted=member.shape in models,
            is_best=member is best,
        )
        for member, on_active in zip(members, active, strict=True)
    )


def _picture(rows: tuple[TableRow, ...], size: str) -> Markup:
    points = [
        Member(
            x=float(row.member.active if size == "active" else row.member.total),
            y=row.member.mean_bpb,
            label=row.member.label,
            tip=_tip(row),
            on_front=row.on_active_front if size == "active" else row.on_size_front,
            ringed=row.is_extracted,
        )
        for row in rows
    ]
    title = f"Bits per byte against {size} parameters"
    axis = "parameters that one token uses" if size == "active" else "all parameters"
    return Markup(draw_pareto(points, axis, short_tick, f"pareto-{size}", title))


def _tip(row: TableRow) -> str:
    member = row.member
    lines = [
        member.label,
        f"{member.mean_bpb:.3f} bits per byte",
        f"{short(member.active)} active of {short(member.total)} parameters",
        f"{plain(member.flops_per_token / 1e6)} MFLOP per token",
    ]
    return "\n".join(lines + (["extracted as a model of its own"] if row.is_extracted else []))


def _grids(members: tuple[MemberScore, ...]) -> tuple[tuple[Grid, ...], tuple[str, ...]]:
    placed: dict[tuple[int, int, int], MemberScore] = {}
    outside = []
    for member in members:
        match = _REGULAR.fullmatch(member.label)
        if match is None:
            outside.append(member.label)
        else:
            depth, experts, top_k = (int(part or 0) for part in match.groups())
            placed[top_k, depth, experts] = member
    columns = tuple(sorted({experts for _, _, experts in placed}))
    depths = sorted({depth for _, depth, _ in placed}, reverse=True)
    scores = [member.mean_bpb for member in members]
    ends = (min(scores), max(max(scores), min(scores) + _LEAST_SPAN))
    grids = tuple(
        Grid(
            top_k=top_k,
            columns=columns,
            rows=tuple(
                (depth, tuple(_cell(placed.get((top_k, depth, each)), ends) for each in columns))
                for depth in depths
            ),
        )
        for top_k in sorted({top_k for top_k, _, _ in placed}, reverse=True)
    )
    return grids, tuple(outside)


def _cell(member: MemberScore | None, ends: tuple[float, float]) -> Cell | None:
    if member is None:
        return None
    best, worst = ends
    behind = member.mean_bpb - best
    return Cell(
        score=f"{member.mean_bpb:.3f}",
        colour=quality_class(member.mean_bpb, best, worst),
        is_best=behind == 0,
        tip=f"{member.label}: " + (f"{behind:.3f} behind the best" if behind else "the best"),
    )

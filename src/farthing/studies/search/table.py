"""What a search found, for a terminal: a table, what it means, what to type next."""

from __future__ import annotations

import math

from rich.table import Table
from scipy import stats

from farthing.artifacts.scores import MemberScore
from farthing.studies.search.config import LimitKind, SearchConfig
from farthing.studies.search.limit import UNITS
from farthing.studies.search.result import Candidate, Verdict
from farthing.studies.search.run import SearchOutcome
from farthing.studies.statistics import CONFIDENCE


def outcome_table(outcome: SearchOutcome) -> Table:
    """One row per finalist: its sizes, what is limited, bits per byte on both texts."""
    result, kind = outcome.result, outcome.result.settings.limit
    bound = bound_text(result.settings)
    table = Table(title=f"Best members within {bound} (bits per byte)", title_style="")
    table.add_column("member", no_wrap=True)
    table.add_column("found by", no_wrap=True)
    # One column for what is limited, where that is no size of the model: the table stays narrow.
    third = {"latency": "ms/tok", "memory": "MiB"}.get(kind, "FLOP/tok")
    for heading in ("total", "active", third, "training", "dev"):
        table.add_column(heading, justify="right", no_wrap=True)
    for member in outcome.scores:
        candidate = result.candidate(member.shape)
        table.add_row(
            member.label,
            _origin(outcome, member),
            _short(member.total),
            _short(member.active),
            _amount(candidate, member, kind),
            "?" if candidate.playoff_bpb is None else f"{candidate.playoff_bpb:.4f}",
            f"{member.mean_bpb:.4f}",
        )
    return table


def outcome_lines(outcome: SearchOutcome) -> list[str]:
    """What the table means, the cost, and the next command."""
    result = outcome.result
    measured = len(result.candidates)
    lines = [
        f"{measured} members measured on {result.search_tokens:,} tokens of training text, the "
        f"best again on {result.playoff_tokens:,}; {len(outcome.scores)} finalists on dev text.",
        verdict_text(outcome),
        _cost_text(outcome),
    ]
    best = result.candidate(winner(outcome))
    if best.extractable:
        return [*lines, "Next:", f"  farthing extract --shape '{best.typed}'"]
    return [
        *lines,
        "The best member cannot be extracted (its top-k differs between layers, or it keeps one "
        "expert in each): it runs in its supernet. --space portable keeps to members that can. "
        "Next:",
        f"  farthing generate --shape '{best.typed}' 'The '",
    ]


def bound_text(settings: SearchConfig) -> str:
    """The limit in words, as `1,200,000 active parameters`."""
    whole = settings.limit in ("active", "total")
    return (
        f"{settings.bound:,.0f} {UNITS[settings.limit]}"
        if whole
        else (f"{settings.bound:g} {UNITS[settings.limit]}")
    )


def winner(outcome: SearchOutcome) -> str:
    """The shape with the fewest bits per byte on dev text, wherever it comes from."""
    verdict = outcome.verdict
    return verdict.uniform if verdict.uniform_bpb <= verdict.bpb else verdict.shape


def verdict_text(outcome: SearchOutcome) -> str:
    """Whether the search beat the best uniform member, plainly."""
    verdict = outcome.verdict
    labels = {member.shape: member.label for member in outcome.scores}
    uniform = f"the best uniform member, {labels[verdict.uniform]}"
    if verdict.shape == verdict.uniform or verdict.bpb >= verdict.uniform_bpb:
        return f"Nothing better was found than {uniform}: {verdict.uniform_bpb:.4f} bits per byte."
    error = verdict.standard_error_percent
    spread = "" if error is None else f" (standard error {error:.3f} %)"
    return (
        f"{labels[verdict.shape]} needs {-verdict.difference_percent:.3f} %{spread} fewer bits per "
        f"byte than {uniform}: {_certainty(verdict)}."
    )


def _certainty(verdict: Verdict) -> str:
    error = verdict.standard_error_percent
    freedom = verdict.freedom
    if error is None or freedom is None or math.isclose(error, 0):
        return "too little dev text to say how sure that is"
    # One-sided: is the member found better, by more than the draw of the text?
    if -verdict.difference_percent > float(stats.t.ppf(CONFIDENCE, freedom)) * error:
        return "more than the choice of the text explains"
    return "within what the choice of the text explains"


def _cost_text(outcome: SearchOutcome) -> str:
    cost = outcome.cost
    if cost.seconds_percent is None or cost.flops_percent is None:
        return f"The search took {cost.search_seconds:,.1f} device-seconds."
    return (
        f"The search cost {cost.seconds_percent:.1f} % of the training's device-seconds "
        f"({cost.search_seconds:,.0f} of {cost.training_seconds:,.0f}) and "
        f"{cost.flops_percent:.1f} % of its FLOPs."
    )


def _amount(candidate: Candidate, member: MemberScore, kind: LimitKind) -> str:
    if kind == "latency":
        return "?" if candidate.milliseconds is None else f"{candidate.milliseconds:.2f}"
    return f"{candidate.weight_mib:.2f}" if kind == "memory" else _short(member.flops_per_token)


def _short(count: float) -> str:
    """A count with four digits or so, as 1.055M."""
    for scale, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if count >= scale:
            return f"{count / scale:.3f}{letter}"
    return f"{count / 1e3:.1f}K"


def _origin(outcome: SearchOutcome, member: MemberScore) -> str:
    return "uniform" if member.shape in outcome.result.uniform else "search"

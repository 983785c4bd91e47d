"""Tables of predicted hours beside published ones: what docs/results/planner.md shows of them.

    python bench/planner/published.py

Nothing is measured here; tests in tests/predict hold the figures to their bounds.
"""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "cost"))

import forms
from left_out import CONSTANTS, LeftOut, Summary, constant, left_out, predicted
from tables import Table, markdown

from farthing.hardware.catalogue import find_accelerator
from farthing.predict.duration import device_hours, device_hours_at
from farthing.predict.runs import (
    PublishedRun,
    further_runs,
    goodput,
    implied_mfu,
    published_runs,
)
from farthing.predict.throughput import TERMS, fit
from farthing.quantity import assumed

SPEED_WITHIN, SHARE_WITHIN, BLIND_WITHIN = 0.02, 0.15, 0.20
# Their hours include restarts, checkpoints and faults, by the source's own words.
WITH_PAUSES = ("Olmo 3 7B", "Olmo 3 32B")
# Linear forms that were looked at on these runs before the shipped one was taken, and pools of
# terms over which averages of forms were taken: work by hand, kept nowhere else.
FORMS_TRIED, POOLS_TRIED = 51, 5
MOST_TERMS = 3


def speed_table() -> Table:
    """T2: hours where the speed was published."""
    rows, within, asked = [], 0, 0
    for run in published_runs():
        speed, share = run.tokens_per_second_per_device, goodput(run)
        if speed is None or share is None:
            continue
        hours = device_hours_at(run.tokens, speed).value
        error = hours / run.device_hours - 1
        mark, bound = "", "goodput"
        if run.name not in WITH_PAUSES:
            asked += 1
            within += abs(error) <= SPEED_WITHIN
            bound = f"{100 * SPEED_WITHIN:.0f} %"
            mark = "" if abs(error) <= SPEED_WITHIN else " **off**"
        rows.append(
            [
                run.name,
                f"{speed:,.0f}",
                f"{hours:,.0f}",
                f"{run.device_hours:,.0f}",
                f"{100 * error:+.1f} %{mark}",
                bound,
                f"{share:.3f}",
                run.hours.grade,
            ]
        )
    return Table(
        before=f"Tokens over the published speed: {within} of {asked} within "
        f"{100 * SPEED_WITHIN:.0f} %. Goodput is the share of the hours held in which tokens came "
        "at that speed.",
        columns=[
            *("run", "tokens/s and device", "hours so", "published", "error", "bound"),
            *("goodput", "grade of the hours"),
        ],
        rows=rows,
        after=[
            "Olmo 3: the source counts restarts, checkpoints and faults of the network into its "
            "hours; the gap is their share. Llama 3.1 405B, whose makers report more than 90 % "
            "effective time (arXiv 2407.21783), shows as much: the share of the peak over all "
            "its hours is 0.89 of the one that they state. The tokens of Olmo 3 32B are uncertain: "
            "with 5.5 trillion its goodput would be 0.77",
        ],
    )


def share_table() -> Table:
    """T3: hours where the share of the peak was published."""
    rows, within = [], 0
    stated = [run for run in published_runs() if run.mfu is not None]
    for run in stated:
        assert run.mfu is not None
        share = assumed(run.mfu.value, "1", run.mfu.source)
        hours = device_hours(run.flops, find_accelerator(run.device), share).value
        error = hours / run.device_hours - 1
        within += abs(error) <= SHARE_WITHIN
        rows.append(
            [
                run.name,
                f"{run.mfu.value:.3f}",
                f"{implied_mfu(run):.3f}",
                f"{hours:,.0f}",
                f"{run.device_hours:,.0f}",
                f"{100 * error:+.1f} %" + ("" if abs(error) <= SHARE_WITHIN else " **off**"),
                run.mfu.grade,
            ]
        )
    return Table(
        before=f"Model FLOPs, counted here, over the share of the peak that the makers state: "
        f"{within} of {len(rows)} within {100 * SHARE_WITHIN:.0f} %. What is stated is of running "
        "steps; the hours have the pauses in them.",
        columns=[
            *("run", "stated MFU", "over all hours", "hours so", "published", "error"),
            "grade of the MFU",
        ],
        rows=rows,
        after=[
            "the hours of GLM-130B and Nemotron-4 15B are days by the calendar times all devices, "
            "whatever happened in between",
        ],
    )


def blind_table(found: Sequence[LeftOut]) -> Table:
    """T4: every run from all others."""
    rows = [
        [
            one.run.name,
            one.run.device,
            f"{one.run.devices:,}" if one.run.devices else "not published",
            f"{implied_mfu(one.run):.3f}",
            f"{one.mfu:.3f} ({one.low:.3f} to {one.high:.3f})" + ("" if one.inside else " outside"),
            f"{one.hours:,.0f}",
            f"{one.run.device_hours:,.0f}",
            f"{100 * one.error:+.0f} %",
            one.run.hours.grade,
        ]
        for one in found
    ]
    total = Summary.of(found)
    return Table(
        before=f"Only sizes, tokens and devices are given; each run is predicted by a fit to the "
        f"other {len(found) - 1}. Median error {100 * total.median:.1f} % (wanted: at most "
        f"{100 * BLIND_WITHIN:.0f} %), 80th percentile {100 * total.p80:.0f} %, worst "
        f"{100 * total.worst:.0f} %; {total.covered} of {len(found)} "
        f"({100 * total.covered / len(found):.0f} %) lie in their p10-p90 range, which is a factor "
        f"of {total.factor:.2f} either way.",
        columns=[
            *("run", "device", "devices", "MFU", "predicted (p10 to p90)", "hours so"),
            *("published", "error", "grade of the hours"),
        ],
        rows=rows,
        after=[
            "where the number of devices was not published, the fit takes the number that runs of "
            "as many FLOPs typically had, by a line through the others that say it",
            "DeepSeek-V3, the worst, multiplied in FP8, at twice the peak that its share is of",
            "all ran software made for many devices. farthing's own on "
            "accelerators is not among them: its booked runs replace the fit where there are any",
        ],
    )


def rivals_table(found: Sequence[LeftOut]) -> Table:
    """The same runs by constant shares."""
    others = {name: constant(name) for name in CONSTANTS}
    named = {"**farthing's fit, left out**": list(found), **others}
    rows = []
    for name, predictions in named.items():
        total = Summary.of(predictions)
        nearer = sum(
            abs(ours.error) < abs(its.error) for ours, its in zip(found, predictions, strict=True)
        )
        rows.append(
            [
                name,
                *(f"{100 * x:.1f} %" for x in (total.median, total.p80, total.worst)),
                f"{total.within_30} of {len(found)}",
                f"{total.covered} of {len(found)}",
                f"{total.factor:.2f}",
                "" if predictions == list(found) else f"{nearer} of {len(found)}",
            ]
        )
    return Table(
        before="The usual planner has one share of the peak for everything. Its range here is made "
        "as the fit's: wide enough for 80 % of the others.",
        columns=[
            *("predictor", "median error", "80th percentile", "worst", "within 30 %"),
            *("in p10-p90", "factor of the range", "farthing nearer"),
        ],
        rows=rows,
        after=[],
    )


def forms_table() -> Table:
    """Other forms, and forms chosen anew in every fold."""
    rows = []
    for terms in forms.SHOWN:
        label = "all of the terms" if terms == forms.TERMS else ", ".join(terms)
        rows.append(_form_row(label, forms.left_out_errors(terms), terms == TERMS))
    for most in range(1, MOST_TERMS + 1):
        errors, chosen = forms.chosen_anew(most)
        terms, count = chosen.most_common(1)[0]
        label = f"chosen anew, at most {most} ({', '.join(terms)} in {count} of {len(errors)})"
        rows.append(_form_row(label, errors, False))
    return Table(
        before=f"The form was chosen on these same runs: {FORMS_TRIED} sets of terms and "
        f"{POOLS_TRIED} pools to average over were looked at by hand before it was taken. Some of "
        "them, each run left out, the penalty chosen in every fold; and the terms themselves "
        f"chosen in every fold, out of {len(forms.TERMS)}, by the other runs alone.",
        columns=["terms", "median error", "80th percentile"],
        rows=rows,
        after=[
            "the forms without the term for biases, or the one for gated layers that goes with it, "
            "are about as far off as a constant: what the fit knows is that the six runs with "
            "layers of GPT-3's kind (2020 to 2023) reached less of the peak than others as large, "
            "and then that few parameters on many fast devices do",
        ],
    )


def further_table() -> Table:
    """Runs outside the fit."""
    model = fit(published_runs())
    return Table(
        before="No part of the fit, predicted by the one that ships (before what is assumed of "
        "narrow models).",
        columns=["run", "devices", "MFU", "predicted (p10 to p90)", "hours", "what its hours are"],
        rows=[_further_row(predicted(model, run), run) for run in further_runs()],
        after=[],
    )


def fit_table() -> Table:
    """The coefficients that ship."""
    model = fit(published_runs())
    return Table(
        before=f"log MFU = {model.intercept:.4f} + the sum over the terms of slope x (value - "
        f"mean) / spread; ridge penalty {model.penalty:g}. p10 to p90 at the middle of the runs: a "
        f"factor of {math.exp(model.half_width):.2f} either way.",
        columns=["term", "slope", "mean", "spread"],
        rows=[
            [name, f"{term.slope:+.4f}", f"{term.mean:.3f}", f"{term.spread:.3f}"]
            for name, term in model.terms.items()
        ],
        after=[],
    )


def _form_row(label: str, errors: Sequence[float], ships: bool) -> list[str]:
    ordered = sorted(map(abs, errors))
    p80 = ordered[-(-8 * len(ordered) // 10) - 1]
    return [
        label + (" (**ships**)" if ships else ""),
        f"{100 * statistics.median(ordered):.1f} %",
        f"{100 * p80:.0f} %",
    ]


def _further_row(found: LeftOut, run: PublishedRun) -> list[str]:
    return [
        run.name,
        f"{run.devices}",
        f"{implied_mfu(run):.3f}",
        f"{found.mfu:.3f} ({found.low:.3f} to {found.high:.3f})",
        f"{100 * found.error:+.0f} %",
        run.hours.how or "",
    ]


def sections() -> list[tuple[str, Table]]:
    """Every table under its title."""
    found = left_out()
    return [
        ("Hours from a published speed (T2)", speed_table()),
        ("Hours from a published share of the peak (T3)", share_table()),
        ("Hours from sizes, tokens and devices alone (T4)", blind_table(found)),
        ("Beside a constant share", rivals_table(found)),
        ("Other forms", forms_table()),
        ("The fit that ships", fit_table()),
        ("A run outside the fit", further_table()),
    ]


if __name__ == "__main__":
    for title, table in sections():
        print(f"## {title}\n\n{markdown(table)}")

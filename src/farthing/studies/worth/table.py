"""The study as tables: for a terminal, and for a Markdown page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from farthing.studies.statistics import Ratio, Sample
from farthing.studies.worth.arms import ArmText
from farthing.studies.worth.config import Arm
from farthing.studies.worth.figures import Saving, Worth
from farthing.studies.worth.verdict import sentences

_HEADS = ("text", "bits per byte", "less raw (p)", "less before (p)", "raw's FLOPs", "step's")


def worth_rows(worth: Worth) -> list[list[str]]:
    """One row for each arm, raw first; below zero, the arm is better."""
    rows = [["raw", _shown(worth.raw), "", "", "1", ""]]
    for each in worth.arms:
        rows.append(
            [
                each.arm,
                _shown(each.bpb),
                _signed(each.less_raw),
                _signed(each.less_before or each.less_raw),
                _saving(each.saving),
                _ratio(each.step_saving),
            ]
        )
    return rows


def worth_table(worth: Worth) -> Table:
    """For a terminal."""
    table = Table(title="Bits per byte by text; below zero, better. FLOPs: for the same loss")
    for place, head in enumerate(_HEADS):
        table.add_column(head, justify="left" if place == 0 else "right")
    for row in worth_rows(worth):
        table.add_row(*row)
    return table


def markdown(
    worth: Worth,
    texts: dict[Arm, ArmText],
    *,
    title: str,
    command: str,
    machines: Iterable[str],
    tokens: int,
) -> str:
    """The whole page.

    Args:
        worth: the figures.
        texts: of the arms.
        title: of the page.
        command: that makes it again.
        machines: on which the models were trained.
        tokens: that each whole run was trained on.
    """
    domains = sorted(worth.raw_domains)
    by_domain = [["raw", *(_shown(worth.raw_domains[name]) for name in domains)]]
    by_domain += [
        [
            each.arm,
            *(f"{_shown(each.domains[n])} ({_signed(each.domains_less_raw[n])})" for n in domains),
        ]
        for each in worth.arms
    ]
    with_curation = [[each.arm, _saving(each.saving_with_curation)] for each in worth.arms]
    seeds, on = ", ".join(map(str, worth.seeds)), "; ".join(sorted(set(machines)))
    parts = [
        f"# {title}\n",
        f"`{command}`, seeds {seeds}; {on}. "
        "Bits per byte on the dev text of the finished corpus, mean over its domains; ± is the "
        "sample standard deviation over the seeds; all differences are paired by seed. Every model "
        "has the same size, tokenizer, steps and batch, so the same FLOPs, but for attention, "
        "which stops at the ends of documents.\n",
        "\n".join(f"- {sentence}" for sentence in sentences(worth)) + "\n",
        "## What each step saved\n",
        _table(_HEADS, worth_rows(worth)),
        "Raw's FLOPs: what a run on raw text needs for the same loss, over the arm's, between "
        "finished runs; step's: over what the text before needs. p: one-sided, that chance alone "
        "gives as much.\n",
        "## By domain\n",
        _table(("text", *domains), by_domain),
        "In brackets: less raw.\n",
        "## The texts\n",
        _texts(texts, tokens),
    ]
    parts += [
        "## With what curation used\n",
        _table(("text", "raw's CPU-seconds"), with_curation),
        "CPU-seconds of training and of making the text, on both sides. What one text took over "
        "from another stands with the one that was made first: the finished one.\n",
    ]
    return "\n".join(parts).rstrip() + "\n"


def _texts(texts: dict[Arm, ArmText], tokens: int) -> str:
    rows = [
        [
            arm,
            f"{text.documents:,}",
            f"{text.bytes / 1e6:,.1f}",
            f"{text.tokens / 1e6:,.2f}",
            f"{tokens / text.tokens:.2f}" if text.tokens else "",
            f"{text.curation_cpu_seconds:,.0f}",
            f"`{text.digest[:12]}`",
        ]
        for arm, text in texts.items()
    ]
    heads = ("text", "documents", "MB", "M tokens", "epochs", "CPU-s to make", "corpus")
    return _table(heads, rows) + (
        "\nTraining text alone. Epochs: tokens of a whole run over tokens there; above 4, "
        "repeating a small text is part of what its arm shows.\n"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _shown(sample: Sample) -> str:
    deviation = sample.deviation
    return f"{sample.mean:.4f}" + (f" ± {deviation:.4f}" if deviation is not None else "")


def _signed(difference: Sample) -> str:
    p = difference.chance_above_zero()
    return f"{difference.mean:+.4f}" + (f" ({p:.2g})" if p is not None else "")


def _saving(saving: Saving) -> str:
    if saving.ratio is not None:
        return _ratio(saving.ratio)
    if saving.at_least is not None:
        return f">= {saving.at_least:.2f}"
    return f"<= {saving.at_most:.2f}" if saving.at_most is not None else "unknown"


def _ratio(ratio: Ratio | None) -> str:
    if ratio is None:
        return ""
    if ratio.lower is None or ratio.upper is None:
        return f"{ratio.mean:.2f}"
    return f"{ratio.mean:.2f} ({ratio.lower:.2f} to {ratio.upper:.2f})"

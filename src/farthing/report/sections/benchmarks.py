"""Benchmark scores by language: members, chance, and what others have published."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from farthing.artifacts.benchmarks import Benchmark, BenchmarkMatrix, Published
from farthing.charts.rows import Marker, Row, RowsDrawing, Value, draw_rows
from farthing.report.facts.gather import ReportFacts

# Of a normal distribution, 95 % lies within so many standard errors.
_NORMAL_95 = 1.96
_LANGUAGES = {"en": "English", "zh": "Chinese"}
_FORMS = {"minimal_pairs": "minimal pairs", "multiple_choice": "multiple choice"}


@dataclass(frozen=True)
class MemberScoreText:
    """One member in the table: accuracy with its standard error, or that it was not asked."""

    name: str
    accuracy: str
    ties: str


@dataclass(frozen=True)
class BenchmarkView:
    """One benchmark."""

    benchmark: Benchmark
    language: str
    form: str
    metric: str
    chart: Markup
    members: tuple[MemberScoreText, ...]
    published: tuple[tuple[Published, str], ...]
    groups_of: str
    groups: tuple[tuple[str, str], ...]


def language_name(code: str) -> str:
    """`English` for `en`; the tag itself where we have no name for it."""
    return _LANGUAGES.get(code, code)


def benchmarks_section(facts: ReportFacts) -> tuple[BenchmarkView, ...]:
    """The section, language by language; empty where nobody asked any."""
    matrix = facts.benchmarks
    if matrix is None:
        return ()
    return tuple(
        _view(matrix, benchmark, f"benchmark-{place}")
        for place, benchmark in enumerate(sorted(matrix.benchmarks, key=lambda one: one.language))
    )


def _view(matrix: BenchmarkMatrix, benchmark: Benchmark, identity: str) -> BenchmarkView:
    rows, texts = [], []
    groups_of = ""
    groups: dict[str, float] = {}
    for member in matrix.members:
        score = member.scores.get(benchmark.name)
        if score is None:
            continue
        accuracy, error = score.headline(benchmark.metric)
        text = f"{100 * accuracy:.1f} ± {100 * error:.1f}"
        texts.append(MemberScoreText(member.label, text, str(score.ties)))
        reach = _NORMAL_95 * error
        tip = f"{member.label}: {text} % (standard error), {benchmark.items:,} questions"
        value = Value(accuracy, tip, "ours", max(0.0, accuracy - reach), min(1.0, accuracy + reach))
        rows.append(Row(member.label, (value,)))
        if not groups:
            groups_of, groups = member.label, score.groups
    for each in benchmark.published:
        tip = f"{each.model}, published: {100 * each.accuracy:.1f} %"
        tip += f" ({each.note})" if each.note else ""
        rows.append(Row(each.model, (Value(each.accuracy, tip, "hollow"),)))
    return BenchmarkView(
        benchmark=benchmark,
        language=language_name(benchmark.language),
        form=_FORMS[benchmark.form],
        metric="accuracy" if benchmark.metric == "acc" else "accuracy per character of the choice",
        chart=_chart(rows, benchmark, identity) if texts else Markup(),
        members=tuple(texts),
        published=tuple((each, f"{100 * each.accuracy:.1f}") for each in benchmark.published),
        groups_of=groups_of,
        groups=tuple((name, f"{100 * share:.1f}") for name, share in sorted(groups.items())),
    )


def _chart(rows: list[Row], benchmark: Benchmark, identity: str) -> Markup:
    drawing = RowsDrawing(
        identity=identity,
        title=f"{benchmark.title}: accuracy by member",
        description=f"Accuracy of {len(rows)} models; chance is {benchmark.chance:.0%}. The table "
        "has the figures.",
        width=400.0,
        axis_name="accuracy, %",
        write=lambda share: f"{100 * share:g}",
        pixels_per_tick=40.0,
    )
    marker = Marker(benchmark.chance, f"chance {100 * benchmark.chance:.0f} %")
    return Markup(draw_rows(rows, drawing, marker))

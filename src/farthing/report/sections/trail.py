"""What curation did, as the data page shows it: the funnel, shares, samples, clusters, hits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from markupsafe import Markup

from farthing.artifacts.curation import Amount, FunnelStep, Sample, Share
from farthing.artifacts.settings import BASES, Basis
from farthing.charts.bar import Part, draw_bar
from farthing.charts.funnel import FunnelRow, Slice, draw_funnel
from farthing.ledger.figures import Figures, add_figures
from farthing.quantity import Provenance, Quantity
from farthing.report.facts.trail import TrailFacts
from farthing.report.numbers import data_size, money, percent, plain, short, whole
from farthing.report.shown import UNKNOWN, Shown, show

_SECONDS_PER_HOUR = 3600.0
_COLOURS = 6
_WIDE, _NARROW = 920.0, 420.0
# Parts of a bar that are named; the others stand together.
_NAMED_PARTS = 7


@dataclass(frozen=True)
class ReasonRow:
    """Why documents were dropped: all domains together, with the domains that lost most."""

    reason: str
    colour: str
    amount: Amount
    of_step: str
    domains: str


@dataclass(frozen=True)
class CostView:
    """What the book says that a step took; `name` is the book's."""

    name: str
    cpu_seconds: str
    speed: str
    kwh: Shown
    usd: Shown


@dataclass(frozen=True)
class StepView:
    """One step as a row of the table, and its reasons."""

    step: FunnelStep
    kept: str
    tokens: Shown
    cost: CostView
    reasons: tuple[ReasonRow, ...]


@dataclass(frozen=True)
class ShareRow:
    """One language, domain or licence."""

    share: Share
    of_read: str
    of_kept: str
    stayed: str


@dataclass(frozen=True)
class SharesView:
    """A table of shares with a bar of what was kept."""

    title: str
    rows: tuple[ShareRow, ...]
    bar: Markup


@dataclass(frozen=True)
class StreamRow:
    """How often one stream is read; `quality` is empty where its domain is not divided."""

    stream: str
    domain: str
    quality: str
    tokens: int
    weights: tuple[str, ...]
    once: str
    epochs: tuple[str, ...]


@dataclass(frozen=True)
class SamplePair:
    """A dropped document beside a kept one of its domain, where there is one."""

    dropped: Sample
    kept: Sample | None


@dataclass(frozen=True)
class ReasonSamples:
    """Some of what was dropped for one reason."""

    step: str
    reason: str
    pairs: tuple[SamplePair, ...]


@dataclass(frozen=True, kw_only=True)
class TrailSection:
    """What the template needs."""

    read: Amount
    kept: Amount
    kept_share: str
    tokens: int
    cpu_seconds: float | None
    speed: str
    usd: Shown
    kwh: Shown
    wide: Markup
    narrow: Markup
    steps: tuple[StepView, ...]
    beside: tuple[CostView, ...]
    shares: tuple[SharesView, ...]
    phases: tuple[str, ...]
    runs: tuple[str, ...]
    streams: tuple[StreamRow, ...]
    samples: tuple[ReasonSamples, ...]
    kept_samples: tuple[Sample, ...]


def trail_section(facts: TrailFacts) -> TrailSection:
    """Everything between the headline and the footer."""
    funnel = facts.trail.funnel
    steps = funnel.steps
    read = steps[0].entered if steps else Amount()
    kept = steps[-1].left if steps else Amount()
    totals = [facts.data.total(split) for split in ("train", "dev", "test")]
    cost = facts.cost
    hours = cost.cpu_hours if cost else None
    seconds = hours.value * _SECONDS_PER_HOUR if hours else None
    told = {step.name for step in steps}
    beside = dict.fromkeys(line.step for line in facts.steps if line.step not in told)
    return TrailSection(
        read=read,
        kept=kept,
        kept_share=_share(kept.bytes, read.bytes),
        tokens=sum(each.tokens for each in totals),
        cpu_seconds=seconds,
        speed=_speed(read.bytes, seconds),
        usd=show(cost.usd[_basis([cost])], money) if cost else UNKNOWN,
        kwh=show(cost.kwh, plain, "kWh") if cost else UNKNOWN,
        wide=_drawn(steps, "funnel-wide", _WIDE),
        narrow=_drawn(steps, "funnel-narrow", _NARROW),
        steps=tuple(_step(step, facts) for step in steps),
        beside=tuple(_cost(name, facts, None) for name in beside),
        shares=tuple(
            _shares(title, found, f"share-{place}")
            for place, (title, found) in enumerate(
                (
                    ("Languages, as they were identified", funnel.languages),
                    ("Domains", funnel.domains),
                    ("Licences, as the documents state them", funnel.licences),
                )
            )
            if found
        ),
        phases=_phases(facts),
        runs=tuple(f"{run.folder} ({short(run.tokens)} tokens)" for run in facts.runs),
        streams=_streams(facts),
        samples=_samples(facts.trail.samples),
        kept_samples=tuple(each for each in facts.trail.samples if each.kept),
    )


def _basis(figures: Iterable[Figures]) -> Basis:
    """The first basis that has a price."""
    every = list(figures)
    priced = (basis for basis in BASES if any(each.usd[basis] is not None for each in every))
    return next(priced, BASES[0])


def _colours(step: FunnelStep) -> dict[str, str]:
    """A class for each reason of a step, the largest first; the smaller ones share the last."""
    return {reason: f"gone{min(n, _COLOURS - 1)}" for n, reason in enumerate(step.reasons())}


def _drawn_reasons(step: FunnelStep) -> list[tuple[str, Amount]]:
    """As many as have a colour; the smaller ones together, since each would be a hair too wide."""
    every = list(step.reasons().items())
    if len(every) <= _COLOURS:
        return every
    rest = every[_COLOURS - 1 :]
    others = sum((amount for _, amount in rest), Amount())
    return [*every[: _COLOURS - 1], (f"{len(rest)} other reasons", others)]


def _drawn(steps: Sequence[FunnelStep], identity: str, width: float) -> Markup:
    rows = []
    for step in steps:
        stays = f"{step.name}: {data_size(step.left.bytes)} in {whole(step.left.documents)} stay"
        slices = [Slice(step.left.bytes, stays, "stays")]
        slices += [
            Slice(
                amount.bytes,
                f"{step.name}: {words}, {whole(amount.documents)} documents, "
                f"{data_size(amount.bytes)}",
                f"gone{place}",
            )
            for place, (words, amount) in enumerate(_drawn_reasons(step))
        ]
        if step.changed_bytes > 0:
            tip = f"{step.name}: {data_size(step.changed_bytes)} taken from documents that stay"
            slices.append(Slice(step.changed_bytes, tip, "changed"))
        rows.append(FunnelRow(step.name, tuple(slices), data_size(step.left.bytes)))
    title = "Bytes of text that stay, step by step, and what is dropped"
    return Markup(draw_funnel(rows, identity, title, width=width))


def _cost(name: str, facts: TrailFacts, entered_bytes: int | None) -> CostView:
    """Of a step in all runs together."""
    figures = [line.figures for line in facts.steps if line.step == name]
    if not figures:
        return CostView(name, "", "", UNKNOWN, UNKNOWN)
    cost, basis = add_figures(figures), _basis(figures)
    seconds = cost.cpu_hours.value * _SECONDS_PER_HOUR if cost.cpu_hours else None
    return CostView(
        name=name,
        cpu_seconds="" if seconds is None else plain(seconds),
        speed="" if entered_bytes is None else _speed(entered_bytes, seconds),
        kwh=show(cost.kwh),
        usd=show(cost.usd[basis], money),
    )


def _step(step: FunnelStep, facts: TrailFacts) -> StepView:
    gone, colours = step.gone, _colours(step)
    reasons = tuple(
        ReasonRow(
            reason,
            colours[reason],
            amount,
            _share(amount.documents, gone.documents),
            _losers(step, reason),
        )
        for reason, amount in step.reasons().items()
    )
    return StepView(
        step=step,
        kept=_share(step.left.documents, step.entered.documents),
        tokens=_tokens(step, facts.bytes_per_token),
        cost=_cost(step.name, facts, step.entered.bytes),
        reasons=reasons,
    )


def _tokens(step: FunnelStep, bytes_per_token: float | None) -> Shown:
    """As counted; before the text is tokenised, at the rate of what was in the end."""
    if step.tokens is not None:
        return Shown(short(step.tokens), "measured", "", "counted")
    if bytes_per_token is None:
        return UNKNOWN
    value = step.left.bytes / bytes_per_token
    estimate = Quantity(
        value=value,
        unit="tokens",
        provenance=Provenance.ESTIMATED,
        source=f"bytes over the {bytes_per_token:.2f} bytes of a token of the finished corpus",
        low=value,
        high=value,
    )
    return show(estimate, short)


def _losers(step: FunnelStep, reason: str) -> str:
    """The domains that lost most documents for a reason, in words."""
    found = [each for each in step.dropped if each.reason == reason and each.domain]
    found.sort(key=lambda each: (-each.amount.documents, each.domain))
    words = [f"{each.domain} {whole(each.amount.documents)}" for each in found[:3]]
    return ", ".join([*words, "…"] if len(found) > len(words) else words)


def _shares(title: str, found: Sequence[Share], identity: str) -> SharesView:
    read = sum(each.read.bytes for each in found)
    kept = sum(each.kept.bytes for each in found)
    rows = tuple(
        ShareRow(
            each,
            _share(each.read.bytes, read),
            _share(each.kept.bytes, kept),
            _share(each.kept.bytes, each.read.bytes),
        )
        for each in found
    )
    ordered = sorted(found, key=lambda each: (-each.kept.bytes, each.name))
    named = [each for each in ordered[:_NAMED_PARTS] if each.kept.bytes]
    parts = [
        Part(
            each.kept.bytes,
            each.name,
            f"{each.name}: {data_size(each.kept.bytes)}, {_share(each.kept.bytes, kept)}",
            f"l{place}",
        )
        for place, each in enumerate(named)
    ]
    if rest := kept - sum(each.kept.bytes for each in named):
        tip = f"all others: {data_size(rest)}, {_share(rest, kept)}"
        parts.append(Part(rest, "others", tip, "others"))
    return SharesView(title, rows, Markup(draw_bar(parts, identity, title) if parts else ""))


def _phases(facts: TrailFacts) -> tuple[str, ...]:
    """The phases of the mixture by where they end; one phase needs no name."""
    until = facts.mixture.until
    if len(until) == 1:
        return ("share of batches",)
    return tuple(f"share until {percent(end)} of the run" for end in until)


def _streams(facts: TrailFacts) -> tuple[StreamRow, ...]:
    return tuple(
        StreamRow(
            stream=each.stream,
            domain=each.domain,
            quality=_quality(facts, each.stream),
            tokens=each.tokens,
            weights=tuple(percent(weight) for weight in each.weights),
            once=_once(facts, each.stream),
            epochs=tuple(f"{run.epochs.get(each.stream, 0.0):.2f}" for run in facts.runs),
        )
        for each in facts.mixture.streams
    )


def _quality(facts: TrailFacts, stream: str) -> str:
    part = facts.data.streams.get(stream)
    return f"{plain(part.least_quality)} to {plain(part.most_quality)}" if part else ""


def _once(facts: TrailFacts, stream: str) -> str:
    """Tokens of a run that reads all of a stream once."""
    epochs = facts.mixture.epochs(1_000_000_000).get(stream, 0.0)
    return short(1_000_000_000 / epochs) if epochs else "never"


def _samples(samples: Sequence[Sample]) -> tuple[ReasonSamples, ...]:
    """Dropped documents by reason, each beside one of its domain that stayed, in turn."""
    kept: dict[str, list[Sample]] = {}
    for each in samples:
        if each.kept:
            kept.setdefault(each.domain, []).append(each)
    by_reason: dict[tuple[str, str], list[Sample]] = {}
    for each in samples:
        if not each.kept:
            by_reason.setdefault((each.step, each.reason), []).append(each)
    views = []
    for (step, reason), dropped in by_reason.items():
        turns = {domain: cycle(stayed) for domain, stayed in kept.items()}
        pairs = tuple(
            SamplePair(each, next(islice(turns.get(each.domain, iter(())), 1), None))
            for each in dropped
        )
        views.append(ReasonSamples(step, reason, pairs))
    return tuple(views)


def _share(part: int, of: int) -> str:
    return percent(part / of) if of else ""


def _speed(size: int, cpu_seconds: float | None) -> str:
    """Megabytes for each CPU-second."""
    return plain(size / 1e6 / cpu_seconds) if cpu_seconds else ""

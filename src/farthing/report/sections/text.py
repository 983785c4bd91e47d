"""The data, the samples, and how to check it all."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from farthing.report.facts.data import Amount, DataFacts
from farthing.report.facts.gather import ReportFacts
from farthing.report.facts.samples import MAX_TOKENS, SEED, TEMPERATURE, TOP_P, Prompt, Sample
from farthing.report.numbers import percent
from farthing.report.sections.benchmarks import language_name
from farthing.text.corpus import SPLITS

# By artifact kind: what stands before the member's name.
_EXTRACTED = {"member": "model", "gguf": "GGUF file of"}


@dataclass(frozen=True)
class DataSection:
    """What the template needs."""

    data: DataFacts
    splits: tuple[str, ...]
    domains: tuple[tuple[str, tuple[Amount, ...], str, str], ...]
    totals: tuple[Amount, ...]
    scored_bytes: int


@dataclass(frozen=True)
class PromptView:
    """One prompt and what members made of it."""

    prompt: Prompt
    language: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class SamplesSection:
    """The prompts, and how was sampled, in words."""

    prompts: tuple[PromptView, ...]
    settings: str


@dataclass(frozen=True)
class LineageSection:
    """Digests, what was compared while the page was made, and commands to compare it again."""

    digests: tuple[tuple[str, tuple[str, ...]], ...]
    checks: tuple[str, ...]
    warnings: tuple[str, ...]
    commands: tuple[tuple[str, str], ...]


def data_section(facts: ReportFacts) -> DataSection | None:
    """Domains, their shares of text and of training; None where the corpus is gone."""
    data = facts.data
    if data is None:
        return None
    whole = data.total("train").tokens or 1
    return DataSection(
        data=data,
        splits=SPLITS,
        domains=tuple(
            (
                domain.name,
                tuple(domain.splits[split] for split in SPLITS),
                percent(domain.splits["train"].tokens / whole),
                percent(domain.share),
            )
            for domain in data.domains
        ),
        totals=tuple(data.total(split) for split in SPLITS),
        scored_bytes=sum(facts.scores.held_out_bytes.values()),
    )


def samples_section(facts: ReportFacts) -> SamplesSection:
    """Samples by prompt, the largest member first."""
    groups = groupby(facts.samples, key=lambda sample: sample.prompt)
    return SamplesSection(
        tuple(PromptView(each, language_name(each.language), tuple(part)) for each, part in groups),
        f"{MAX_TOKENS} tokens, seed {SEED}, temperature {TEMPERATURE:g}, top-p {TOP_P:g}",
    )


def lineage_section(facts: ReportFacts) -> LineageSection:
    """Where everything came from."""
    head = facts.bill.head
    checks, warnings = _checks(facts)
    return LineageSection(
        digests=_digests(facts),
        checks=tuple(checks),
        warnings=tuple(warnings),
        commands=(
            (
                "Check the book against this page's head, then journals and artifacts",
                f"farthing verify --workspace . --count {head.count} --head {head.digest}",
            ),
            ("Add the bill up again", "farthing bill --workspace ."),
            (
                "Score the family again, as a new run of the book",
                f"farthing evaluate --workspace . --run {facts.folder} --rerun",
            ),
        ),
    )


def _digests(facts: ReportFacts) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Each name once, with all the digests that go by it."""
    digests = {"corpus": [facts.scores.corpus]}
    if facts.family is not None:
        digests["plan, signed before training"] = [facts.family.plan]
    digests["supernet"] = [facts.supernet]
    for each in facts.extracted:
        words = _EXTRACTED.get(each.kind, f"{each.kind} of")
        digests.setdefault(f"{words} {each.label}", []).append(each.digest)
    digests["key that signs the book (SHA-256)"] = [facts.bill.key]
    return tuple((name, tuple(each)) for name, each in digests.items())


def _checks(facts: ReportFacts) -> tuple[list[str], list[str]]:
    """What was compared while the page was made: what held, and what did not."""
    held = [
        f"the book: {facts.bill.head.count} entries, each signed and linked to the one before",
        f"the files of {_artifacts(facts)}: digests as in their manifests",
    ]
    broken: list[str] = []
    curve, scores = facts.curve, facts.scores.members
    for done, count, what in (
        (facts.scores_in_book, len(scores), "members' bits per byte equal a signed entry"),
        (curve.segments_matching, curve.segments, "stretches of the loss curve equal a signed one"),
    ):
        sentence = f"{done} of {count} {what} of the book"
        (held if done == count and count else broken).append(sentence)
    if curve.unreadable_lines:
        broken.append(
            f"damaged lines of the metrics, which the curve leaves out: {curve.unreadable_lines} "
            "(cut off by a kill, or a figure is missing or no finite number)"
        )
    return held, broken


def _artifacts(facts: ReportFacts) -> str:
    names = ["the corpus"] if facts.data is not None else []
    names += ["the supernet", "the scores"]
    return ", ".join(names[:-1]) + " and " + names[-1]

"""The model card: what a stranger needs to judge a member, in the hub's format.

Front matter carries what the hub reads (`model-index`, `co2_eq_emissions` in grams), and
`.eval_results/farthing.yaml` the newer form of the same scores. What nobody knows is left out of
both, and the text says that it is unknown.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from farthing import __version__
from farthing.artifacts.benchmarks import Benchmark, BenchmarkMatrix, BenchmarkScore
from farthing.artifacts.settings import BASES
from farthing.cost.flops import flops_per_token
from farthing.cost.parameters import count_parameters
from farthing.ledger.bill import Bill
from farthing.ledger.bill_text import carbon_text
from farthing.ledger.figures import Figures
from farthing.ledger.lineage import FamilyCost, MemberCost
from farthing.ledger.sci import Boundary, Sci, boundary_of, sci
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.quantity import MARKS_EXPLAINED, marked, marked_with_range

CARD_NAME = "README.md"
RESULTS_NAME = ".eval_results/farthing.yaml"

_GRAMS_PER_KG = 1000.0
# ISO 639: no linguistic content (code), undetermined.
_NO_LANGUAGE = {"zxx", "und", ""}


@dataclass(frozen=True)
class DataSource:
    """One source of training text: documents and UTF-8 bytes that training could read."""

    source: str
    licence: str
    language: str
    documents: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class MemberQuality:
    """Bits per byte of the member on held-out text, by domain, and their plain mean."""

    split: str
    bpb: dict[str, float]
    mean_bpb: float


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """What the workspace knows about a member; None or empty is unknown, and the card says so.

    Attributes:
        quality: its bits per byte.
        benchmarks: every benchmark that its family answered.
        bill: the workspace's bill just before the extraction.
        data: sources of the training text.
        licence: of the model, as its maker chose.
        location: where it was trained, in words.
    """

    quality: MemberQuality | None = None
    benchmarks: BenchmarkMatrix | None = None
    bill: Bill | None = None
    data: tuple[DataSource, ...] = ()
    licence: str | None = None
    location: str | None = None


def write_card(
    staged: Path, name: str, supernet: Supernet, shape: Shape, padding: int, facts: CardFacts
) -> None:
    """Write README.md and `.eval_results/farthing.yaml` into `staged`."""
    scores = _scores(facts.benchmarks, shape)
    family, cost = _cost(facts.bill, supernet, shape)
    header = _front_matter(name, facts, scores, family, cost)
    environment = Environment(
        loader=PackageLoader("farthing.stages.extract"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters |= {"cell": _cell}
    text = environment.get_template("card.md.j2").render(
        header=yaml.safe_dump(header, sort_keys=False, allow_unicode=True),
        name=name,
        version=__version__,
        size=_size(supernet, shape, padding),
        shape=str(shape),
        parent=supernet.digest,
        origin=supernet.origin,
        facts=facts,
        scores=scores,
        costs=_cost_rows(cost) if cost else [],
        intensity=_intensity(cost, family, facts.bill),
        family=family,
        parent_costs=_cost_rows_of(family.parent) if family and not cost else [],
        marks=MARKS_EXPLAINED,
        total_bytes=sum(source.bytes for source in facts.data),
    )
    (staged / CARD_NAME).write_text(text, encoding="utf-8")
    _write_results(staged, scores)


def _size(supernet: Supernet, shape: Shape, padding: int) -> dict[str, Any]:
    config, vocabulary = supernet.model.config, supernet.model.vocab_size
    count = count_parameters(config, vocabulary, shape)
    counts = [kept if isinstance(kept, int) else len(kept) for kept in shape.experts]
    return {
        "layers": len(shape.layers),
        "hidden": config.hidden_dim,
        "experts": max(counts, default=0),
        "uneven": len(set(counts)) > 1,
        "top_k": max(shape.top_k, default=0),
        "total": count.total,
        "active": count.active,
        "non_embedding": count.non_embedding,
        "active_non_embedding": count.active_non_embedding,
        "flops": flops_per_token(config, vocabulary, shape),
        "padding": padding,
        "context": config.context,
        "vocabulary": vocabulary,
        "silent_shared_expert": bool(counts) and not config.num_shared_experts,
    }


def _scores(
    matrix: BenchmarkMatrix | None, shape: Shape
) -> list[tuple[Benchmark, BenchmarkScore, float, float]]:
    """Benchmark, score, the accuracy that the field quotes and its standard error."""
    if matrix is None:
        return []
    of_member = {member.shape: member.scores for member in matrix.members}.get(str(shape), {})
    return [
        (benchmark, score, *score.headline(benchmark.metric))
        for benchmark in matrix.benchmarks
        if (score := of_member.get(benchmark.name)) is not None
    ]


def _cost(
    bill: Bill | None, supernet: Supernet, shape: Shape
) -> tuple[FamilyCost | None, MemberCost | None]:
    families = bill.families if bill else ()
    family = next((one for one in families if supernet.digest in one.supernets), None)
    members = family.members if family else ()
    return family, next((one for one in members if one.shape == str(shape)), None)


def _front_matter(
    name: str,
    facts: CardFacts,
    scores: list[tuple[Benchmark, BenchmarkScore, float, float]],
    family: FamilyCost | None,
    cost: MemberCost | None,
) -> dict[str, Any]:
    languages = sorted({source.language for source in facts.data} - _NO_LANGUAGE)
    header: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["farthing", "elastic"],
    }
    if facts.licence:
        header["license"] = facts.licence
    if languages:
        header["language"] = languages
    results = [*_bpb_results(facts.quality), *(_benchmark_result(*row) for row in scores)]
    if results:
        header["model-index"] = [{"name": name, "results": results}]
    if emissions := _emissions(cost, family, facts):
        header["co2_eq_emissions"] = emissions
    return header


def _bpb_results(quality: MemberQuality | None) -> list[dict[str, Any]]:
    if quality is None:
        return []
    return [
        {
            "task": {"type": "text-generation"},
            "dataset": {
                "name": f"held-out {quality.split} text, {domain}",
                "type": f"farthing-{quality.split}",
                "config": domain,
            },
            "metrics": [{"type": "bits_per_byte", "name": "bits per byte", "value": value}],
        }
        for domain, value in quality.bpb.items()
    ]


def _benchmark_result(
    benchmark: Benchmark, score: BenchmarkScore, value: float, _stderr: float
) -> dict[str, Any]:
    metrics = [{"type": "acc", "name": "accuracy", "value": score.acc}]
    if score.acc_norm is not None:
        metrics.append(
            {"type": "acc_norm", "name": "accuracy per character", "value": score.acc_norm}
        )
    # The one that the field quotes comes first: readers show the first.
    metrics.sort(key=lambda metric: metric["value"] != value)
    return {
        "task": {"type": "text-generation"},
        "dataset": {
            "name": f"{benchmark.title} ({benchmark.items} items, 0-shot)",
            # A part of a data set is not that data set: its figure stands under a name of ours.
            "type": _hub_dataset(benchmark) or f"farthing-{benchmark.name}",
        },
        "metrics": metrics,
    }


def _emissions(
    cost: MemberCost | None, family: FamilyCost | None, facts: CardFacts
) -> dict[str, Any] | None:
    """Grams for the whole work that this member needed; None where the grid is unknown."""
    bill, carbon = facts.bill, cost.fully_loaded.kg_co2e if cost else None
    if carbon is None or bill is None or family is None or cost is None:
        return None
    runs = [line for line in bill.lines if line.purpose == "training" and line.name == family.name]
    machines = {line.machine for line in runs}
    made = cost.fully_loaded.kg_embodied
    grams = f"{made.value * _GRAMS_PER_KG:.3g} g, {made.provenance}" if made else "unknown"
    emissions: dict[str, Any] = {
        "emissions": carbon.value * _GRAMS_PER_KG,
        "source": "farthing bill, fully loaded (the parent run and this member's own work), "
        f"operational, {carbon.provenance}: {carbon.source}. Embodied, not in it: {grams}",
        "training_type": "pre-training",
        "hardware_used": ", ".join(sorted(machines)),
    }
    if facts.location:
        emissions["geographical_location"] = facts.location
    return emissions


def _intensity(cost: MemberCost | None, family: FamilyCost | None, bill: Bill | None) -> Sci | None:
    """Carbon of the whole work over its FLOPs; None where one of them is unknown."""
    if cost is None or family is None or bill is None:
        return None
    whole = cost.fully_loaded
    return sci(
        whole.kg_co2e,
        whole.kg_embodied,
        whole.flops,
        per="FLOP",
        counted="gross",
        boundary=_boundary(family, bill),
    )


def _boundary(family: FamilyCost, bill: Bill) -> Boundary:
    """What the fully loaded sum holds: all runs but those of other families."""
    others = {one.name for one in bill.families} - {family.name}
    drawn = boundary_of(
        (line.purpose, line.status) for line in bill.lines if line.name not in others
    )
    if family.inherited is None:
        return drawn
    earlier = "the runs of the earlier models that it builds on"
    return Boundary((*drawn.included, earlier), drawn.excluded)


def _hub_dataset(benchmark: Benchmark) -> str | None:
    return benchmark.hub_dataset if benchmark.complete else None


def _cost_rows(cost: MemberCost) -> list[tuple[str, ...]]:
    views = [_cost_rows_of(view) for view in (cost.marginal, cost.amortised, cost.fully_loaded)]
    return [(row[0][0], *(cells[1] for cells in row)) for row in zip(*views, strict=True)]


def _cost_rows_of(figures: Figures) -> list[tuple[str, str]]:
    return [
        ("device-hours", marked(figures.device_hours)),
        ("FLOP", marked(figures.flops)),
        ("kWh", marked_with_range(figures.kwh)),
        *((f"USD, {basis.replace('_', ' ')}", marked(figures.usd[basis])) for basis in BASES),
        ("kg CO2e, operational", carbon_text(figures, marked_with_range(figures.kg_co2e))),
        ("kg CO2e, embodied", marked_with_range(figures.kg_embodied)),
        ("litres of water", marked_with_range(figures.litres)),
    ]


def _write_results(
    staged: Path, scores: list[tuple[Benchmark, BenchmarkScore, float, float]]
) -> None:
    """The hub's newer result files take data sets that are there, and whole."""
    today = datetime.now(UTC).date().isoformat()
    entries = [
        {
            "dataset": {"id": benchmark.hub_dataset, "task_id": benchmark.name},
            "value": value,
            "date": today,
            # No `source`: the hub refuses one without an address.
            "notes": f"farthing {__version__}: {benchmark.metric}, 0-shot, "
            f"{benchmark.items} items, standard error {stderr:.4f}; {benchmark.source}",
        }
        for benchmark, _, value, stderr in scores
        if _hub_dataset(benchmark)
    ]
    if entries:
        path = staged / RESULTS_NAME
        path.parent.mkdir()
        path.write_text(yaml.safe_dump(entries, sort_keys=False, allow_unicode=True), "utf-8")


def _cell(text: str) -> str:
    """Other people's words as plain text in one cell of a Markdown table.

    No tag, link, image or line break of theirs comes alive on the page that shows the card.
    """
    visible = "".join(
        c if c.isprintable() else " " if c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    escaped = html.escape(" ".join(visible.split()), quote=False)
    return re.sub(r"([\\|`\[\]!*])", r"\\\1", escaped)

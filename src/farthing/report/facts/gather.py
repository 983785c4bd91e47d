"""Everything that the page says, read and checked in one go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farthing.artifacts.benchmarks import BenchmarkMatrix
from farthing.artifacts.entries import Evaluation, Extraction, Genesis, Record, RunEnd, read_book
from farthing.artifacts.family import benchmarks_of, scores_of
from farthing.artifacts.forecast import Forecast
from farthing.artifacts.manifest import verify_files
from farthing.artifacts.scores import ScoreMatrix
from farthing.artifacts.settings import BASES, Basis, load_settings
from farthing.artifacts.workspace import Workspace
from farthing.errors import UsageError
from farthing.flow import RunConfig, find_run, open_run
from farthing.flow.opening import find_corpus
from farthing.ledger.accounts import RunAccount
from farthing.ledger.bill import Bill, make_bill, read_accounts
from farthing.ledger.figures import Figures, add_figures
from farthing.ledger.foresight import Compared, compare_forecast, forecast_of
from farthing.ledger.lineage import FamilyCost
from farthing.ledger.rates import Pricing
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet
from farthing.report.facts.curve import LossCurve, attempts_of, read_curve
from farthing.report.facts.data import DataFacts, read_data
from farthing.report.facts.frontier import Frontiers, read_frontiers
from farthing.report.facts.load import LoadFacts, read_load
from farthing.report.facts.samples import PROMPTS, Prompt, Sample, choose_members, write_samples
from farthing.report.facts.serving import ServedMember, read_serving
from farthing.report.facts.trail import has_trail
from farthing.stages.train.metrics import METRICS_NAME
from farthing.text.corpus import DOCUMENTS_NAME, Corpus


@dataclass(frozen=True)
class Money:
    """The dollars that the page shows: the first basis that has a price.

    Attributes:
        basis: which one.
        usd_per_device_hour: of the training runs; None where they are priced differently.
        source: of that price, or of the last of them.
    """

    basis: Basis
    usd_per_device_hour: float | None
    source: str


@dataclass(frozen=True)
class Extracted:
    """Something made of a member alone, as the book names it.

    Attributes:
        label, shape: of the member.
        kind: what it is: `member`, a model of its own, or `gguf`.
        digest: its content digest.
    """

    label: str
    shape: str
    kind: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class ReportFacts:
    """One run's family.

    Attributes:
        folder: of the run, under `runs/`.
        config: its recipe.
        supernet: its content digest.
        steps, tokens: of the training run that made it.
        machine: what trained it.
        version: of the farthing that began the book.
        as_of: time of the book's last entry.
        scores: bits per byte of its members.
        scores_in_book: how many members have the same scores in a signed entry of the book.
        benchmarks: None where nobody asked any.
        bill: of the whole workspace.
        family: the three views; None where the book has no plan for it.
        cost: of the family, everything included.
        money: None where no price is set.
        labels: short name by canonical shape, for scored and registered members.
        curve, data, load, samples: see there; `data` is None where the corpus is gone (and
            `data_problem` says so), `load` where none was recorded.
        trail_corpus: the folder of the corpus where that says how it was made; else "".
        data_page: a page about that corpus beside this one, where there is one; else "".
        extracted: models and files made of single members, oldest first.
        frontiers: what the losses of all finished runs of the workspace cost.
        forecast: what was signed before the run; None where nothing was.
        compared: each of its figures beside what came.
        serving: how fast its members serve, and for how much; empty where nobody measured.
    """

    folder: str
    config: RunConfig
    supernet: str
    steps: int
    tokens: int
    machine: str
    version: str
    as_of: str
    scores: ScoreMatrix
    scores_in_book: int
    benchmarks: BenchmarkMatrix | None
    bill: Bill
    family: FamilyCost | None
    cost: Figures
    money: Money | None
    labels: dict[str, str]
    curve: LossCurve
    data: DataFacts | None
    data_problem: str
    load: LoadFacts | None
    samples: tuple[Sample, ...]
    extracted: tuple[Extracted, ...]
    frontiers: Frontiers
    serving: tuple[ServedMember, ...]
    forecast: Forecast | None = None
    compared: tuple[Compared, ...] = ()
    trail_corpus: str = ""
    data_page: str = ""


def gather(
    workspace: Workspace, run: str | None, prompts: Sequence[Prompt] = PROMPTS
) -> ReportFacts:
    """Read, check and add up what the workspace knows about the family of `run`.

    Raises:
        ConfigError: no run or several fit, or `farthing.yaml` is wrong.
        UsageError: the family has no scores yet.
        ArtifactError, BookError: something is missing, changed or damaged.
    """
    place = find_run(workspace, run)
    config, supernet = open_run(place)
    scores = _scores(workspace, supernet, place.name)
    settings = load_settings(workspace)
    bill = make_bill(workspace, settings, hours_may_lack=True)
    accounts = read_accounts(workspace, settings, hours_may_lack=True)
    pricing, records = accounts.pricing, read_book(workspace.book_file).records
    attempts = attempts_of(accounts.tree.runs, supernet.digest)
    family = next((each for each in bill.families if supernet.digest in each.supernets), None)
    labels = _labels(scores, family, supernet)
    data, data_problem = _data(workspace, supernet, config)
    extracted = _extracted(records, supernet)
    models = {supernet.digest, *(each.digest for each in extracted)}
    genesis = records[0].body
    assert isinstance(genesis, Genesis)  # the reader takes the key from it
    return ReportFacts(
        folder=place.name,
        config=config,
        supernet=supernet.digest,
        steps=int(supernet.origin["steps"]),
        tokens=int(supernet.origin["tokens"]),
        machine=_machine(attempts),
        version=genesis.farthing_version,
        as_of=records[-1].entry.time,
        scores=scores,
        scores_in_book=_scores_in_book(scores, records),
        benchmarks=benchmarks_of(workspace, supernet.digest),
        bill=bill,
        family=family,
        cost=_family_figures(family, bill),
        money=_money(pricing, attempts),
        labels=labels,
        curve=read_curve(place / METRICS_NAME, attempts, pricing, records),
        data=data,
        data_problem=data_problem,
        load=read_load(scores.expert_load, _held_experts(scores, supernet)),
        samples=write_samples(supernet, choose_members(scores.members), prompts),
        extracted=extracted,
        frontiers=read_frontiers(workspace, bill.families, records),
        serving=read_serving(workspace, models, records, pricing),
        forecast=forecast_of(records, accounts.tree.runs, supernet.digest),
        compared=compare_forecast(records, accounts.tree.runs, pricing, supernet.digest),
        trail_corpus=_trail_corpus(workspace, supernet),
    )


def _scores(workspace: Workspace, supernet: Supernet, folder: str) -> ScoreMatrix:
    for split in ("dev", "test"):
        found = scores_of(workspace, supernet.digest, split)
        if found is not None and found.members:
            return found
    raise UsageError(
        f"the family of {folder} has no scores yet, and a report is about scores",
        remedy=f"farthing evaluate --workspace {workspace.root} --run {folder}",
    )


def _data(
    workspace: Workspace, supernet: Supernet, config: RunConfig
) -> tuple[DataFacts | None, str]:
    place = find_corpus(supernet, workspace)
    if place is None:
        # A corpus may be deleted to save space: the page then says so. A damaged one stops it.
        wanted = supernet.origin["corpus"]
        return None, f"the corpus {wanted[:16]}... is not in {workspace.root}"
    corpus = Corpus.open(place, verify=False)
    verify_files(corpus.directory, corpus.manifest, required=(DOCUMENTS_NAME,))
    return read_data(corpus, config.train.mixture), ""


def _trail_corpus(workspace: Workspace, supernet: Supernet) -> str:
    place = find_corpus(supernet, workspace)
    return place.name if place is not None and has_trail(place) else ""


def _machine(attempts: Sequence[RunAccount]) -> str:
    machines = (account.start.machine for account in attempts)
    return "; ".join(
        dict.fromkeys(f"{each.devices} x {each.device}, {each.name}" for each in machines)
    )


def _family_figures(family: FamilyCost | None, bill: Bill) -> Figures:
    """Everything that the family cost: its parent, and each member's own part once."""
    if family is None:
        return bill.total
    return add_figures([family.parent, *(member.marginal for member in family.members)])


def _money(pricing: Pricing, attempts: Sequence[RunAccount]) -> Money | None:
    every = [pricing.of(account.start.run).usd_per_device_hour for account in attempts]
    for basis in BASES:
        prices = [usd for rates in every if (usd := rates[basis]) is not None]
        if prices:
            same = len(prices) == len(every) and len({usd.value for usd in prices}) == 1
            return Money(basis, prices[-1].value if same else None, prices[-1].source)
    return None


def _labels(scores: ScoreMatrix, family: FamilyCost | None, supernet: Supernet) -> dict[str, str]:
    labels = {member.shape: member.label for member in scores.members}
    config = supernet.model.config
    for member in family.members if family else ():
        if member.shape not in labels:
            labels[member.shape] = Shape.parse(member.shape, config).label(config)
    return labels


def _scores_in_book(scores: ScoreMatrix, records: Sequence[Record]) -> int:
    entered = [
        (body.shape, body.scores)
        for body in (record.body for record in records)
        if isinstance(body, Evaluation)
        and body.supernet == scores.supernet
        and body.split == scores.split
    ]
    return sum((member.shape, member.bpb) in entered for member in scores.members)


def _held_experts(scores: ScoreMatrix, supernet: Supernet) -> list[list[int]] | None:
    """Per sparse layer, the experts of the member whose load was recorded; None where unknown."""
    load, model = scores.expert_load, supernet.model
    label = load.label if load is not None else ""
    member = next((each for each in scores.members if each.label == label), None)
    if load is None or member is None:
        return None
    shape = Shape.parse(member.shape, model.config)
    held = []
    for layer in load.layers:
        selected = model.selection(shape, layer)
        ids = selected[0] if selected is not None else None
        held.append(list(range(model.config.num_experts)) if ids is None else ids.tolist())
    return held


def _extracted(records: Sequence[Record], supernet: Supernet) -> tuple[Extracted, ...]:
    """What a run has finished; an extraction whose run came to nothing left nothing to name."""
    config = supernet.model.config
    bodies = [record.body for record in records]
    ends = {body.run: body.artifact for body in bodies if isinstance(body, RunEnd)}
    found: dict[tuple[str, str], Extracted] = {}
    for body in bodies:
        if not isinstance(body, Extraction) or body.supernet != supernet.digest:
            continue
        made = ends.get(body.run)
        if made is not None and made.digest == body.artifact_digest:
            label = Shape.parse(body.shape, config).label(config)
            extracted = Extracted(label, body.shape, made.kind, made.digest)
            found.setdefault((body.shape, made.digest), extracted)
    return tuple(found.values())

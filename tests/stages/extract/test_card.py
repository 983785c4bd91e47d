"""The model card: front matter that the hub reads, and a text that owns up to what is unknown."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
import yaml

from farthing.artifacts.benchmarks import (
    Benchmark,
    BenchmarkMatrix,
    BenchmarkScore,
    MemberBenchmarks,
)
from farthing.artifacts.entries import Evaluation, Member, Plan
from farthing.artifacts.manifest import write_manifest
from farthing.artifacts.settings import EmbodiedFigure, GridFigure, Price, WorkspaceSettings
from farthing.ledger.bill import make_bill
from farthing.model.config import ModelConfig
from farthing.model.initialize import initialize
from farthing.model.shape import Shape
from farthing.model.supernet import Supernet, open_supernet, save_weights
from farthing.model.transformer import Transformer
from farthing.quantity import assumed
from farthing.stages.extract.card import CardFacts, DataSource, MemberQuality, write_card
from farthing.text.tokenizer import byte_vocabulary

TEXT = "2L-2E-1K"
VIEWS = ("marginal", "amortised", "fully_loaded")


@pytest.fixture
def supernet(tmp_path: Path) -> Supernet:
    sizes = ModelConfig(
        num_layers=2,
        hidden_dim=8,
        num_heads=1,
        num_kv_heads=1,
        head_dim=8,
        dense_ffn_dim=8,
        num_experts=2,
        expert_dim=4,
        top_k=2,
        context=8,
    )
    tokenizer = byte_vocabulary()
    model = Transformer(sizes, tokenizer.vocab_size, tokenizer.end_of_text)
    initialize(model, 0)
    folder = tmp_path / "supernet"
    folder.mkdir()
    save_weights(model, folder, {"corpus": "c" * 64, "tokenizer": tokenizer.fingerprint})
    tokenizer.save(folder)
    write_manifest(folder, kind="supernet", input_key="k", detail={})
    return open_supernet(folder, kind="supernet", device=torch.device("cpu"))


@pytest.fixture
def card(supernet: Supernet, tmp_path: Path):
    def card(facts: CardFacts, padding: int = 0) -> tuple[dict[str, Any], str]:
        shape = Shape.parse(TEXT, supernet.model.config)
        write_card(tmp_path, "small one", supernet, shape, padding, facts)
        text = (tmp_path / "README.md").read_text(encoding="utf-8")
        _, header, body = text.split("---\n", 2)
        return yaml.safe_load(header), body

    return card


@pytest.fixture
def bill(book, workspace, meter, supernet):
    """A family of two members at equal shares, trained and scored once, on a known grid."""
    shapes = [str(Shape.parse(text, supernet.model.config)) for text in (TEXT, "2L-2E-2K")]
    plan = Plan(
        name="n",
        recipe={},
        recipe_digest="r",
        corpus_digest="c",
        members=tuple(Member(shape=shape, share=0.5) for shape in shapes),
    )
    digest = book.append(plan).entry.digest
    common = {"input_key": "k", "meter": meter, "torch_version": "t", "threads": 1}
    with book.start_run(
        "training", "n", directory=workspace.root / "a", plan=digest, **common
    ) as run:
        run.beat("train", 0, tokens=5, flops=100.0)
        run.end(artifact_kind="supernet", artifact_digest=supernet.digest)
    with book.start_run("evaluation", "n", directory=workspace.root / "b", **common) as run:
        for shape in shapes:
            before = run.work()
            work = run.beat("evaluate", None, tokens=3, flops=10.0, flush=True) - before
            book.append(
                Evaluation(
                    run=run.number,
                    supernet=supernet.digest,
                    shape=shape,
                    split="dev",
                    scores={"en": 2.0},
                    work=work,
                )
            )
        run.end(artifact_kind="scores", artifact_digest="s")

    def bill(**settings):
        return make_bill(workspace, WorkspaceSettings(**settings))

    return bill


def matrix(shape: str, *, complete: bool = True) -> BenchmarkMatrix:
    benchmark = Benchmark(
        name="pairs",
        title="Pairs | of sentences",
        language="en",
        form="minimal_pairs",
        metric="acc",
        items=400,
        shortened=0,
        chance=0.5,
        file="pairs.jsonl",
        file_digest="f",
        definition_digest="d",
        source="somewhere, 67,000 questions",
        licence="CC-BY-4.0",
        hub_dataset="someone/pairs",
        complete=complete,
        published=(),
    )
    score = BenchmarkScore(
        acc=0.625, acc_stderr=0.0242, acc_norm=None, acc_norm_stderr=None, ties=1, groups={}
    )
    member = MemberBenchmarks(shape=shape, label="x", scores={"pairs": score})
    return BenchmarkMatrix(supernet="s", benchmarks=(benchmark,), members=(member,))


def test_a_card_that_knows_nothing_says_so_and_claims_nothing(card):
    header, body = card(CardFacts())
    assert header == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["farthing", "elastic"],
    }
    for words in ("Bits per byte: not measured", "none were run", "no bill was at hand"):
        assert words in body
    assert "the corpus was not at hand" in body
    assert "has set no licence" in body


def test_scores_stand_in_the_front_matter_and_in_the_newer_result_file(
    card, supernet, tmp_path: Path
):
    shape = str(Shape.parse(TEXT, supernet.model.config))
    quality = MemberQuality(split="dev", bpb={"en": 2.5, "zh": 2.0}, mean_bpb=2.25)
    header, body = card(CardFacts(quality=quality, benchmarks=matrix(shape)))
    results = header["model-index"][0]["results"]
    values = [(r["dataset"]["type"], r["metrics"][0]["value"]) for r in results]
    assert values == [("farthing-dev", 2.5), ("farthing-dev", 2.0), ("someone/pairs", 0.625)]
    assert "| 2.500 | 2.000 | 2.250 |" in body
    assert "0.625 ± 0.024" in body
    assert "Pairs \\| of sentences" in body
    entries = yaml.safe_load((tmp_path / ".eval_results" / "farthing.yaml").read_text("utf-8"))
    assert entries[0]["dataset"] == {"id": "someone/pairs", "task_id": "pairs"}
    assert entries[0]["value"] == 0.625


def test_emissions_are_in_grams_fully_loaded_and_absent_where_the_grid_is_unknown(card, bill):
    grid = GridFigure(grams_per_kwh=100.0, source="a supplier")
    known = bill(grid_grams_per_kwh=grid)
    header, _ = card(CardFacts(bill=known))
    emissions = header["co2_eq_emissions"]
    kilograms = known.families[0].members[0].fully_loaded.kg_co2e
    assert kilograms is not None
    assert emissions["emissions"] == pytest.approx(1000 * kilograms.value)
    # The other member's evaluation is not this one's.
    assert emissions["emissions"] < 100.0 * known.total.kwh.value
    assert "the parent run and this member's own work" in emissions["source"]
    assert "a supplier" in emissions["source"]
    header, body = card(CardFacts(bill=bill()))
    assert "co2_eq_emissions" not in header
    assert "the grid is not set" in body


def _with_embodied(bill, kilograms: float):
    """The bill as it stands where the hardware's making is known too."""
    making = assumed(kilograms, "kg", "a maker")
    litres = assumed(7.0, "L", "a site")

    def more(figures):
        return replace(figures, kg_embodied=making, litres=litres)

    families = tuple(
        replace(
            family,
            members=tuple(
                replace(
                    member,
                    **{view: more(getattr(member, view)) for view in VIEWS},
                )
                for member in family.members
            ),
        )
        for family in bill.families
    )
    return replace(bill, families=families)


def test_operational_and_embodied_carbon_stand_apart_with_the_place_and_their_sum(card, bill):
    known = bill(grid_grams_per_kwh=GridFigure(grams_per_kwh=100.0, source="a supplier"))
    header, body = card(CardFacts(bill=_with_embodied(known, 2.0), location="Oslo, Norway"))
    emissions = header["co2_eq_emissions"]
    whole = known.families[0].members[0].fully_loaded
    assert emissions["geographical_location"] == "Oslo, Norway"
    # Embodied carbon is said, not added.
    assert emissions["emissions"] == pytest.approx(1000 * whole.kg_co2e.value)
    assert "Embodied, not in it: 2e+03 g, assumed" in emissions["source"]
    assert "| kg CO2e, embodied | ≈2 | ≈2 | ≈2 |" in body
    assert "| litres of water | ≈7 | ≈7 | ≈7 |" in body
    grams_per_flop = 1000 * (whole.kg_co2e.value + 2.0) / whole.flops.value
    line = next(line for line in body.splitlines() if "carbon intensity" in line)
    said = float(re.search(r": ≈([0-9.e+-]+)", line).group(1))
    assert said == pytest.approx(grams_per_flop, rel=0.01)
    assert "In: training (1 run); evaluation (1 run). Out: " in body
    assert "offsets and certificates, which are not taken off" in body


def test_rates_of_the_workspace_give_the_card_its_carbon_its_water_and_its_intensity(card, bill):
    making = EmbodiedFigure(
        kg_per_device=8.766, life_years=1, date=date(2026, 1, 31), source="maker"
    )
    known = bill(grid="US-OR", site="azure", electricity_water="olmo3", embodied=making)
    header, body = card(CardFacts(bill=known, location="Oregon, United States"))
    whole = known.families[0].members[0].fully_loaded
    made, it_kwh = whole.device_hours.value * 0.001, whole.kwh.value / 1.18
    assert whole.kg_embodied.value == pytest.approx(made)
    assert whole.litres.value == pytest.approx(it_kwh * 0.30 + whole.kwh.value * 1.2916)
    emissions = header["co2_eq_emissions"]
    assert emissions["emissions"] == pytest.approx(whole.kwh.value * 165.5)
    assert f"Embodied, not in it: {1000 * made:.3g} g, assumed" in emissions["source"]
    assert emissions["geographical_location"] == "Oregon, United States"
    said = " ".join(body.split())
    grams_per_flop = (whole.kwh.value * 165.5 + 1000 * made) / whole.flops.value
    assert f"≈{grams_per_flop:.3g} (" in said
    assert f"kg operational + ≈{made:.3g} kg embodied) / {whole.flops.value:.3g} FLOPs." in said
    left = body.partition("Left out:")[2].partition("## Data")[0]
    assert "embodied" not in left
    assert "water" not in left


def test_without_embodied_carbon_there_is_no_intensity(card, bill):
    known = bill(grid_grams_per_kwh=GridFigure(grams_per_kwh=100.0, source="a supplier"))
    header, body = card(CardFacts(bill=known))
    assert "Software carbon intensity: unknown" in body
    assert "| kg CO2e, embodied | unknown | unknown | unknown |" in body
    assert "Embodied, not in it: unknown" in header["co2_eq_emissions"]["source"]
    assert "geographical_location" not in header["co2_eq_emissions"]


def test_the_cost_stands_on_three_views_with_basis_and_what_is_left_out(card, bill):
    price = Price(usd_per_device_hour=3.0, date=date(2026, 1, 31), source="a list | of prices")
    _, body = card(CardFacts(bill=bill(prices={"spot": price})))
    row = next(line for line in body.splitlines() if line.startswith("| USD, spot"))
    marginal, amortised, loaded = (float(c.strip(" ≈")) for c in row.split("|")[2:5])
    assert 0 < marginal < amortised < loaded
    assert amortised == pytest.approx((marginal + loaded) / 2, rel=0.02)
    assert "| USD, owned | unknown | unknown | unknown |" in body
    assert "staff time" in body
    assert "a list \\| of prices" in body


def test_data_sources_stand_with_their_licences(card):
    sources = (
        DataSource("a|b\nc", "CC0-1.0", "en", documents=2, bytes=3000),
        DataSource("code", "MIT", "zxx", documents=1, bytes=5),
    )
    header, body = card(CardFacts(data=sources, licence="apache-2.0"))
    assert "| a\\|b c | CC0-1.0 | en | 2 | 3,000 |" in body
    assert header["language"] == ["en"]
    assert header["license"] == "apache-2.0"
    assert "has set no licence" not in body


def test_the_hub_reads_the_front_matter_and_the_result_file(card, supernet, bill, tmp_path: Path):
    shape = str(Shape.parse(TEXT, supernet.model.config))
    grid = GridFigure(grams_per_kwh=100.0, source="a supplier")
    card(
        CardFacts(
            quality=MemberQuality(split="dev", bpb={"en": 2.5}, mean_bpb=2.5),
            benchmarks=matrix(shape),
            bill=bill(grid_grams_per_kwh=grid),
            licence="apache-2.0",
        )
    )
    data = huggingface_hub.ModelCard((tmp_path / "README.md").read_text("utf-8")).data
    assert data.model_name == "small one"
    found = [(r.dataset_type, r.metric_type, r.metric_value) for r in data.eval_results]
    assert found == [("farthing-dev", "bits_per_byte", 2.5), ("someone/pairs", "acc", 0.625)]
    assert data.co2_eq_emissions["emissions"] > 0
    rows = yaml.safe_load((tmp_path / ".eval_results" / "farthing.yaml").read_text("utf-8"))
    (entry,) = huggingface_hub.parse_eval_result_entries(rows)
    assert (entry.dataset_id, entry.task_id, entry.value) == ("someone/pairs", "pairs", 0.625)
    assert "standard error 0.0242" in entry.notes


def test_a_part_of_a_data_set_is_not_published_under_its_name(card, supernet, tmp_path: Path):
    shape = str(Shape.parse(TEXT, supernet.model.config))
    header, body = card(CardFacts(benchmarks=matrix(shape, complete=False)))
    (result,) = header["model-index"][0]["results"]
    assert result["dataset"]["type"] == "farthing-pairs"
    assert "0.625 ± 0.024" in body
    assert not (tmp_path / ".eval_results").exists()


def test_other_peoples_words_come_alive_nowhere_on_the_card(card):
    nasty = "<img src=x onerror=alert(1)> ![a](http://b) `c` \u202edcba\u0000"
    _, body = card(CardFacts(data=(DataSource(nasty, nasty, nasty, documents=1, bytes=1),)))
    (row,) = (line for line in body.splitlines() if "onerror" in line)
    assert "<" not in row
    assert "\\!\\[a\\](http" in row
    assert "\\`c\\`" in row
    assert not {"\u202e", "\u0000"} & set(row)


def test_a_member_that_uses_one_expert_is_not_told_to_use_fewer(card):
    _, body = card(CardFacts())
    assert "smaller top-k" not in body

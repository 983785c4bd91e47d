"""What a step of curation is worth, from cells made up so that every figure is known."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from farthing.studies.compare.results import RunCost
from farthing.studies.worth.arms import ArmText, corpus_settings
from farthing.studies.worth.cells import CellResult
from farthing.studies.worth.config import ARMS, WorthSettings
from farthing.studies.worth.figures import worth_of
from farthing.studies.worth.table import markdown, worth_table
from farthing.studies.worth.verdict import sentences

SEEDS = (0, 1, 2)
LENGTHS = (0.5, 1.0, 2.0)
# What doubling the compute on raw text gains, in bits per byte.
GAIN = 0.1


def _cell(arm, seed, bpb, *, length=1.0, curation=0.0):
    run = RunCost(
        input_key=f"{arm}{seed}{length}",
        supernet="s",
        steps=1,
        attempts=1,
        tokens=1,
        flops=90.0 * length,
        optimizer_flops=10.0 * length,
        device_seconds=50.0 * length,
        cpu_seconds=40.0 * length,
        wall_seconds=25.0 * length,
        machine="a machine",
    )
    return CellResult(
        arm=arm,
        seed=seed,
        length=length,
        corpus="c",
        run=run,
        curation_cpu_seconds=curation,
        bpb={"en": bpb - 0.5, "zh": bpb + 0.5},
        mean_bpb=bpb,
        code="0",
    )


def _raw(seeds=SEEDS, *, curation=0.0):
    """Runs on raw text: 2 bits per byte at the recipe's length, and seeds that differ by 0.01."""
    return [
        _cell(
            "raw",
            seed,
            2.0 + 0.01 * seed - GAIN * math.log2(length),
            length=length,
            curation=curation,
        )
        for seed in seeds
        for length in LENGTHS
    ]


def _arm(arm, ratios, seeds=SEEDS, **more):
    """Runs as good as raw text at so many times the compute, seed by seed."""
    return [
        _cell(arm, seed, 2.0 + 0.01 * seed - GAIN * math.log2(ratio), **more)
        for seed, ratio in zip(seeds, ratios, strict=True)
    ]


def _said(cells, seeds=SEEDS):
    return " ".join(sentences(worth_of(cells, seeds, ARMS)))


class TestSavings:
    def test_the_ratio_is_what_raw_text_needs_for_the_same_loss(self):
        (arm,) = worth_of([*_raw(), *_arm("filtered", (1.5, 1.6, 1.7))], SEEDS, ARMS).arms
        geometric = (1.5 * 1.6 * 1.7) ** (1 / 3)
        assert arm.saving.ratio.mean == pytest.approx(geometric)
        assert arm.step_saving.mean == pytest.approx(geometric)
        assert arm.less_raw.values == pytest.approx([-GAIN * math.log2(r) for r in (1.5, 1.6, 1.7)])
        assert arm.domains_less_raw["zh"].values == pytest.approx(arm.less_raw.values)

    def test_a_step_counts_against_the_text_before_it(self):
        cells = [
            *_raw(),
            *_arm("filtered", (1.2, 1.3, 1.4)),
            *_arm("scored", (1.8, 1.3, 1.4)),
        ]
        filtered, scored = worth_of(cells, SEEDS, ARMS).arms
        assert scored.arm == "scored"
        assert scored.step_saving.mean == pytest.approx(1.5 ** (1 / 3))
        assert scored.less_before.mean == pytest.approx(scored.bpb.mean - filtered.bpb.mean)

    def test_beyond_the_longest_raw_run_there_is_only_a_bound(self):
        (arm,) = worth_of([*_raw(), *_arm("filtered", (1.5, 3.0, 4.0))], SEEDS, ARMS).arms
        assert arm.saving.ratio is None
        # Two seeds stand at the longest run: twice the compute.
        assert arm.saving.at_least == pytest.approx((1.5 * 2 * 2) ** (1 / 3))
        assert (arm.saving.inside, arm.saving.seeds) == (1, 3)

    def test_below_the_shortest_raw_run_there_is_only_a_bound(self):
        (arm,) = worth_of([*_raw(), *_arm("filtered", (0.4, 0.3, 0.8))], SEEDS, ARMS).arms
        assert arm.saving.ratio is None
        assert arm.saving.at_most == pytest.approx((0.5 * 0.5 * 0.8) ** (1 / 3))

    def test_bounds_on_both_sides_say_nothing(self):
        (arm,) = worth_of([*_raw(), *_arm("filtered", (0.4, 3.0, 0.8))], SEEDS, ARMS).arms
        assert (arm.saving.at_least, arm.saving.at_most) == (None, None)

    def test_what_curation_used_counts_on_both_sides(self):
        cells = [*_raw(curation=8.0), *_arm("filtered", (2.0, 2.0, 2.0), curation=32.0)]
        (arm,) = worth_of(cells, SEEDS, ARMS).arms
        # Raw text needs the run of length 2: 80 + 8 CPU-seconds; the arm used 40 + 32.
        assert arm.saving_with_curation.ratio.mean == pytest.approx(88 / 72)
        assert arm.saving.ratio.mean == pytest.approx(2.0)

    def test_an_arm_that_lacks_a_seed_is_not_there_yet(self):
        assert worth_of([*_raw(), *_arm("filtered", (1.5,), (0,))], SEEDS, ARMS).arms == ()

    def test_without_raw_text_there_is_nothing(self):
        with pytest.raises(ValueError, match="raw"):
            worth_of(_arm("filtered", (1.5, 1.5, 1.5)), SEEDS, ARMS)


class TestVerdict:
    def test_a_saving_beyond_chance_is_one(self):
        said = _said([*_raw(), *_arm("filtered", (1.50, 1.55, 1.60))])
        assert "Filtering: saves compute: without it, 1.55 times the FLOPs" in said

    def test_what_seeds_cannot_show_is_no_saving(self):
        said = _said([*_raw(), *_arm("filtered", (0.7, 1.6, 1.1))])
        assert "Filtering: saves nothing that 3 seeds can show" in said
        assert "saves compute" not in said

    def test_a_step_that_costs_is_called_so(self):
        said = _said([*_raw(), *_arm("deduplicated", (0.80, 0.82, 0.84))])
        assert "Deduplication: costs compute: without it, only 0.82 times" in said

    def test_a_bound_is_said_as_one(self):
        said = _said([*_raw(), *_arm("filtered", (3.0, 3.1, 3.2))])
        assert "better by more than chance" in said
        assert "raw text needs at least 2.00 times the FLOPs" in said
        assert "with 3 of 3 seeds no run on it, of any length, is as good" in said

    def test_worse_than_the_shortest_raw_run_is_no_saving(self):
        said = _said([*_raw(), *_arm("filtered", (0.3, 0.31, 0.32))])
        assert "worse by more than chance" in said
        assert "no saving: raw text needs at most 0.50 times" in said

    def test_one_seed_says_so(self):
        said = _said([*_raw((0,)), *_arm("filtered", (1.5,), (0,))], (0,))
        assert "One seed says nothing about chance" in said
        assert "saves" not in said

    def test_domains_that_lost_are_named_beside_those_that_gained(self):
        lost = [
            cell.model_copy(update={"bpb": {"en": 0.5, "zh": 2.9}})
            for cell in _arm("mixed", (1.5, 1.5, 1.5))
        ]
        said = _said([*_raw(), *lost])
        assert "mixed is better in en -1.010; no better in zh +0.390" in said


class TestTables:
    @pytest.fixture
    def worth(self):
        cells = [*_raw(), *_arm("filtered", (1.5, 1.6, 1.7)), *_arm("mixed", (3.0, 3.0, 3.0))]
        return worth_of(cells, SEEDS, ARMS)

    def test_a_terminal_shows_every_arm(self, worth):
        console = Console(width=120, record=True, file=io.StringIO())
        console.print(worth_table(worth))
        shown = console.export_text()
        assert "filtered" in shown
        assert ">= 2.00" in shown

    def test_the_page_says_what_it_rests_on(self, worth):
        texts = {
            arm: ArmText(arm, Path("c"), "d" * 64, 10, 2_000_000, 500_000, 3.0)
            for arm in ("raw", "filtered", "mixed")
        }
        page = markdown(
            worth,
            texts,
            title="T",
            command="farthing curate --ablate",
            machines={"a machine"},
            tokens=1_000_000,
        )
        assert "`farthing curate --ablate`, seeds 0, 1, 2; a machine" in page
        assert "| filtered | 10 | 2.0 | 0.50 | 2.00 | 3 |" in page
        assert "1.60 (1." in page
        for line in (line for line in page.splitlines() if line.startswith("|")):
            assert line.endswith("|")


class TestSettings:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"seeds": (1, 1)},
            {"arms": ("filtered", "mixed")},
            {"arms": ("raw",)},
            {"arms": ("raw", "raw")},
            {"raw_lengths": (1.0,)},
            {"raw_lengths": (-1.0,)},
        ],
        ids=["a seed twice", "no raw", "raw alone", "an arm twice", "length one", "no length"],
    )
    def test_what_cannot_be_compared_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            WorthSettings(**wrong)

    def test_arms_come_in_the_order_of_the_steps(self):
        asked = WorthSettings(arms=("mixed", "raw", "filtered"))
        assert asked.ordered == ("raw", "filtered", "mixed")

    def test_an_arm_is_the_recipe_up_to_a_step_on_the_ground_of_the_finished_corpus(self):
        assert corpus_settings("scored", Path("c")) == {"until": "scored", "held_out_from": "c"}

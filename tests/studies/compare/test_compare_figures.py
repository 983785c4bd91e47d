"""Losses, elastic tax and cost ratios, from cells whose answers are known."""

import pytest

from farthing.studies.compare.ablation import ablation
from farthing.studies.compare.breakdown import aspects
from farthing.studies.compare.config import CompareConfig
from farthing.studies.compare.figures import (
    Cells,
    Unmatched,
    against,
    elastic_taxes,
    family_ratio,
)
from farthing.studies.compare.page import Summary, markdown
from farthing.studies.compare.picture import picture

SEEDS, MEMBERS = (0, 1), ("full", "half")


@pytest.fixture
def cells(make_cell):
    """Elastic costs 8; plain runs cost 10 (equal steps), 8 (equal FLOPs) and 5."""
    every = []
    for seed, luck in ((0, 0.0), (1, 0.02)):
        every += [
            make_cell("elastic", seed, 8.0, {"full": 2.02 + luck, "half": 2.1 + luck}, beside=2.0),
            make_cell("plain", seed, 10.0, {"full": 2.0 + luck}),
            make_cell("plain", seed, 8.0, {"full": 2.04 + luck}, name="same FLOPs", length=0.0),
            make_cell("plain", seed, 5.0, {"full": 2.2 + luck}, length=0.5),
            make_cell("pruned", seed, 8.0, {"full": 2.05 + luck, "half": 2.2 + 2 * luck}),
            make_cell("scratch", seed, 2.0, {"half": 2.3 + luck}, name="half", length=0.5),
            make_cell("scratch", seed, 4.0, {"half": 2.1 + luck}, name="half"),
        ]
    return Cells(tuple(every), SEEDS, MEMBERS)


def test_an_arm_is_compared_member_by_member_and_seed_by_seed(cells):
    pruned = against(cells, "pruned")
    assert pruned.differences["full"].values == pytest.approx((-0.03, -0.03))
    assert pruned.differences["half"].values == pytest.approx((-0.1, -0.12))
    assert pruned.mean_difference.values == pytest.approx((-0.065, -0.075))
    assert pruned.cost["flops"].mean == pytest.approx(1.0)


def test_of_several_lengths_the_recipes_own_stands_beside_elastic(cells):
    plain = against(cells, "plain")
    assert list(plain.members) == ["full"]
    assert plain.differences["full"].values == pytest.approx((0.02, 0.02))
    assert plain.cost["device_seconds"].mean == pytest.approx(10 / 8)


def test_an_arm_that_lacks_a_seed_or_was_not_run_is_left_out(cells):
    without = Cells(
        tuple(cell for cell in cells.every if (cell.arm, cell.seed) != ("pruned", 1)),
        SEEDS,
        MEMBERS,
    )
    assert against(without, "pruned") is None
    assert against(cells, "mixed") is None


def test_the_tax_is_told_at_equal_steps_and_at_equal_cost(cells):
    taxes = {tax.basis: tax for tax in elastic_taxes(cells)}
    assert taxes["equal steps"].percent.values[0] == pytest.approx(100 * (2.02 / 2.0 - 1))
    assert taxes["equal FLOPs"].percent.values[0] == pytest.approx(100 * (2.02 / 2.04 - 1))
    # Halfway between the plain runs' 2.04 (cost 8) and 2.00 (cost 10).
    assert taxes["equal FLOPs"].compute.mean == pytest.approx((8 * 10) ** 0.5 / 8)
    assert taxes["equal device-seconds"].compute.mean == pytest.approx((8 * 10) ** 0.5 / 8)


def test_a_family_is_held_against_the_cheapest_runs_that_are_as_good(cells):
    ratio = family_ratio(cells, "scratch", "flops")
    assert ratio.members == MEMBERS
    theirs = [(8 * 10) ** 0.5, 4.0]
    assert ratio.fully_loaded.mean == pytest.approx((8 + 2) / sum(theirs))
    assert ratio.bound.mean == pytest.approx(theirs[0] / sum(theirs))
    assert ratio.efficiency.mean == pytest.approx(8 / theirs[0])
    assert ratio.overheads.mean == pytest.approx(10 / 8)
    product = ratio.bound.mean * ratio.efficiency.mean * ratio.overheads.mean
    assert product == pytest.approx(ratio.fully_loaded.mean)
    # Two thirds of the active FLOPs are the full member's.
    assert ratio.amortised["full"].mean == pytest.approx(2 / 3 * 10 / theirs[0])


def test_a_member_that_no_run_reaches_is_named_and_counts_for_nobody(cells, make_cell):
    extra = []
    for seed in SEEDS:
        extra.append(make_cell("baseline", seed, 3.0, {"": 2.11}, name="gpt/large"))
        extra.append(make_cell("baseline", seed, 1.0, {"": 2.5}, name="gpt/small"))
    ratio = family_ratio(Cells((*cells.every, *extra), SEEDS, MEMBERS), "gpt", "flops")
    assert ratio == Unmatched("gpt", "flops", unreached=MEMBERS, unbounded=())
    told = Summary(Cells((*cells.every, *extra), SEEDS, MEMBERS), CompareConfig()).sentences()
    assert "No cost ratio to gpt; not counted, as it did not reach them: full, half." in told
    better = []
    for seed in SEEDS:
        better.append(make_cell("baseline", seed, 3.0, {"": 2.1}, name="gpt/large"))
        better.append(make_cell("baseline", seed, 1.0, {"": 2.5}, name="gpt/large", length=0.5))
    ratio = family_ratio(Cells((*cells.every, *better), SEEDS, MEMBERS), "gpt", "flops")
    assert (ratio.members, ratio.unreached) == (("half",), ("full",))
    # The half is at 2.10 and 2.12: at the large run's end, and 95 % of the way from the small one.
    assert ratio.fully_loaded.mean == pytest.approx(10 / (3 * 3**0.95) ** 0.5)


def test_a_baseline_that_starts_out_better_makes_no_ratio(cells, make_cell):
    """Its shortest run is only the most that the member can cost: a ratio would flatter us."""
    good = [make_cell("baseline", seed, 7.0, {"": 2.05}, name="gpt") for seed in SEEDS]
    good += [make_cell("baseline", seed, 9.0, {"": 1.9}, name="gpt") for seed in SEEDS]
    ratio = family_ratio(Cells((*cells.every, *good), SEEDS, MEMBERS), "gpt", "flops")
    assert (ratio.members, ratio.unbounded) == (("full",), ("half",))
    text = markdown(
        Summary(Cells((*cells.every, *good), SEEDS, MEMBERS), CompareConfig()),
        title="",
        command="",
        picture=None,
    )
    assert "its shortest runs are already better" in text


def test_the_page_says_who_won_and_what_it_rests_on(cells):
    summary = Summary(cells, CompareConfig())
    text = markdown(summary, title="A comparison", command="farthing compare", picture="p.svg")
    assert "Elastic beats pruning afterwards by 0.0700 bits per byte" in text
    assert "Elastic tax: +1.00 % of bits per byte at equal steps, at most" in text
    assert "| half | 0.00M | 2.1100 ± 0.0141 |" in text
    assert "| scratch | FLOPs | 2 of 2 | 0.773 |" in text
    assert "seeds 0, 1; a machine; code 01234567" in text


def test_the_picture_holds_every_arm_and_stands_alone(cells):
    drawn = picture(cells, "A comparison")
    assert drawn.startswith("<svg ")
    assert 'xmlns="http://www.w3.org/2000/svg"' in drawn
    for name in ("elastic", "pruned", "from scratch", "plain"):
        assert f">{name}</text>" in drawn
    assert drawn.count("arm-dot") >= 6


def test_a_baseline_that_broke_is_told_and_gives_no_point(cells, make_cell):
    broken = make_cell("baseline", 0, 3.0, {}, name="gpt").model_copy(
        update={"runs": (), "complaint": "step 3: the loss jumped (shape x)"}
    )
    every = Cells((*cells.every, broken), SEEDS, MEMBERS)
    assert isinstance(family_ratio(every, "gpt", "flops"), Unmatched)
    told = "Nothing came of gpt at length 1 with seed 0: step 3: the loss jumped."
    assert told in Summary(every, CompareConfig()).sentences()


def test_domains_and_tasks_are_compared_one_by_one(cells):
    """Elastic is better than pruning in both domains and worse in the task."""

    def told(cell):
        of = {"elastic": 0.0, "pruned": 0.1, "scratch": 0.05}[cell.arm] + cell.seed / 100
        scored = []
        for each in cell.scored:
            bpb = {"en": each.score.mean_bpb, "zh": each.score.mean_bpb + of}
            score = each.score.model_copy(update={"bpb": bpb})
            scored.append(each.model_copy(update={"score": score, "accuracy": {"pairs": 0.6 + of}}))
        return cell.model_copy(update={"scored": tuple(scored)})

    every = [
        told(cell) if cell.arm in ("elastic", "pruned", "scratch") else cell for cell in cells.every
    ]
    known = Cells(tuple(cell for cell in every if cell.arm != "plain"), SEEDS, MEMBERS)
    en, zh, pairs = aspects(known, ["pruned"], ["scratch"])
    assert [each.name for each in (en, zh, pairs)] == ["en", "zh", "pairs"]
    assert en.differences["pruned"].values == pytest.approx((-0.065, -0.075))
    assert zh.differences["pruned"].values == pytest.approx((-0.165, -0.175))
    assert zh.elastic.values == pytest.approx((2.06, 2.09))
    assert pairs.kind == "accuracy"
    assert pairs.differences["pruned"].values == pytest.approx((-0.1, -0.1))
    # In Chinese no run from scratch is as good as the half: 2.10 against 2.15.
    assert en.ratios["scratch"].mean == pytest.approx(10 / 4)
    assert zh.ratios == {} == pairs.ratios
    text = markdown(Summary(known, CompareConfig()), title="", command="", picture=None)
    (row,) = [line for line in text.splitlines() if line.startswith("| pairs |")]
    assert row.startswith("| pairs | right, % | 60.50 | ")
    assert "| -10.00 (" in row


def test_variants_are_held_against_the_recipe_with_the_seeds_they_have(cells, make_cell):
    extra = [
        make_cell("variant", 0, 8.0, {"full": 2.01, "half": 2.06}, name="later"),
        make_cell("variant", 0, 8.0, {"full": 2.02, "half": 2.0}, name="rarer"),
        make_cell("variant", 1, 8.0, {"full": 2.04, "half": 2.1}, name="rarer"),
    ]
    changes = {"later": ("train.elastic.onset=0.5",), "rarer": ("train.elastic.x=1",), "none": ()}
    every = Cells((*cells.every, *extra), SEEDS, MEMBERS)
    recipe, best, other = ablation(every, changes)
    assert (recipe.name, recipe.mean_difference.values) == ("", (0.0, 0.0))
    assert recipe.tax.values == pytest.approx((100 * (2.02 / 2.04 - 1), 100 * (2.04 / 2.06 - 1)))
    # Seed 0: 0 and -0.1; seed 1: 0 and -0.02.
    assert (best.name, len(best.mean_difference.values)) == ("rarer", 2)
    assert best.mean_difference.values == pytest.approx((-0.05, -0.01))
    assert best.differences["half"].values == pytest.approx((-0.1, -0.02))
    assert other.mean_difference.values == pytest.approx((-0.025,))
    assert other.tax.values == pytest.approx((100 * (2.01 / 2.04 - 1),))
    summary = Summary(every, CompareConfig(variants=changes))
    text = markdown(summary, title="", command="", picture=None)
    assert "| later: `train.elastic.onset=0.5` | 1 | 1 | -0.0250 | -0.0100 | -0.0400 | " in text
    assert ablation(every, {}) == []
